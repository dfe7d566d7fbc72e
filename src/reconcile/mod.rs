//! Reconcile: for each key with news, compare what the table says with what the index holds, and
//! do the least that makes them equal.
//!
//! The [`Reconciler`] is the state of one partition's keys and nothing else: changes and answers
//! come in with the time, [`Action`]s go out. It does no I/O and reads no clock, so every order
//! of changes and answers can be tested.
//!
//! Its rules:
//! - One write in flight a key. News that arrives meanwhile waits for the write, then is compared
//!   with what was written.
//! - An embedding in flight holds up neither a delete nor a payload patch of its own key. When it
//!   comes back it is written with the latest row, if that still has the same text.
//! - Nobody pays for a text that is no longer wanted: [`Action::Embed`] carries a token, and once
//!   the key drops its side of it the text is not sent.

mod action;
mod cache;
mod compact;
mod observed;
mod plan;
mod slot;

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use hashbrown::HashMap;

use crate::{
    error::Failure,
    record::{
        Ack, Desired, Epoch, Fingerprint, KeyChange, PointId, PointState, Position, Settled,
        Stored, Superseded, Ticket, TopicPartition, TruncateMark, Watermark, Write, WriteOutcome,
    },
};

pub use action::Action;
pub use cache::ObservedCache;
pub use observed::{Comparison, Observed, Observer, Present, Writer, Written};
pub use plan::{Plan, plan};

use slot::{Embedding, InFlight, Slot, View, earlier_acks};

/// How long texts are held back.
#[derive(Debug, Clone, Copy)]
pub struct Delays {
    /// A text is embedded once it has not changed for this long,
    pub quiet: Duration,
    /// but at the latest this long after it first changed.
    pub max_hold: Duration,
}

/// What becomes of records that the index reflects already, when they are read again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Replay {
    /// They change nothing.
    #[default]
    Skip,
    /// They are applied like any other, so that the topic wins where somebody has changed the index.
    Repair,
}

/// What a partition's new owner knows about the time before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakeOver {
    /// Under which epoch the partition is owned.
    pub since: Epoch,
    /// When it was taken over,
    pub at: Instant,
    /// which was at this time, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whether there was an owner before, whose last writes may be under way still.
    pub had_owner: bool,
    /// What is known to be reflected in the index.
    pub watermark: Option<Watermark>,
}

impl TakeOver {
    /// What time it is, in milliseconds since 1970.
    fn ms_at(&self, now: Instant) -> i64 {
        let since = now.saturating_duration_since(self.at).as_millis();
        let since = i64::try_from(since).unwrap_or(i64::MAX);
        self.at_ms.saturating_add(since)
    }
}

/// The keys of one partition that have unsettled news.
#[derive(Debug)]
pub struct Reconciler {
    observer: Observer,
    taken_over: TakeOver,
    replay: Replay,
    delays: Delays,
    cache: ObservedCache,
    slots: HashMap<PointId, Slot>,
    /// Reads and writes under way.
    tickets: HashMap<Ticket, PointId>,
    /// Embeddings under way.
    embeddings: HashMap<Ticket, PointId>,
    next_ticket: u64,
    /// When a held-back text may be due. An entry may be out of date: the slot knows.
    deadlines: BinaryHeap<Reverse<(Instant, PointId)>>,
    draining: bool,
}

impl Reconciler {
    /// For one assignment of one partition, whose keys are embedded as `fingerprint`.
    pub fn new(
        partition: TopicPartition,
        fingerprint: Fingerprint,
        delays: Delays,
        replay: Replay,
        cache: ObservedCache,
        taken_over: TakeOver,
    ) -> Self {
        Self {
            observer: Observer {
                partition,
                fingerprint,
                since: taken_over.since,
            },
            taken_over,
            replay,
            delays,
            cache,
            slots: HashMap::new(),
            tickets: HashMap::new(),
            embeddings: HashMap::new(),
            next_ticket: 0,
            deadlines: BinaryHeap::new(),
            draining: false,
        }
    }

    /// Another member has owned the partition meanwhile, and now this one does again: nothing that was
    /// known of the index may be relied on.
    pub fn take_over_again(&mut self, since: Epoch, out: &mut Vec<Action>) {
        self.observer.since = since;
        self.taken_over.had_owner = true;
        self.cache.forget_all();
        let mut unknown = Vec::new();
        for (point, slot) in &mut self.slots {
            if let Some(write) = &mut slot.writing {
                write.is_doubtful = true;
            } else if slot.view != View::Unknown {
                slot.view = View::Unknown;
                unknown.push(*point);
            }
        }
        for point in unknown {
            self.read(point, out);
        }
    }

    /// The collection is empty: keys of which nothing is known have no point, and need not be
    /// read. To be told before the first change, and only of the partition's own time: while
    /// another member owned it, that one wrote.
    pub fn assume_empty_index(&mut self) {
        self.cache.assume_empty();
    }

    /// Whether the index is known to hold something later than `position` for this point: then
    /// the record there needs not even be decoded.
    pub fn is_replay(&self, point: &PointId, position: &Position) -> bool {
        !self.slots.contains_key(point)
            && self.cache.get(point).is_some_and(|observed| {
                self.is_later(&observed, position) || self.is_reflected(&observed, position, None)
            })
    }

    /// Whether the index holds something later than `position`.
    fn is_later(&self, observed: &Observed, position: &Position) -> bool {
        let is_to_be_repaired =
            self.replay == Replay::Repair && !observed.written().is_some_and(Written::is_current);
        !is_to_be_repaired && observed.compare(position).is_later
    }

    /// Whether the record at `position` is known to be reflected in the index, although the point is
    /// not as of it: it is of a row that is gone, or that looked the same again later.
    ///
    /// A point of another model is compared all the same, where it holds the payload of `desired`: so
    /// reading the topic again embeds anew what a changed model makes necessary.
    fn is_reflected(
        &self,
        observed: &Observed,
        position: &Position,
        desired: Option<&Desired>,
    ) -> bool {
        if !self.is_covered(position) || self.replay == Replay::Repair {
            return false;
        }
        match observed {
            Observed::Absent | Observed::AssumedAbsent => true,
            // It says so itself, or is of another partition.
            Observed::Tombstone(written) => written.offset().is_some(),
            Observed::Present(present) => {
                let Some(offset) = present.written.offset() else {
                    return false;
                };
                let is_payload = |desired: &Desired| match desired {
                    Desired::Row(document) => {
                        present.payload == Some(document.payload_hash.short())
                    }
                    Desired::Gone => false,
                };
                let may_be_embedded_anew = present.text.is_none() && desired.is_none_or(is_payload);
                offset != position.offset && !may_be_embedded_anew
            }
        }
    }

    /// Whether the record at `position` had settled before the partition was taken over.
    fn is_covered(&self, position: &Position) -> bool {
        let watermark = self.taken_over.watermark;
        watermark.is_some_and(|watermark| watermark.covers(position))
    }

    /// Whether a former owner may still be writing to this point something else than the news says:
    /// what earlier news said that was superseded before it was compared with the index.
    fn is_contested(&self, slot: &Slot, observed: &Observed) -> bool {
        self.taken_over.had_owner
            && slot.news.replaces
            && !self.is_covered(&slot.news.position)
            && !observed.written().is_some_and(Written::is_current)
    }

    /// The latest that the table says about a key with unsettled news, and what settles its record.
    pub fn latest(&self, point: &PointId) -> Option<(&Desired, &Ack)> {
        let news = &self.slots.get(point)?.news;
        Some((&news.desired, &news.ack))
    }

    /// Remembers a point that was looked at for another reason than planning.
    pub fn remember(&mut self, point: PointId, stored: &Stored, epoch: Option<Epoch>) {
        let observed = self.observer.observe_row(stored, epoch);
        self.cache.insert(point, observed);
    }

    /// News of a key. Changes of one key must come in the order of their offsets.
    pub fn on_change(&mut self, change: KeyChange, now: Instant, out: &mut Vec<Action>) {
        let point = change.point;
        if let Some(slot) = self.slots.get_mut(&point) {
            slot.supersede(change, out);
        } else {
            let slot = Slot::new(change, self.cache.get(&point));
            if slot.view == View::Unknown {
                self.read(point, out);
            }
            self.slots.insert(point, slot);
        }
        self.advance(point, now, out);
    }

    /// The table was truncated: the rows from before are gone, and what was remembered of points is
    /// no longer true.
    pub fn truncate(&mut self, mark: &TruncateMark, now: Instant, out: &mut Vec<Action>) {
        self.cache.forget_all();
        let mut gone = Vec::new();
        for (point, slot) in &mut self.slots {
            if mark.covers(&slot.news.position) && slot.news.desired != Desired::Gone {
                slot.news.replaces = true;
                slot.news.desired = Desired::Gone;
                gone.push(*point);
            }
        }
        for point in gone {
            self.advance(point, now, out);
        }
    }

    /// The answer to [`Action::Read`].
    pub fn on_read(
        &mut self,
        ticket: Ticket,
        point: &PointState,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let observed = self.observer.observe(point);
        if let Some(id) = self.tickets.remove(&ticket)
            && let Some(slot) = self.slots.get_mut(&id)
        {
            slot.view = View::Known(observed);
            self.advance(id, now, out);
        }
    }

    /// The answer to [`Action::Embed`]: the vector, or why this text has none.
    pub fn on_embedded(
        &mut self,
        ticket: Ticket,
        outcome: Result<Vec<f32>, Failure>,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        if let Some(id) = self.embeddings.remove(&ticket)
            && let Some(slot) = self.slots.get_mut(&id)
        {
            slot.on_embedded(ticket, outcome);
            self.advance(id, now, out);
        }
    }

    /// The answer to [`Action::Write`].
    pub fn on_written(
        &mut self,
        ticket: Ticket,
        outcome: WriteOutcome,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let Some(id) = self.tickets.remove(&ticket) else {
            return;
        };
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        match slot.on_written(outcome, |state| self.observer.observe(state), out) {
            Ok(()) if slot.view == View::Unknown => self.read(id, out),
            Ok(()) => self.advance(id, now, out),
            Err(failure) => self.give_up(id, "index", failure, out),
        }
    }

    /// Lets held-back texts go that are due.
    pub fn on_time(&mut self, now: Instant, out: &mut Vec<Action>) {
        while let Some(Reverse((due, point))) = self.deadlines.peek().copied()
            && due <= now
        {
            self.deadlines.pop();
            self.advance(point, now, out);
        }
    }

    /// When [`on_time`](Self::on_time) is to be called next.
    pub fn due(&self) -> Option<Instant> {
        self.deadlines.peek().map(|Reverse((due, _))| *due)
    }

    /// From now on buys no further embedding: the partition is about to be given up, and its next
    /// owner will read the same records. What is in flight is finished.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether no read and no write is in flight.
    pub fn is_idle(&self) -> bool {
        self.tickets.is_empty()
    }

    /// Whether an embedding is in flight.
    pub fn is_buying(&self) -> bool {
        !self.embeddings.is_empty()
    }

    /// How many keys have unsettled news.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no key has unsettled news.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many keys' hashes are remembered.
    pub fn remembered(&self) -> usize {
        self.cache.len()
    }

    fn next_ticket(&mut self) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        ticket
    }

    fn issue(&mut self, point: PointId) -> Ticket {
        let ticket = self.next_ticket();
        self.tickets.insert(ticket, point);
        ticket
    }

    fn read(&mut self, point: PointId, out: &mut Vec<Action>) {
        let ticket = self.issue(point);
        out.push(Action::Read { ticket, point });
    }

    /// Takes a key as far as it can go right now.
    fn advance(&mut self, point: PointId, now: Instant, out: &mut Vec<Action>) {
        let Some(slot) = self.slots.get_mut(&point) else {
            return;
        };
        let View::Known(observed) = slot.view.clone() else {
            return;
        };
        if slot.writing.is_some() {
            return;
        }
        let position = slot.news.position;
        if observed.compare(&position).by_clock && !slot.news.by_clock_counted {
            slot.news.by_clock_counted = true;
            out.push(Action::OrderedByClock);
        }
        slot.count_version_conflict(&observed, out);
        let Some(slot) = self.slots.get(&point) else {
            return;
        };
        if self.is_later(&observed, &position)
            || self.is_reflected(&observed, &position, Some(&slot.news.desired))
        {
            return self.settle(point, observed, out);
        }
        let comparable = slot.observed(&observed);
        let contested = self.is_contested(slot, &observed);
        match plan(&slot.news.desired, &comparable, slot.vector_text()) {
            Plan::Nothing if contested => self.touch(point, &observed, now, out),
            Plan::Embed if contested && slot.is_refused() => {
                self.touch(point, &observed, now, out);
            }
            Plan::Nothing => self.settle(point, observed, out),
            Plan::Delete => self.delete(point, &observed, now, out),
            Plan::Patch => {
                self.forget_text(point);
                self.patch(point, &observed, contested, out);
            }
            Plan::PatchThenEmbed => {
                // Also when the text is refused: the payload is owed all the same, and the next
                // look, at a point with this payload, gives the text up.
                if !slot.is_refused() {
                    self.embed(point, now, out);
                }
                self.patch(point, &observed, contested, out);
            }
            Plan::Embed => {
                self.embed(point, now, out);
            }
            Plan::Upsert => self.upsert(point, &observed, out),
        }
    }

    fn forget_text(&mut self, point: PointId) {
        if let Some(slot) = self.slots.get_mut(&point) {
            slot.forget_text(&mut self.embeddings);
        }
    }

    /// Index and table agree about this key: its record settles.
    fn settle(&mut self, point: PointId, observed: Observed, out: &mut Vec<Action>) {
        self.cache.insert(point, observed);
        if let Some(mut slot) = self.slots.remove(&point) {
            slot.forget_text(&mut self.embeddings);
            for earlier in earlier_acks(slot.news.creation, slot.news.completion) {
                out.push(Action::superseded(earlier, slot.news.position));
            }
            out.push(Action::Settle {
                ack: slot.news.ack,
                settled: slot.news.settles_as,
                position: slot.news.position,
            });
        }
    }

    /// The key's record can't be processed.
    fn give_up(
        &mut self,
        point: PointId,
        stage: &'static str,
        failure: Failure,
        out: &mut Vec<Action>,
    ) {
        if let Some(mut slot) = self.slots.remove(&point) {
            // What was written before the record proved unusable is there, and must be known.
            if let View::Known(observed) = std::mem::replace(&mut slot.view, View::Unknown) {
                self.cache.insert(point, observed);
            }
            slot.forget_text(&mut self.embeddings);
            slot.into_dead_letter(stage, failure, out);
        }
    }

    /// Writes what is there, so that what the former owner may be writing finds a later epoch.
    fn touch(&mut self, point: PointId, observed: &Observed, now: Instant, out: &mut Vec<Action>) {
        match observed {
            Observed::Present(_) => self.patch(point, observed, true, out),
            _ => self.delete(point, observed, now, out),
        }
    }

    fn delete(&mut self, point: PointId, observed: &Observed, now: Instant, out: &mut Vec<Action>) {
        self.forget_text(point);
        let Some(slot) = self.slots.get(&point) else {
            return;
        };
        let tombstone = slot.tombstone(&self.observer.partition, self.taken_over.ms_at(now));
        let becomes = self
            .observer
            .observe_tombstone(&tombstone, Some(self.observer.since));
        let write = Write::Delete {
            point,
            tombstone: Box::new(tombstone),
            unread: *observed == Observed::AssumedAbsent,
            expected: observed.expected(),
        };
        self.write(point, write, becomes, Settled::Deleted, out);
    }

    fn patch(
        &mut self,
        point: PointId,
        observed: &Observed,
        contested: bool,
        out: &mut Vec<Action>,
    ) {
        let Some(slot) = self.slots.get(&point) else {
            return;
        };
        let (Desired::Row(document), Observed::Present(present)) = (&slot.news.desired, observed)
        else {
            return;
        };
        let Observer {
            partition,
            fingerprint,
            since,
        } = &self.observer;
        let mut stored = slot.stored(document, partition, fingerprint);
        stored.text_hash = present.text;
        stored.wanted = (present.text != Some(document.text_hash)).then_some(document.text_hash);
        let becomes = self.observer.observe_row(&stored, Some(*since));
        let expected = observed.expected();
        let write = Write::PatchPayload {
            point,
            payload: document.payload.clone(),
            stored: Box::new(stored),
            contested: contested || expected.is_some(),
            expected,
        };
        self.write(point, write, becomes, Settled::Written, out);
    }

    fn upsert(&mut self, point: PointId, observed: &Observed, out: &mut Vec<Action>) {
        let Some(slot) = self.slots.get_mut(&point) else {
            return;
        };
        let Some((_, vector)) = slot.vector.take() else {
            return;
        };
        let Desired::Row(document) = &slot.news.desired else {
            return;
        };
        let Observer {
            partition,
            fingerprint,
            since,
        } = &self.observer;
        let stored = slot.stored(document, partition, fingerprint);
        let becomes = self.observer.observe_row(&stored, Some(*since));
        let write = Write::Upsert {
            point,
            vector,
            payload: document.payload.clone(),
            stored: Box::new(stored),
            unread: *observed == Observed::AssumedAbsent,
            expected: observed.expected(),
        };
        self.write(point, write, becomes, Settled::Written, out);
    }

    fn write(
        &mut self,
        point: PointId,
        write: Write,
        becomes: Observed,
        settles_as: Settled,
        out: &mut Vec<Action>,
    ) {
        let ticket = self.issue(point);
        if let Some(slot) = self.slots.get_mut(&point) {
            slot.writing = Some(InFlight {
                becomes,
                position: slot.news.position,
                settles_as,
                superseded: Superseded::new(),
                is_doubtful: false,
            });
            out.push(Action::Write { ticket, write });
        }
    }

    /// Sees to it that the key's text is bought once it has been quiet; gives the key up if the
    /// text was refused before.
    fn embed(&mut self, point: PointId, now: Instant, out: &mut Vec<Action>) {
        let next = self.next_ticket();
        let Some(slot) = self.slots.get_mut(&point) else {
            return;
        };
        let Desired::Row(document) = &slot.news.desired else {
            return;
        };
        let (text, hash) = (document.text.clone(), document.text_hash);
        if let Some(failure) = slot.refused(hash) {
            return self.give_up(point, "embed", failure, out);
        }
        let is_under_way = |embedding: &Embedding| embedding.text == hash;
        if slot.embedding.as_ref().is_some_and(is_under_way) {
            return;
        }
        slot.forget_embedding(&mut self.embeddings);
        let Delays { quiet, max_hold } = self.delays;
        let (due, is_news) = slot.hold_text(hash, now, |debounce| debounce.due(quiet, max_hold));
        if self.draining {
            return;
        }
        if due > now {
            if is_news {
                self.deadlines.push(Reverse((due, point)));
            }
            return;
        }
        slot.held = None;
        let (embedding, wanted) = Embedding::new(next, hash);
        slot.embedding = Some(embedding);
        self.embeddings.insert(next, point);
        out.push(Action::Embed {
            ticket: next,
            text,
            wanted,
        });
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
