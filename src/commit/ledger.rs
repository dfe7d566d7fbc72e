//! The offset ledger of one partition: which records have settled, and how far the group may commit.

use std::collections::VecDeque;

use crate::record::{Ack, Offset};

/// What one settled entry still costs in memory while it waits behind an unsettled one, in bytes: its own
/// twice, for the ledger grows by doubling.
const SETTLED_ENTRY: u64 = 2 * size_of::<Entry>() as u64;

/// Kafka delivered an offset that is not above the last one: the topic was truncated or made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("offset {offset} after {last}: the partition was rewound")]
pub struct Rewound {
    /// The offset delivered.
    pub offset: Offset,
    /// The highest offset received before.
    pub last: Offset,
}

/// Knows every received offset of one partition, in order.
///
/// The *frontier* is the lowest offset that has not settled, or the one behind the last received
/// when all have: everything below it is reflected in the index or in the dead-letter topic, so it
/// is what the group may commit. Offsets need not be contiguous; see [`Offset`].
///
/// Each record is received with a charge in bytes, refunded when it settles. A settled entry that
/// waits behind an unsettled one keeps a small charge, so that the ledger itself stays within the
/// memory budget however long one record takes.
#[derive(Debug, Default)]
pub struct OffsetLedger {
    entries: VecDeque<Entry>,
    /// The sequence number of the first entry.
    first: u64,
    /// The highest offset received.
    last: Option<Offset>,
}

#[derive(Debug)]
struct Entry {
    offset: Offset,
    /// Since when the record is in Kafka, in milliseconds since 1970.
    timestamp_ms: i64,
    /// The charge to refund when it settles; `None` once it has.
    unsettled: Option<u64>,
}

impl OffsetLedger {
    /// Notes a received record, which is in Kafka since `timestamp_ms` (milliseconds since 1970) and
    /// charged `charge` bytes.
    pub fn receive(
        &mut self,
        offset: Offset,
        timestamp_ms: i64,
        charge: u64,
    ) -> Result<Ack, Rewound> {
        if let Some(last) = self.last
            && offset <= last
        {
            return Err(Rewound { offset, last });
        }
        self.last = Some(offset);
        let sequence = self.first + self.entries.len() as u64;
        self.entries.push_back(Entry {
            offset,
            timestamp_ms,
            unsettled: Some(charge.max(SETTLED_ENTRY)),
        });
        Ok(Ack::new(sequence))
    }

    /// The offset of an unsettled record.
    pub fn offset(&self, ack: &Ack) -> Option<Offset> {
        let entry = self.entries.get(self.place(ack)?)?;
        entry.unsettled.map(|_| entry.offset)
    }

    /// An unsettled record costs less from now on: `charge` bytes at most. Returns the bytes
    /// refunded.
    pub fn lighten(&mut self, ack: &Ack, charge: u64) -> u64 {
        let entry = self.entry_mut(ack);
        let Some(left) = entry.and_then(|entry| entry.unsettled.as_mut()) else {
            return 0;
        };
        let before = *left;
        *left = before.min(charge.max(SETTLED_ENTRY));
        before - *left
    }

    /// Settles one record and returns the bytes refunded.
    ///
    /// An acknowledgement from before [`restart`](Self::restart) refunds nothing: its charge went
    /// back then.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "settling uses the acknowledgement up"
    )]
    pub fn settle(&mut self, ack: Ack) -> u64 {
        let entry = self.entry_mut(&ack);
        let Some(charge) = entry.and_then(|entry| entry.unsettled.take()) else {
            return 0;
        };
        charge - SETTLED_ENTRY + self.pop_settled()
    }

    fn entry_mut(&mut self, ack: &Ack) -> Option<&mut Entry> {
        let place = self.place(ack)?;
        self.entries.get_mut(place)
    }

    /// Where the record's entry is; `None` if it was forgotten, or never was in a ledger.
    fn place(&self, ack: &Ack) -> Option<usize> {
        let place = ack.sequence()?.checked_sub(self.first)?;
        usize::try_from(place).ok()
    }

    /// Forgets the settled entries that no unsettled one is below, and returns the bytes refunded.
    fn pop_settled(&mut self) -> u64 {
        let mut refund = 0;
        while self
            .entries
            .front()
            .is_some_and(|entry| entry.unsettled.is_none())
        {
            self.entries.pop_front();
            self.first += 1;
            refund += SETTLED_ENTRY;
        }
        refund
    }

    /// The lowest offset that has not settled, or the one behind the last received; `None` before
    /// the first record.
    pub fn frontier(&self) -> Option<Offset> {
        match self.entries.front() {
            Some(entry) => Some(entry.offset),
            None => self.last.map(Offset::next),
        }
    }

    /// Since when the record at the frontier is in Kafka, in milliseconds since 1970; `None` when all
    /// have settled.
    pub fn unsettled_since_ms(&self) -> Option<i64> {
        self.entries.front().map(|entry| entry.timestamp_ms)
    }

    /// How many received records have not settled, or wait behind one that hasn't.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether every received record has settled.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Kafka goes back to `offset`: what was received from there on will be delivered again, so its
    /// acknowledgements are void. What lies below stays as it is. Returns the bytes refunded.
    pub fn rewind(&mut self, offset: Offset) -> u64 {
        self.last = Some(Offset(offset.0.saturating_sub(1)));
        let again = self
            .entries
            .iter_mut()
            .filter(|entry| entry.offset >= offset);
        let refund: u64 = again
            .filter_map(|entry| entry.unsettled.take())
            .map(|charge| charge - SETTLED_ENTRY)
            .sum();
        refund + self.pop_settled()
    }

    /// Forgets everything and returns the bytes refunded. Acknowledgements given out before are
    /// void.
    pub fn restart(&mut self) -> u64 {
        self.first += self.entries.len() as u64;
        self.last = None;
        self.entries
            .drain(..)
            .map(|entry| entry.unsettled.unwrap_or(SETTLED_ENTRY))
            .sum()
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Any time, where it does not matter.
    const SINCE: i64 = 0;

    #[test]
    fn an_empty_ledger_has_no_frontier() {
        assert_eq!(OffsetLedger::default().frontier(), None);
    }

    #[test]
    fn the_frontier_is_the_lowest_unsettled_offset() {
        let mut ledger = OffsetLedger::default();
        let first = ledger.receive(Offset(10), SINCE, 100).unwrap();
        let second = ledger.receive(Offset(12), SINCE, 100).unwrap();
        ledger.settle(second);
        assert_eq!(ledger.frontier(), Some(Offset(10)));
        ledger.settle(first);
        assert_eq!(ledger.frontier(), Some(Offset(13)));
    }

    #[test]
    fn the_frontier_is_as_old_as_the_lowest_unsettled_record() {
        let mut ledger = OffsetLedger::default();
        let first = ledger.receive(Offset(10), 1_000, 100).unwrap();
        let second = ledger.receive(Offset(11), 2_000, 100).unwrap();
        assert_eq!(ledger.unsettled_since_ms(), Some(1_000));
        ledger.settle(first);
        assert_eq!(ledger.unsettled_since_ms(), Some(2_000));
        ledger.settle(second);
        assert_eq!(ledger.unsettled_since_ms(), None);
    }

    #[test]
    fn a_gap_left_by_compaction_does_not_hold_the_frontier() {
        let mut ledger = OffsetLedger::default();
        let ack = ledger.receive(Offset(0), SINCE, 100).unwrap();
        ledger.settle(ack);
        let _later = ledger.receive(Offset(1_000), SINCE, 100).unwrap();
        assert_eq!(ledger.frontier(), Some(Offset(1_000)));
    }

    #[test]
    fn an_offset_that_goes_back_is_told() {
        let mut ledger = OffsetLedger::default();
        let _ack = ledger.receive(Offset(5), SINCE, 100).unwrap();
        let rewound = ledger.receive(Offset(5), SINCE, 100).unwrap_err();
        assert_eq!(
            rewound.to_string(),
            "offset 5 after 5: the partition was rewound"
        );
    }

    #[test]
    fn a_rewind_keeps_what_lies_below_it() {
        let mut ledger = OffsetLedger::default();
        let below = ledger.receive(Offset(5), SINCE, 100).unwrap();
        let above = ledger.receive(Offset(8), SINCE, 100).unwrap();
        let refund = ledger.rewind(Offset(7));
        let again = ledger.receive(Offset(7), SINCE, 100).unwrap();
        assert_eq!(ledger.frontier(), Some(Offset(5)));
        let refund = refund + ledger.settle(above) + ledger.settle(below);
        assert_eq!(ledger.frontier(), Some(Offset(7)));
        assert_eq!(refund + ledger.settle(again), 300);
        assert_eq!(ledger.frontier(), Some(Offset(8)));
    }

    #[test]
    fn an_acknowledgement_from_before_a_restart_settles_nothing() {
        let mut ledger = OffsetLedger::default();
        let old = ledger.receive(Offset(5), SINCE, 100).unwrap();
        assert_eq!(ledger.restart(), 100);
        let _new = ledger.receive(Offset(0), SINCE, 100).unwrap();
        assert_eq!(ledger.settle(old), 0);
        assert_eq!(ledger.frontier(), Some(Offset(0)));
    }

    #[test]
    fn what_is_refunded_early_is_not_refunded_again() {
        let mut ledger = OffsetLedger::default();
        let ack = ledger.receive(Offset(0), SINCE, 1_000).unwrap();
        assert_eq!(ledger.lighten(&ack, 100), 900);
        assert_eq!(ledger.lighten(&ack, 200), 0);
        assert_eq!(ledger.frontier(), Some(Offset(0)), "it has not settled");
        assert_eq!(ledger.settle(ack), 100);
    }

    #[test]
    fn an_unsettled_record_has_its_offset_and_a_void_acknowledgement_has_none() {
        let mut ledger = OffsetLedger::default();
        let settled = ledger.receive(Offset(3), SINCE, 100).unwrap();
        ledger.settle(settled);
        let below = ledger.receive(Offset(5), SINCE, 100).unwrap();
        let again = ledger.receive(Offset(8), SINCE, 100).unwrap();
        ledger.rewind(Offset(7));
        assert_eq!(ledger.offset(&below), Some(Offset(5)));
        assert_eq!(ledger.offset(&again), None);
        assert_eq!(ledger.offset(&Ack::of_debt(100)), None);
    }

    proptest! {
        /// Against a model that keeps every offset in a map: whatever the order of receiving and
        /// settling, the frontier is the model's, and every byte charged is refunded.
        #[test]
        fn the_ledger_agrees_with_a_map_of_all_offsets(
            steps in prop::collection::vec((any::<bool>(), 1_i64..5, 70_u64..2_000, any::<prop::sample::Index>()), 1..300)
        ) {
            let mut ledger = OffsetLedger::default();
            let mut model: BTreeMap<i64, bool> = BTreeMap::new();
            let mut open: Vec<(i64, Ack)> = Vec::new();
            let (mut charged, mut refunded, mut next) = (0, 0, 0);
            for (receive, gap, charge, pick) in steps {
                if receive || open.is_empty() {
                    next += gap;
                    open.push((next, ledger.receive(Offset(next), SINCE, charge).unwrap()));
                    model.insert(next, false);
                    charged += charge;
                } else {
                    let (offset, ack) = open.swap_remove(pick.index(open.len()));
                    refunded += ledger.settle(ack);
                    model.insert(offset, true);
                }
                let lowest = model.iter().find(|(_, settled)| !**settled).map(|(offset, _)| *offset);
                prop_assert_eq!(ledger.frontier(), Some(Offset(lowest.unwrap_or(next + 1))));
            }
            for (_, ack) in open {
                refunded += ledger.settle(ack);
            }
            prop_assert_eq!(refunded, charged);
            prop_assert!(ledger.is_empty());
        }
    }
}
