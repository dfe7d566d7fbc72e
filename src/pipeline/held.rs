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
pub(super) const HELD_ENTRY: u64 = 256;

/// Of the budget, how much one partition's held records may take.
const SHARE: u64 = 64;

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

/// A record that is held: of it, only what it takes to settle it.
#[derive(Debug)]
pub(super) struct HeldRecord {
    pub(super) position: Position,
    pub(super) ack: Ack,
    /// Whether it says that its row was created; see [`Creation`](crate::record::Creation).
    pub(super) creates: bool,
}

impl HeldRecord {
    /// A record that creates no row, as far as is known.
    pub(super) fn of(position: Position, ack: Ack) -> Self {
        Self {
            position,
            ack,
            creates: false,
        }
    }
}

/// One row, or one record without key.
#[derive(Debug)]
struct Entry {
    cause: Arc<str>,
    /// In the order of their offsets: maybe the row's create, the row, and those behind it that
    /// repeat only what changed.
    records: SmallVec<[HeldRecord; 1]>,
}

impl Held {
    /// Holds a record, of which the row's point is known if its key is, and returns the
    /// acknowledgements of those that it supersedes, because it has the whole row.
    #[must_use = "the superseded records must be settled"]
    pub(super) fn hold(
        &mut self,
        point: Option<PointId>,
        message: &str,
        record: HeldRecord,
    ) -> Vec<Ack> {
        let cause = self.note(message, record.position.offset);
        let Some(point) = point else {
            let records = smallvec![record];
            self.keyless.push(Entry { cause, records });
            return Vec::new();
        };
        let mut superseded = self.supersede(&point);
        let create = superseded
            .iter()
            .rposition(|earlier| earlier.creates && !record.creates)
            .map(|at| superseded.remove(at));
        let mut records = SmallVec::new();
        if let Some(create) = create {
            self.note(message, create.position.offset);
            records.push(create);
        }
        records.push(record);
        self.by_point.insert(point, Entry { cause, records });
        superseded.into_iter().map(|earlier| earlier.ack).collect()
    }

    /// Whether a record of this key is held.
    pub(super) fn holds(&self, point: &PointId) -> bool {
        self.by_point.contains_key(point)
    }

    /// Holds a record that repeats only what changed, behind the one of its key that is held: what
    /// it does not repeat, that one may have changed.
    pub(super) fn hold_behind(&mut self, point: PointId, record: HeldRecord) {
        if let Some(entry) = self.by_point.get_mut(&point) {
            let (cause, offset) = (entry.cause.clone(), record.position.offset);
            entry.records.push(record);
            self.note(&cause, offset);
        }
    }

    /// A usable record of this key has come, or its delete: returns those that are held.
    #[must_use = "the superseded records must be settled"]
    pub(super) fn supersede(&mut self, point: &PointId) -> Vec<HeldRecord> {
        if self.by_point.is_empty() {
            return Vec::new();
        }
        let Some(entry) = self.by_point.remove(point) else {
            return Vec::new();
        };
        Cause::forget(&mut self.causes, &entry.cause, entry.records.len());
        entry.records.into_vec()
    }

    /// The table was truncated: returns the acknowledgements of rows from before, for which there
    /// is nothing left to do.
    #[must_use = "the records must be settled"]
    pub(super) fn truncate(&mut self, mark: &TruncateMark) -> Vec<Ack> {
        self.take(|record| mark.covers(&record.position))
    }

    /// Kafka goes back to `offset`: what is held from there on will come again.
    pub(super) fn rewind(&mut self, offset: Offset) {
        drop(self.take(|record| record.position.offset >= offset));
    }

    /// Takes records out, wherever they are.
    fn take(&mut self, is_taken: impl Fn(&HeldRecord) -> bool) -> Vec<Ack> {
        let mut taken = Vec::new();
        let causes = &mut self.causes;
        let mut keep = |entry: &mut Entry| {
            for record in std::mem::take(&mut entry.records) {
                if is_taken(&record) {
                    Cause::forget(causes, &entry.cause, 1);
                    taken.push(record.ack);
                } else {
                    entry.records.push(record);
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
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::commit::OffsetLedger;

    /// The next record, committed at its offset in milliseconds.
    fn record(ledger: &mut OffsetLedger, offset: i64, creates: bool) -> HeldRecord {
        let offset = Offset(offset);
        HeldRecord {
            position: Position {
                offset,
                timestamp_ms: 0,
                commit_ms: Some(offset.0),
                source: None,
            },
            ack: ledger.receive(offset, 0, 100).unwrap(),
            creates,
        }
    }

    #[test]
    fn the_gate_closes_well_behind_a_held_record_and_opens_with_its_end() {
        let (mut held, mut ledger) = (Held::default(), OffsetLedger::default());
        let mib = 1 << 20;
        assert!(!held.closes_gate(false, 1_000_000, mib), "nothing is held");
        let first = record(&mut ledger, 0, false);
        let point = PointId::Integer(1);
        assert!(held.hold(Some(point), "x", first).is_empty());
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
        let mut take = |held: &mut Held, key, offset, message| {
            let record = record(&mut ledger, offset, false);
            held.hold(Some(PointId::Integer(key)), message, record)
                .len()
        };
        let cause = |held: &Held| {
            let cause = held.cause()?;
            Some((cause.message.to_string(), cause.since.0))
        };
        assert_eq!(cause(&held), None);
        assert_eq!(take(&mut held, 1, 10, "a"), 0);
        assert_eq!(take(&mut held, 2, 11, "b"), 0);
        assert_eq!(cause(&held), Some(("a".to_owned(), 10)));
        assert_eq!(take(&mut held, 1, 12, "a"), 1);
        assert_eq!(cause(&held), Some(("a".to_owned(), 10)), "it began there");
        assert_eq!(take(&mut held, 1, 13, "b"), 1);
        assert_eq!(cause(&held), Some(("b".to_owned(), 11)));
    }

    #[test]
    fn a_create_stays_held_with_the_later_rows_of_its_key() {
        let (mut held, mut ledger) = (Held::default(), OffsetLedger::default());
        let point = PointId::Integer(1);
        for (offset, creates, superseded) in [(0, true, 0), (1, false, 0), (2, false, 1)] {
            let record = record(&mut ledger, offset, creates);
            let settled = held.hold(Some(point), "x", record);
            assert_eq!(settled.len(), superseded);
            for ack in settled {
                ledger.settle(ack);
            }
        }
        assert_eq!(ledger.frontier(), Some(Offset(0)));
        let again = record(&mut ledger, 3, true);
        assert_eq!(held.hold(Some(point), "x", again).len(), 2);
        assert_eq!(held.supersede(&point).len(), 1);
        assert_eq!(held.len(), 0);
    }

    #[test]
    fn a_truncate_takes_what_is_held_from_before() {
        let (mut held, mut ledger) = (Held::default(), OffsetLedger::default());
        for offset in 0..10_i64 {
            let point = (offset % 2 == 0).then_some(PointId::Integer(offset.unsigned_abs()));
            let record = record(&mut ledger, offset, false);
            assert!(held.hold(point, "x", record).is_empty());
        }
        let mark = TruncateMark {
            source: None,
            commit_ms: 7,
        };
        assert_eq!(held.truncate(&mark).len(), 7);
        assert_eq!(held.len(), 3);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Lacking { key: u64, column: bool },
        Keyless,
        Usable { key: u64 },
        Partial { key: u64 },
        Rewind { by: i64 },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0..4_u64, any::<bool>()).prop_map(|(key, column)| Step::Lacking { key, column }),
            1 => Just(Step::Keyless),
            3 => (0..4_u64).prop_map(|key| Step::Usable { key }),
            2 => (0..4_u64).prop_map(|key| Step::Partial { key }),
            1 => (1..6_i64).prop_map(|by| Step::Rewind { by }),
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
                } else {
                    let record = record(&mut ledger, next, false);
                    let settled = take(&mut held, &mut model, &step, record);
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
        record: HeldRecord,
    ) -> Vec<Ack> {
        let next = record.position.offset.0;
        match *step {
            Step::Lacking { key, column } => {
                let message = if column { "a" } else { "b" };
                model.retain(|_, (of, _)| *of != Some(key));
                model.insert(next, (Some(key), message));
                held.hold(Some(PointId::Integer(key)), message, record)
            }
            Step::Keyless => {
                model.insert(next, (None, "no key"));
                held.hold(None, "no key", record)
            }
            Step::Partial { key } => {
                let known = model.values().find(|(of, _)| *of == Some(key)).copied();
                model.extend(known.map(|known| (next, known)));
                let point = PointId::Integer(key);
                if !held.holds(&point) {
                    return vec![record.ack];
                }
                held.hold_behind(point, record);
                Vec::new()
            }
            Step::Usable { key } => {
                model.retain(|_, (of, _)| *of != Some(key));
                let mut settled = held.supersede(&PointId::Integer(key));
                settled.push(record);
                settled.into_iter().map(|record| record.ack).collect()
            }
            Step::Rewind { .. } => Vec::new(),
        }
    }
}
