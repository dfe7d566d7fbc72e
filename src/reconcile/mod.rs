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
//! - Nobody pays for a text that is no longer wanted: [`Action::Embed`] carries a wish, and once
//!   the key drops its side of it the text is not sent.

mod action;
mod advance;
mod cache;
mod compact;
mod in_flight;
mod news;
mod observed;
mod park;
mod past;
mod plan;
mod quiet;
mod slot;

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use hashbrown::HashMap;

use crate::{
    cost::Savings,
    error::Failure,
    record::{
        Ack, Desired, Doubt, Epoch, Fingerprint, KeyChange, Offset, PointId, PointState,
        PointVector, Position, Stored, Ticket, TopicPartition, TruncateMark, WriteOutcome,
    },
};

pub use action::Action;
pub use cache::ObservedCache;
pub use observed::{Comparison, Observed, Observer, Present, Writer, Written};
pub use past::{Replay, TakeOver};
pub use plan::{Plan, plan};

use past::Past;
use slot::{Slot, View};

/// How long texts are held back.
#[derive(Debug, Clone, Copy)]
pub struct Delays {
    /// A text is embedded once it has not changed for this long.
    pub quiet: Duration,
    /// A text is embedded at the latest this long after it first changed.
    pub max_hold: Duration,
}

/// How often it was known what the index holds for a key with news.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lookups {
    /// Keys of which it was remembered.
    pub hits: u64,
    /// Keys whose point had to be read.
    pub misses: u64,
}

/// The keys of one partition that have unsettled news.
#[derive(Debug)]
pub struct Reconciler {
    observer: Observer,
    past: Past,
    delays: Delays,
    cache: ObservedCache,
    lookups: Lookups,
    /// Boxed, so that a slot's memory comes and goes with its news: a table keeps room for twice as many
    /// as there ever were, and while it grows, for three times as many.
    slots: HashMap<PointId, Box<Slot>>,
    /// What the next look at a point must not rely on.
    doubts: HashMap<PointId, Doubt>,
    /// Reads and writes under way.
    tickets: HashMap<Ticket, PointId>,
    /// Embeddings under way.
    embeddings: HashMap<Ticket, PointId>,
    next_ticket: u64,
    /// When a held-back text may be due. An entry may be out of date: the slot knows.
    deadlines: BinaryHeap<Reverse<(Instant, PointId)>>,
    draining: bool,
    savings: Savings,
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
            past: Past { taken_over, replay },
            delays,
            cache,
            lookups: Lookups::default(),
            slots: HashMap::new(),
            doubts: HashMap::new(),
            tickets: HashMap::new(),
            embeddings: HashMap::new(),
            next_ticket: 0,
            deadlines: BinaryHeap::new(),
            draining: false,
            savings: Savings::default(),
        }
    }

    /// Another member has owned the partition meanwhile, and now this one does again: nothing that was
    /// known of the index may be relied on.
    pub fn take_over_again(&mut self, since: Epoch, out: &mut Vec<Action>) {
        self.observer.since = since;
        self.past.taken_over.had_owner = true;
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
            && !self.doubts.contains_key(point)
            && self.cache.get(point).is_some_and(|observed| {
                self.past.is_later(&observed, position)
                    || self.past.is_reflected(&observed, position, None)
            })
    }

    /// The latest that the table says about a key with unsettled news, and what settles its record.
    pub fn latest(&self, point: &PointId) -> Option<(&Desired, &Ack)> {
        let news = &self.slots.get(point)?.news;
        Some((&news.desired, &news.from.ack))
    }

    /// Whether all that the index was known to reflect when the partition was taken over lies before
    /// `received`. Until then what was received last of a key may be older than what searchers have
    /// seen of it, and must not be written in spite of the watermark: see [`doubt`](Self::doubt).
    pub fn has_caught_up(&self, received: Offset) -> bool {
        let watermark = self.past.taken_over.watermark;
        watermark.is_none_or(|watermark| watermark.offset <= received)
    }

    /// The next news of the key is compared with the point as it is then, and without relying on what
    /// is in doubt; it is applied although the watermark says that it is reflected.
    pub fn doubt(&mut self, point: PointId, doubt: Doubt) {
        self.doubts.insert(point, doubt);
    }

    /// Takes a doubt back that no news of the key came to clear up.
    pub fn trust(&mut self, point: &PointId) {
        self.doubts.remove(point);
    }

    /// Remembers a point that was looked at for another reason than planning.
    pub fn remember(&mut self, point: PointId, stored: &Stored, epoch: Option<Epoch>) {
        let observed = self.observer.observe_row(stored, epoch);
        self.cache.insert(point, &observed);
    }

    /// How often a key with news was remembered, since this was asked last.
    pub fn take_lookups(&mut self) -> Lookups {
        std::mem::take(&mut self.lookups)
    }

    /// News of a key. Changes of one key must come in the order of their offsets.
    pub fn on_change(&mut self, change: KeyChange, now: Instant, out: &mut Vec<Action>) {
        let point = change.point;
        if let Some(slot) = self.slots.get_mut(&point) {
            slot.supersede(change, &mut self.savings, out);
        } else {
            let doubt = self.doubts.remove(&point);
            // What is remembered may be older than the debt, if a former owner parked the row late.
            let remembered = self.cache.get(&point);
            let remembered = remembered.filter(|_| doubt.is_none() && !change.from.ack.is_debt());
            let slot = Slot::new(change, remembered, doubt, now);
            if slot.view == View::Unknown {
                self.lookups.misses += 1;
                self.read(point, out);
            } else {
                self.lookups.hits += 1;
            }
            self.slots.insert(point, Box::new(slot));
        }
        self.advance(point, now, out);
        self.count_quiet_before(point, now);
    }

    /// The table was truncated: the rows from before are gone, and what was remembered of points is
    /// no longer true.
    pub fn truncate(&mut self, mark: &TruncateMark, now: Instant, out: &mut Vec<Action>) {
        self.cache.forget_all();
        let mut gone = Vec::new();
        for (point, slot) in &mut self.slots {
            if mark.covers(&slot.news.from.position) && slot.news.desired != Desired::Gone {
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
            slot.look(observed);
            self.advance(id, now, out);
            self.count_quiet_before(id, now);
        }
    }

    /// The answer to [`Action::Embed`]: the vector, or why this text has none.
    pub fn on_embedded(
        &mut self,
        ticket: Ticket,
        outcome: Result<PointVector, Failure>,
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

    /// How many embeddings are in flight.
    pub fn buying(&self) -> usize {
        self.embeddings.len()
    }

    /// What need not be bought since this was asked last.
    pub fn take_savings(&mut self) -> Savings {
        self.savings.take()
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
}

#[cfg(test)]
mod late_tests;
#[cfg(test)]
mod model;
#[cfg(test)]
mod recheck_model;
#[cfg(test)]
mod recheck_tests;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
