//! Texts that wait for a vector, and who asked for them.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    time::Duration,
};

use hashbrown::{HashMap, hash_map::Entry};
use smallvec::SmallVec;
use tokio::{sync::mpsc::UnboundedSender, time::Instant};

use super::{EmbedReply, EmbedRequest};
use crate::{
    cost::Purpose,
    error::Failure,
    record::{Ticket, Vector, Wish},
};

/// Below this many queued texts nobody looks for unwanted ones before their turn.
const SWEEP_FROM: usize = 1024;

/// Queues texts and cuts requests from the queue: each text once, however many ask for it, from
/// the first time it is asked for until it is [answered](Self::answer) or [refused](Self::refuse).
#[derive(Debug)]
pub(super) struct Batcher {
    askers: HashMap<Arc<str>, SmallVec<[Asker; 1]>>,
    queue: VecDeque<Queued>,
    max_inputs: usize,
    linger: Duration,
    sweep_at: usize,
    skipped: u64,
}

#[derive(Debug)]
struct Asker {
    ticket: Ticket,
    purpose: Purpose,
    wanted: Weak<Wish>,
    reply: UnboundedSender<EmbedReply>,
}

#[derive(Debug)]
struct Queued {
    text: Arc<str>,
    since: Instant,
}

impl Batcher {
    pub(super) fn new(max_inputs: usize, linger: Duration) -> Self {
        Self {
            askers: HashMap::new(),
            queue: VecDeque::new(),
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
            wanted,
            reply,
        } = request;
        let asker = Asker {
            ticket,
            purpose,
            wanted,
            reply,
        };
        match self.askers.entry(text) {
            Entry::Occupied(mut known) => {
                if known.get().iter().any(Asker::is_sent) {
                    asker.note_sent();
                }
                known.get_mut().push(asker);
            }
            Entry::Vacant(new) => {
                let text = Arc::clone(new.key());
                self.queue.push_back(Queued { text, since: now });
                new.insert(SmallVec::from_buf([asker]));
            }
        }
        // While an outage lasts nothing has its turn, yet rows go on changing and being deleted.
        // Sweeping each time the queue has doubled keeps it in proportion, at a constant cost a text.
        if self.queue.len() >= self.sweep_at {
            let queue = std::mem::take(&mut self.queue);
            self.queue = queue
                .into_iter()
                .filter(|queued| self.is_wanted(&queued.text))
                .collect();
            self.sweep_at = SWEEP_FROM.max(2 * self.queue.len());
        }
    }

    /// When the next request is to be cut: at once if it is full, else when its first text has
    /// lingered; `None` if nothing is queued.
    pub(super) fn due(&self) -> Option<Instant> {
        let oldest = self.queue.front()?;
        if self.queue.len() >= self.max_inputs {
            return Some(oldest.since);
        }
        Some(oldest.since + self.linger)
    }

    /// Cuts a request: the oldest texts that are still wanted. Empty if there are none.
    pub(super) fn cut(&mut self) -> Vec<Arc<str>> {
        let mut texts = Vec::with_capacity(self.max_inputs.min(self.queue.len()));
        while texts.len() < self.max_inputs
            && let Some(Queued { text, .. }) = self.queue.pop_front()
        {
            if self.is_wanted(&text) {
                for asker in self.askers.get(&text).into_iter().flatten() {
                    asker.note_sent();
                }
                texts.push(text);
            }
        }
        texts
    }

    /// Drops from a request that was cut before the texts that nobody wants any more.
    pub(super) fn keep_wanted(&mut self, texts: &mut Vec<Arc<str>>) {
        texts.retain(|text| self.is_wanted(text));
    }

    /// For whom a text is bought, in the order in which they asked.
    pub(super) fn purposes(&self, text: &str) -> impl Iterator<Item = &Purpose> {
        let askers = self.askers.get(text).into_iter().flatten();
        askers.map(|asker| &asker.purpose)
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
        let mut askers = self.askers.remove(text).unwrap_or_default();
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
        self.askers.is_empty()
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
        let Some(askers) = self.askers.get_mut(text) else {
            return false;
        };
        askers.retain(|asker| asker.is_waiting());
        if !askers.is_empty() {
            return true;
        }
        self.askers.remove(text);
        self.skipped += 1;
        false
    }
}

impl Asker {
    fn is_waiting(&self) -> bool {
        self.wanted.strong_count() > 0 && !self.reply.is_closed()
    }

    fn note_sent(&self) {
        if let Some(wish) = self.wanted.upgrade() {
            wish.send();
        }
    }

    fn is_sent(&self) -> bool {
        self.wanted.upgrade().is_some_and(|wish| wish.is_sent())
    }

    fn reply(self, outcome: Result<Vector, Failure>) {
        let ticket = self.ticket;
        // A partition that was revoked has stopped listening; its new owner asks for itself.
        let _ = self.reply.send(EmbedReply { ticket, outcome });
    }
}
