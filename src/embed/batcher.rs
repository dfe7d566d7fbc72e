//! Texts that wait for a vector, and who asked for them.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use hashbrown::{HashMap, hash_map::Entry};
use smallvec::SmallVec;
use tokio::time::Instant;

use super::{
    EmbedRequest,
    gathering::{Chunk, Gathering, ReplyTo},
    inputs::Inputs,
    queue::{Place, Queue},
};
use crate::{
    cost::Purpose,
    error::Failure,
    record::{PointVector, Priority, Vector, Wish},
};

/// Below this many queued texts nobody looks for unwanted ones before their turn.
const SWEEP_FROM: usize = 1024;

/// Queues texts and cuts requests from the queue: each text once, however many ask for it, from
/// the first time it is asked for until it is [answered](Self::answer) or [refused](Self::refuse).
#[derive(Debug)]
pub(super) struct Batcher {
    wanted: HashMap<Arc<str>, Wanted>,
    queue: Queue,
    max_inputs: usize,
    linger: Duration,
    sweep_at: usize,
    skipped: u64,
}

/// The texts of a request.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) texts: Vec<Arc<str>>,
    /// Of the least urgent of them.
    pub(super) priority: Priority,
}

/// A text that has not been answered.
#[derive(Debug)]
struct Wanted {
    askers: SmallVec<[Asker; 1]>,
    /// How many tokens it is, once that was counted.
    tokens: Option<u64>,
    /// Where it is queued; none once it was cut.
    place: Option<Place>,
    /// Whether it was sent in vain, and waits to be sent again.
    is_put_off: bool,
}

#[derive(Debug)]
struct Asker {
    purpose: Purpose,
    wanted: Weak<Wish>,
    answer: AnswerTo,
}

/// Who gets a text's vector.
#[derive(Debug)]
enum AnswerTo {
    /// Who asked for it.
    Whole(ReplyTo),
    /// The text that it is a chunk of.
    Chunk(Chunk),
}

impl Batcher {
    pub(super) fn new(max_inputs: usize, linger: Duration) -> Self {
        Self {
            wanted: HashMap::new(),
            queue: Queue::default(),
            max_inputs: max_inputs.max(1),
            linger,
            sweep_at: SWEEP_FROM,
            skipped: 0,
        }
    }

    /// Takes a request: its text is queued, unless it is queued or being embedded already.
    pub(super) fn push(&mut self, request: EmbedRequest, now: Instant) {
        let EmbedRequest {
            ticket,
            text,
            purpose,
            priority,
            wanted,
            reply,
            ..
        } = request;
        let asker = Asker {
            purpose,
            wanted,
            answer: AnswerTo::Whole(ReplyTo { ticket, reply }),
        };
        self.enqueue(text, asker, priority, now);
    }

    /// Takes a request whose text was split: its chunks are queued one after another, each as a text of
    /// its own. It is answered when all of them are, or when one is refused.
    pub(super) fn push_chunks(
        &mut self,
        request: EmbedRequest,
        chunks: Vec<Arc<str>>,
        now: Instant,
    ) {
        let EmbedRequest {
            ticket,
            purpose,
            priority,
            wanted,
            reply,
            ..
        } = request;
        let gathering = Gathering::start(ReplyTo { ticket, reply }, chunks.len());
        for (text, chunk) in chunks.into_iter().zip(gathering) {
            let asker = Asker {
                purpose: purpose.clone(),
                wanted: wanted.clone(),
                answer: AnswerTo::Chunk(chunk),
            };
            self.enqueue(text, asker, priority, now);
        }
    }

    fn enqueue(&mut self, text: Arc<str>, asker: Asker, priority: Priority, now: Instant) {
        match self.wanted.entry(text) {
            Entry::Occupied(known) => {
                let known = known.into_mut();
                if known.place.is_none() {
                    asker.note_sent();
                }
                if known.is_put_off {
                    asker.note_put_off();
                }
                known.askers.push(asker);
                // Who is most urgent decides for all.
                if let Some(place) = known.place.filter(|place| priority < place.priority) {
                    known.place = self.queue.promote(place, priority);
                }
            }
            Entry::Vacant(new) => {
                let text = Arc::clone(new.key());
                let guess = Inputs::guess(&text);
                let place = self.queue.push(text, guess, priority, now);
                new.insert(Wanted {
                    askers: SmallVec::from_buf([asker]),
                    tokens: None,
                    place: Some(place),
                    is_put_off: false,
                });
            }
        }
        // While an outage lasts nothing has its turn, yet rows go on changing and being deleted.
        // Sweeping each time the queue has grown by a quarter keeps it in proportion, at a constant cost a
        // text: what nobody wants any more is in nobody's budget.
        if self.queue.len() >= self.sweep_at {
            self.sweep();
        }
    }

    /// Drops from the queue what nobody wants any more.
    pub(super) fn sweep(&mut self) {
        let mut queue = std::mem::take(&mut self.queue);
        queue.retain(|text| self.is_wanted(text));
        self.queue = queue;
        self.sweep_at = SWEEP_FROM.max(self.queue.len() + self.queue.len() / 4);
    }

    /// When the next request, of so many tokens at most, is to be cut: at once if it is full, else
    /// when the text that waits longest has lingered; `None` if nothing is queued.
    pub(super) fn due(&self, max_tokens: u64) -> Option<Instant> {
        let oldest = self.queue.oldest()?;
        if self.queue.len() >= self.max_inputs || self.queue.tokens() >= max_tokens {
            return Some(oldest);
        }
        Some(oldest + self.linger)
    }

    /// About how many tokens the next request will have.
    pub(super) fn next_tokens(&self, max_tokens: u64) -> u64 {
        self.queue.tokens().min(max_tokens)
    }

    /// Cuts a request of so many tokens at most, as `count` counts them: the most urgent and oldest
    /// texts that are still wanted. A text that is longer goes alone. Empty if there are none.
    pub(super) fn cut(&mut self, max_tokens: u64, count: impl Fn(&str) -> u64) -> Cut {
        let mut priority = Priority::Fresh;
        let mut texts = Vec::with_capacity(self.max_inputs.min(self.queue.len()));
        let mut left = max_tokens;
        while texts.len() < self.max_inputs
            && let Some(text) = self.queue.first().cloned()
        {
            if self.is_wanted(&text)
                && let Some(wanted) = self.wanted.get_mut(&text)
            {
                let tokens = *wanted.tokens.get_or_insert_with(|| count(&text));
                if tokens > left && !texts.is_empty() {
                    break;
                }
                if let Some(place) = wanted.place.take() {
                    priority = priority.max(place.priority);
                }
                wanted.askers.iter().for_each(Asker::note_sent);
                left = left.saturating_sub(tokens);
                texts.push(text);
            }
            self.queue.pop_first();
        }
        Cut { texts, priority }
    }

    /// How many tokens the texts of a request are.
    pub(super) fn tokens(&self, texts: &[Arc<str>]) -> u64 {
        let known = texts.iter().filter_map(|text| self.wanted.get(text));
        known.filter_map(|wanted| wanted.tokens).sum()
    }

    /// The texts of a request were sent in vain, and will be sent again.
    pub(super) fn put_off(&mut self, texts: &[Arc<str>]) {
        self.set_put_off(texts, true, Asker::note_put_off);
    }

    /// They are on their way again.
    pub(super) fn send_again(&mut self, texts: &[Arc<str>]) {
        self.set_put_off(texts, false, Asker::note_sent_again);
    }

    fn set_put_off(&mut self, texts: &[Arc<str>], is_put_off: bool, note: impl Fn(&Asker)) {
        for text in texts {
            if let Some(wanted) = self.wanted.get_mut(text)
                && wanted.is_put_off != is_put_off
            {
                wanted.is_put_off = is_put_off;
                wanted.askers.iter().for_each(&note);
            }
        }
    }

    fn askers(&self, texts: &[Arc<str>]) -> impl Iterator<Item = &Asker> {
        let known = texts.iter().filter_map(|text| self.wanted.get(text));
        known.flat_map(|wanted| &wanted.askers)
    }

    /// Drops from a request that was cut before the texts that nobody wants any more.
    pub(super) fn keep_wanted(&mut self, texts: &mut Vec<Arc<str>>) {
        texts.retain(|text| self.is_wanted(text));
    }

    /// Whether any text of a request is still wanted.
    pub(super) fn is_any_wanted(&self, texts: &[Arc<str>]) -> bool {
        self.askers(texts).any(Asker::is_waiting)
    }

    /// For whom a text is bought, in the order in which they asked.
    pub(super) fn purposes(&self, text: &str) -> impl Iterator<Item = &Purpose> {
        let wanted = self.wanted.get(text).into_iter();
        wanted.flat_map(|wanted| wanted.askers.iter().map(|asker| &asker.purpose))
    }

    /// Hands a vector to everyone who asked for it.
    pub(super) fn answer(&mut self, text: &str, vector: Vector) {
        self.reply(text, Ok(vector));
    }

    /// Tells everyone who asked for a text that the provider will not have it.
    pub(super) fn refuse(&mut self, text: &str, failure: Failure) {
        self.reply(text, Err(failure));
    }

    fn reply(&mut self, text: &str, outcome: Result<Vector, Failure>) {
        let Some(Wanted { mut askers, .. }) = self.wanted.remove(text) else {
            return;
        };
        let Some(last) = askers.pop() else { return };
        for asker in askers {
            asker.reply(outcome.clone());
        }
        last.reply(outcome);
    }

    /// How many texts wait for their turn, wanted or not.
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Whether nobody waits for anything, here or under way.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.wanted.is_empty() && self.queue.len() == 0
    }

    /// How many texts were dropped unsent since the last time this was asked.
    pub(super) fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }

    /// How many texts a request takes at most.
    pub(super) fn max_inputs(&self) -> usize {
        self.max_inputs
    }

    /// Changes how many texts a request takes at most.
    pub(super) fn set_max_inputs(&mut self, max_inputs: usize) {
        self.max_inputs = max_inputs.max(1);
    }

    /// Forgets those who don't want `text` any more, and `text` with the last of them.
    fn is_wanted(&mut self, text: &Arc<str>) -> bool {
        let Some(wanted) = self.wanted.get_mut(text) else {
            return false;
        };
        wanted.askers.retain(|asker| asker.is_waiting());
        if !wanted.askers.is_empty() {
            return true;
        }
        self.wanted.remove(text);
        self.skipped += 1;
        false
    }
}

impl Asker {
    fn is_waiting(&self) -> bool {
        self.wanted.strong_count() > 0
            && match &self.answer {
                AnswerTo::Whole(to) => to.is_listening(),
                AnswerTo::Chunk(chunk) => chunk.is_wanted(),
            }
    }

    fn note_sent(&self) {
        let Some(wish) = self.wanted.upgrade() else {
            return;
        };
        match &self.answer {
            AnswerTo::Chunk(chunk) if !chunk.note_sent() => wish.send_part(),
            AnswerTo::Chunk(_) | AnswerTo::Whole(_) => wish.send(),
        }
    }

    fn note_put_off(&self) {
        if let Some(wish) = self.wanted.upgrade() {
            wish.put_off();
        }
    }

    fn note_sent_again(&self) {
        if let Some(wish) = self.wanted.upgrade() {
            wish.send_again();
        }
    }

    fn reply(self, outcome: Result<Vector, Failure>) {
        match self.answer {
            AnswerTo::Whole(to) => to.send(outcome.map(PointVector::Dense)),
            AnswerTo::Chunk(chunk) => chunk.answer(outcome),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

    use super::{super::EmbedReply, *};
    use crate::{cost::Reason, record::Ticket};

    fn request(text: &str, wish: &Arc<Wish>, reply: &UnboundedSender<EmbedReply>) -> EmbedRequest {
        EmbedRequest {
            ticket: Ticket(0),
            text: text.into(),
            purpose: Purpose {
                table: "shop.public.products".into(),
                reason: Reason::New,
            },
            priority: Priority::Fresh,
            wanted: Arc::downgrade(wish),
            seen: None,
            reply: reply.clone(),
        }
    }

    fn cut(batcher: &mut Batcher) -> Vec<Arc<str>> {
        batcher.cut(1_000, |_| 1).texts
    }

    #[test]
    fn who_asks_for_a_text_that_was_sent_in_vain_waits_like_who_asked_before() {
        let now = Instant::now();
        let mut batcher = Batcher::new(128, Duration::ZERO);
        let (reply, _replies) = unbounded_channel();
        let [first, second] = [(); 2].map(|()| Arc::new(Wish::default()));
        batcher.push(request("kettle", &first, &reply), now);
        let texts = cut(&mut batcher);
        assert!(first.is_under_way());
        batcher.put_off(&texts);
        batcher.push(request("kettle", &second, &reply), now);
        assert!(!first.is_under_way() && !second.is_under_way());
        batcher.send_again(&texts);
        assert!(first.is_under_way() && second.is_under_way());
    }

    #[test]
    fn a_split_text_is_under_way_once_no_chunk_waits_to_be_sent_again() {
        let now = Instant::now();
        let mut batcher = Batcher::new(1, Duration::ZERO);
        let (reply, _replies) = unbounded_channel();
        let wish = Arc::new(Wish::default());
        let chunks = vec!["copper".into(), "kettle".into()];
        batcher.push_chunks(request("copper kettle", &wish, &reply), chunks, now);
        let calls = [(); 2].map(|()| cut(&mut batcher));
        assert!(wish.is_under_way());
        for texts in &calls {
            batcher.put_off(texts);
        }
        let [one, other] = &calls;
        batcher.send_again(one);
        assert!(!wish.is_under_way(), "the other waits still");
        batcher.send_again(other);
        assert!(wish.is_under_way());
    }

    #[test]
    fn what_nobody_wants_any_more_is_no_more_than_a_quarter_of_what_somebody_wants() {
        const WANTED: usize = 4_000;
        let now = Instant::now();
        let mut batcher = Batcher::new(128, Duration::ZERO);
        let (reply, _replies) = unbounded_channel();
        let wish = Arc::new(Wish::default());
        for number in 0..5 * WANTED {
            let given_up = Arc::new(Wish::default());
            let wish = if number < WANTED { &wish } else { &given_up };
            batcher.push(request(&number.to_string(), wish, &reply), now);
            assert!(batcher.queued() <= WANTED + WANTED / 4);
        }
    }
}
