//! Records that wait for a person.
//!
//! A row that lacks a column which its document needs, or whose table has no key, is no fault of
//! its record: each row behind it will be the same, and dead-lettering them all would empty the
//! index of a table that was only changed. Such records are *held*: they stay unsettled, so that
//! they are read again once the configuration says what to do, and their table is *blocked*.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::record::{Ack, Offset, PointId};

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
}

#[derive(Debug)]
struct Entry {
    offset: Offset,
    cause: Arc<str>,
    ack: Ack,
}

impl Held {
    /// Holds a record, of which the row's point is known if its key is, and returns the
    /// acknowledgement of the one of the same key that it supersedes.
    #[must_use = "the superseded record must be settled"]
    pub(super) fn hold(
        &mut self,
        point: Option<PointId>,
        offset: Offset,
        message: &str,
        ack: Ack,
    ) -> Option<Ack> {
        let cause = self.note(message, offset);
        let entry = Entry { offset, cause, ack };
        let Some(point) = point else {
            self.keyless.push(entry);
            return None;
        };
        let earlier = self.by_point.insert(point, entry)?;
        Some(self.forget(earlier))
    }

    /// A usable record of this key has come, or its delete: returns the acknowledgement of the one
    /// that is held.
    #[must_use = "the superseded record must be settled"]
    pub(super) fn supersede(&mut self, point: &PointId) -> Option<Ack> {
        if self.by_point.is_empty() {
            return None;
        }
        let entry = self.by_point.remove(point)?;
        Some(self.forget(entry))
    }

    /// Kafka goes back to `offset`: what is held from there on will come again.
    pub(super) fn rewind(&mut self, offset: Offset) {
        let mut again: Vec<Entry> = self
            .by_point
            .extract_if(|_, entry| entry.offset >= offset)
            .map(|(_, entry)| entry)
            .collect();
        again.extend(self.keyless.extract_if(.., |entry| entry.offset >= offset));
        for entry in again {
            drop(self.forget(entry));
        }
    }

    /// How many records are held.
    pub(super) fn len(&self) -> usize {
        self.by_point.len() + self.keyless.len()
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

    fn forget(&mut self, entry: Entry) -> Ack {
        self.causes.retain_mut(|cause| {
            if Arc::ptr_eq(&cause.message, &entry.cause) {
                cause.records -= 1;
            }
            cause.records > 0
        });
        entry.ack
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::commit::OffsetLedger;

    #[test]
    fn the_gate_closes_well_behind_a_held_record_and_opens_with_its_end() {
        let (mut held, mut ledger) = (Held::default(), OffsetLedger::default());
        let mib = 1 << 20;
        assert!(!held.closes_gate(false, 1_000_000, mib), "nothing is held");
        let ack = ledger.receive(Offset(0), 1).unwrap();
        let point = PointId::Integer(1);
        assert!(held.hold(Some(point), Offset(0), "x", ack).is_none());
        assert!(!held.closes_gate(false, 63, mib));
        assert!(held.closes_gate(false, 64, mib));
        assert!(held.closes_gate(true, 32, mib), "it doesn't flap");
        assert!(!held.closes_gate(false, 16_383, 256 * mib));
        assert!(held.supersede(&point).is_some());
        assert!(!held.closes_gate(true, 64, mib));
    }

    #[test]
    fn the_cause_is_the_one_that_has_lasted_longest() {
        let (mut held, mut ledger) = (Held::default(), OffsetLedger::default());
        let mut hold = |held: &mut Held, key, offset, message| {
            let ack = ledger.receive(Offset(offset), 1).unwrap();
            held.hold(Some(PointId::Integer(key)), Offset(offset), message, ack)
        };
        let cause = |held: &Held| {
            let cause = held.cause()?;
            Some((cause.message.to_string(), cause.since.0))
        };
        assert_eq!(cause(&held), None);
        assert!(hold(&mut held, 1, 10, "a").is_none());
        assert!(hold(&mut held, 2, 11, "b").is_none());
        assert_eq!(cause(&held), Some(("a".to_owned(), 10)));
        assert!(hold(&mut held, 1, 12, "a").is_some());
        assert_eq!(cause(&held), Some(("a".to_owned(), 10)), "it began there");
        assert!(hold(&mut held, 1, 13, "b").is_some());
        assert_eq!(cause(&held), Some(("b".to_owned(), 11)));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Lacking { key: u64, column: bool },
        Keyless,
        Usable { key: u64 },
        Rewind { by: i64 },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0..4_u64, any::<bool>()).prop_map(|(key, column)| Step::Lacking { key, column }),
            1 => Just(Step::Keyless),
            3 => (0..4_u64).prop_map(|key| Step::Usable { key }),
            1 => (1..6_i64).prop_map(|by| Step::Rewind { by }),
        ];
        prop::collection::vec(step, 1..80)
    }

    proptest! {
        /// Against a model that keeps each held record by its offset: what is held is the last
        /// record of each key, if that lacks a column, and every one without key; and the
        /// frontier is the first of them.
        #[test]
        fn it_holds_the_last_unusable_record_of_each_key_and_the_frontier_with_it(steps in steps()) {
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
                    let ack = ledger.receive(Offset(next), 100).unwrap();
                    let key = match step {
                        Step::Lacking { key, .. } | Step::Usable { key } => Some(key),
                        _ => None,
                    };
                    if key.is_some() {
                        model.retain(|_, (of, _)| *of != key);
                    }
                    let point = key.map(PointId::Integer);
                    let message = match step {
                        Step::Lacking { column: true, .. } => "a",
                        Step::Lacking { .. } => "b",
                        _ => "no key",
                    };
                    let superseded = if let Step::Usable { .. } = step {
                        ledger.settle(ack);
                        held.supersede(&point.unwrap())
                    } else {
                        model.insert(next, (key, message));
                        held.hold(point, Offset(next), message, ack)
                    };
                    if let Some(ack) = superseded {
                        ledger.settle(ack);
                    }
                    next += 1;
                }
                let first = model.keys().next();
                prop_assert_eq!(held.len(), model.len());
                prop_assert_eq!(ledger.frontier().map(|it| it.0).unwrap_or(0), *first.unwrap_or(&next));
                prop_assert_eq!(held.cause().is_some(), first.is_some());
                for cause in &held.causes {
                    let records = model.values().filter(|(_, it)| **it == *cause.message).count();
                    prop_assert_eq!(records, cause.records);
                }
            }
        }
    }
}
