//! Records that wait for a person.
//!
//! A row that lacks a column which its document needs, or whose table has no key, is no fault of
//! its record: each row behind it will be the same, and dead-lettering them all would empty the
//! index of a table that was only changed. Such records are *held*: they stay unsettled, so that
//! they are read again once the configuration says what to do, and their table is *blocked*.

use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::{SmallVec, smallvec};

use crate::record::{Ack, Offset, PointId, Position, TruncateMark};

/// What a held record costs in memory, in bytes: it is dropped but for what is kept here.
pub(super) const HELD_ENTRY: u64 = 128;

/// Of the budget, how much one partition's held records may take.
const SHARE: u64 = 128;

/// The records of one partition that are held: one a key, for a later one has the whole row.
#[derive(Debug, Default)]
pub(super) struct Held {
    by_point: HashMap<PointId, Entry>,
    keyless: Vec<Entry>,
    /// Few: there are as many as columns that can be missing.
    causes: Vec<Cause>,
}

/// Why records are held.
#[derive(Debug, Clone)]
pub(super) struct Cause {
    /// What is wrong; what to do.
    pub(super) message: Arc<str>,
    /// The record with which it began.
    pub(super) since: Offset,
    /// How many records are held for it.
    records: usize,
}

impl Cause {
    /// Whether it is the same, whatever the number of records.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.since == other.since && self.message == other.message
    }

    /// So many records are no longer held for this cause.
    fn forget(causes: &mut Vec<Self>, message: &Arc<str>, records: usize) {
        causes.retain_mut(|cause| {
            if Arc::ptr_eq(&cause.message, message) {
                cause.records -= records;
            }
            cause.records > 0
        });
    }
}

/// One row, or one record without key.
#[derive(Debug)]
struct Entry {
    cause: Arc<str>,
    /// In the order of their offsets: a row, and those behind it that repeat only what changed.
    records: SmallVec<[(Position, Ack); 1]>,
}

impl Held {
    /// Holds a record, of which the row's point is known if its key is, and returns the
    /// acknowledgements of those that it supersedes, because it has the whole row.
    #[must_use = "the superseded records must be settled"]
    pub(super) fn hold(
        &mut self,
        point: Option<PointId>,
        position: Position,
        message: &str,
        ack: Ack,
    ) -> Vec<Ack> {
        let entry = Entry {
            cause: self.note(message, position.offset),
            records: smallvec![(position, ack)],
        };
        let Some(point) = point else {
            self.keyless.push(entry);
            return Vec::new();
        };
        match self.by_point.insert(point, entry) {
            Some(earlier) => self.forget(earlier),
            None => Vec::new(),
        }
    }

    /// Whether a record of this key is held.
    pub(super) fn holds(&self, point: &PointId) -> bool {
        self.by_point.contains_key(point)
    }

    /// Holds a record that repeats only what changed, behind the one of its key that is held: what
    /// it does not repeat, that one may have changed.
    pub(super) fn hold_behind(&mut self, point: PointId, position: Position, ack: Ack) {
        if let Some(entry) = self.by_point.get_mut(&point) {
            entry.records.push((position, ack));
            let cause = entry.cause.clone();
            self.note(&cause, position.offset);
        }
    }

    /// A usable record of this key has come, or its delete: returns the acknowledgements of those
    /// that are held.
    #[must_use = "the superseded records must be settled"]
    pub(super) fn supersede(&mut self, point: &PointId) -> Vec<Ack> {
        if self.by_point.is_empty() {
            return Vec::new();
        }
        match self.by_point.remove(point) {
            Some(entry) => self.forget(entry),
            None => Vec::new(),
        }
    }

    /// Kafka goes back to `offset`: what is held from there on will come again.
    pub(super) fn rewind(&mut self, offset: Offset) {
        drop(self.take_if(|position| position.offset >= offset));
    }

    /// The table was truncated: the rows from before are gone, and what they lack matters no more.
    #[must_use = "their records must be settled"]
    pub(super) fn truncate(&mut self, mark: &TruncateMark) -> Vec<Ack> {
        self.take_if(|position| mark.covers(position))
    }

    fn take_if(&mut self, is_taken: impl Fn(&Position) -> bool) -> Vec<Ack> {
        let (causes, mut taken) = (&mut self.causes, Vec::new());
        let mut keep = |entry: &mut Entry| {
            let before = std::mem::take(&mut entry.records);
            for (position, ack) in before {
                if is_taken(&position) {
                    Cause::forget(causes, &entry.cause, 1);
                    taken.push(ack);
                } else {
                    entry.records.push((position, ack));
                }
            }
            !entry.records.is_empty()
        };
        self.by_point.retain(|_, entry| keep(entry));
        self.keyless.retain_mut(keep);
        taken
    }

    /// How many records are held.
    pub(super) fn len(&self) -> usize {
        self.causes.iter().map(|cause| cause.records).sum()
    }

    /// Why records are held, by what has been wrong for longest; `None` when none is.
    pub(super) fn cause(&self) -> Option<&Cause> {
        self.causes.iter().min_by_key(|cause| cause.since)
    }

    /// Whether to close the partition's gate, given whether it is closed, how many records wait
    /// in the ledger, and the bytes of the budget.
    ///
    /// Reading goes on behind a held record for a while: deletes behind it are due now, and a later
    /// row may mend the matter. But what settles behind it can't be committed, so there is an end.
    pub(super) fn closes_gate(&self, closed: bool, waiting: usize, budget: u64) -> bool {
        let most = usize::try_from(budget / SHARE / HELD_ENTRY).unwrap_or(usize::MAX);
        let most = most.clamp(64, 65_536);
        // Pausing throws away what was fetched ahead, so it must not flap.
        let most = if closed { most / 2 } else { most };
        self.len() > 0 && waiting >= most
    }

    fn note(&mut self, message: &str, offset: Offset) -> Arc<str> {
        let known = self
            .causes
            .iter_mut()
            .find(|cause| *cause.message == *message);
        if let Some(cause) = known {
            cause.records += 1;
            return cause.message.clone();
        }
        let message: Arc<str> = message.into();
        self.causes.push(Cause {
            message: message.clone(),
            since: offset,
            records: 1,
        });
        message
    }

    fn forget(&mut self, entry: Entry) -> Vec<Ack> {
        Cause::forget(&mut self.causes, &entry.cause, entry.records.len());
        entry.records.into_iter().map(|(_, ack)| ack).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::commit::OffsetLedger;

    fn at(offset: i64) -> Position {
        Position {
            offset: Offset(offset),
            timestamp_ms: offset,
            commit_ms: None,
            source: None,
        }
    }

    #[test]
    fn the_gate_closes_well_behind_a_held_record_and_opens_with_its_end() {
        let (mut held, mut ledger) = (Held::default(), OffsetLedger::default());
        let mib = 1 << 20;
        assert!(!held.closes_gate(false, 1_000_000, mib), "nothing is held");
        let ack = ledger.receive(Offset(0), 1).unwrap();
        let point = PointId::Integer(1);
        assert!(held.hold(Some(point), at(0), "x", ack).is_empty());
        assert!(!held.closes_gate(false, 63, mib));
        assert!(held.closes_gate(false, 64, mib));
        assert!(held.closes_gate(true, 32, mib), "it doesn't flap");
        assert!(!held.closes_gate(false, 16_383, 256 * mib));
        assert_eq!(held.supersede(&point).len(), 1);
        assert!(!held.closes_gate(true, 64, mib));
    }

    #[test]
    fn the_cause_is_the_one_that_has_lasted_longest() {
        let (mut held, mut ledger) = (Held::default(), OffsetLedger::default());
        let mut hold = |held: &mut Held, key, offset, message| {
            let ack = ledger.receive(Offset(offset), 1).unwrap();
            let point = Some(PointId::Integer(key));
            held.hold(point, at(offset), message, ack).len()
        };
        let cause = |held: &Held| {
            let cause = held.cause()?;
            Some((cause.message.to_string(), cause.since.0))
        };
        assert_eq!(cause(&held), None);
        assert_eq!(hold(&mut held, 1, 10, "a"), 0);
        assert_eq!(hold(&mut held, 2, 11, "b"), 0);
        assert_eq!(cause(&held), Some(("a".to_owned(), 10)));
        assert_eq!(hold(&mut held, 1, 12, "a"), 1);
        assert_eq!(cause(&held), Some(("a".to_owned(), 10)), "it began there");
        assert_eq!(hold(&mut held, 1, 13, "b"), 1);
        assert_eq!(cause(&held), Some(("b".to_owned(), 11)));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Lacking { key: u64, column: bool },
        Keyless,
        Usable { key: u64 },
        Partial { key: u64 },
        Rewind { by: i64 },
        Truncate { before: i64 },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0..4_u64, any::<bool>()).prop_map(|(key, column)| Step::Lacking { key, column }),
            1 => Just(Step::Keyless),
            3 => (0..4_u64).prop_map(|key| Step::Usable { key }),
            2 => (0..4_u64).prop_map(|key| Step::Partial { key }),
            1 => (1..6_i64).prop_map(|by| Step::Rewind { by }),
            1 => (0..80_i64).prop_map(|before| Step::Truncate { before }),
        ];
        prop::collection::vec(step, 1..80)
    }

    proptest! {
        /// Against a model that keeps each held record by its offset: what is held is every record
        /// without key, and the last record of each key, if that lacks a column, with those behind
        /// it that are only a part of the row; and the frontier is the first of them.
        #[test]
        fn it_holds_what_is_unusable_until_a_whole_row_comes_and_the_frontier_with_it(
            steps in steps(),
        ) {
            let (mut held, mut ledger) = (Held::default(), OffsetLedger::default());
            let mut model: BTreeMap<i64, (Option<u64>, &str)> = BTreeMap::new();
            let mut next = 0;
            for step in steps {
                if let Step::Rewind { by } = step {
                    next = (next - by).max(0);
                    ledger.rewind(Offset(next));
                    held.rewind(Offset(next));
                    model.retain(|offset, _| *offset < next);
                } else if let Step::Truncate { before } = step {
                    let mark = TruncateMark { source: None, commit_ms: before };
                    for ack in held.truncate(&mark) {
                        ledger.settle(ack);
                    }
                    model.retain(|offset, _| *offset >= before);
                } else {
                    let ack = ledger.receive(Offset(next), 100).unwrap();
                    let settled = take(&mut held, &mut model, &step, next, ack);
                    for ack in settled {
                        ledger.settle(ack);
                    }
                    next += 1;
                }
                let first = model.keys().next();
                prop_assert_eq!(held.len(), model.len());
                let frontier = ledger.frontier().map_or(0, |offset| offset.0);
                prop_assert_eq!(frontier, *first.unwrap_or(&next));
                prop_assert_eq!(held.cause().is_some(), first.is_some());
                for cause in &held.causes {
                    let records = model.values().filter(|(_, it)| **it == *cause.message).count();
                    prop_assert_eq!(records, cause.records);
                }
            }
        }
    }

    /// Lets a record arrive at both, and returns what is to be settled.
    fn take(
        held: &mut Held,
        model: &mut BTreeMap<i64, (Option<u64>, &str)>,
        step: &Step,
        next: i64,
        ack: Ack,
    ) -> Vec<Ack> {
        match *step {
            Step::Lacking { key, column } => {
                let message = if column { "a" } else { "b" };
                model.retain(|_, (of, _)| *of != Some(key));
                model.insert(next, (Some(key), message));
                held.hold(Some(PointId::Integer(key)), at(next), message, ack)
            }
            Step::Keyless => {
                model.insert(next, (None, "no key"));
                held.hold(None, at(next), "no key", ack)
            }
            Step::Partial { key } => {
                let known = model.values().find(|(of, _)| *of == Some(key)).copied();
                model.extend(known.map(|known| (next, known)));
                let point = PointId::Integer(key);
                if !held.holds(&point) {
                    return vec![ack];
                }
                held.hold_behind(point, at(next), ack);
                Vec::new()
            }
            Step::Usable { key } => {
                model.retain(|_, (of, _)| *of != Some(key));
                let mut settled = held.supersede(&PointId::Integer(key));
                settled.push(ack);
                settled
            }
            Step::Rewind { .. } | Step::Truncate { .. } => Vec::new(),
        }
    }
}
