//! Collapsing: of several changes of one key, the last one wins.

use std::time::{Duration, Instant};

use hashbrown::HashMap;

use crate::{
    cost::{Saving, Savings},
    record::{Ack, Desired, KeyChange, PointId, Superseded, TruncateMark},
};

/// Collects changes for a short while, one a key.
///
/// A later change supersedes an earlier one of the same key at once: its record holds the whole
/// row, so once it is in the ledger the earlier record may settle. After a crash the later one is
/// delivered again, because it has not. Only a create waits for what supersedes it, and whatever a
/// later row took values from; see [`Creation`](crate::record::Creation) and
/// [`Completion`](crate::record::Completion).
#[derive(Debug, Default)]
pub struct Window {
    pending: Vec<KeyChange>,
    by_point: HashMap<PointId, usize>,
    opened: Option<Instant>,
    savings: Savings,
}

impl Window {
    /// Takes a change in, and returns the acknowledgements of what it supersedes, as far as those
    /// need not wait.
    #[must_use = "superseded records must be settled"]
    pub fn push(&mut self, change: KeyChange, now: Instant) -> Superseded {
        self.opened.get_or_insert(now);
        let earlier = self
            .by_point
            .get(&change.point)
            .and_then(|index| self.pending.get_mut(*index));
        if let Some(slot) = earlier {
            let earlier = std::mem::replace(slot, change);
            if let Desired::Row(document) = &earlier.desired {
                self.savings.add(Saving::Collapsed, &document.text);
            }
            slot.replaces |= earlier.replaces || !earlier.desired.is_same(&slot.desired);
            return earlier.from.hand_on(&mut slot.from, &slot.desired);
        }
        self.by_point.insert(change.point, self.pending.len());
        self.pending.push(change);
        Superseded::new()
    }

    /// What need not be bought, because it was superseded here, since this was asked last.
    pub fn take_savings(&mut self) -> Savings {
        self.savings.take()
    }

    /// The table was truncated: the rows from before are gone.
    pub fn truncate(&mut self, mark: &TruncateMark) {
        for change in &mut self.pending {
            if mark.covers(&change.from.position) {
                change.replaces |= change.desired != Desired::Gone;
                change.desired = Desired::Gone;
            }
        }
    }

    /// The latest change of a key, and what settles its record.
    pub fn latest(&self, point: &PointId) -> Option<(&Desired, &Ack)> {
        let index = self.by_point.get(point)?;
        let change = self.pending.get(*index)?;
        Some((&change.desired, &change.from.ack))
    }

    /// When the changes collected so far are due at the latest; `None` while there are none.
    pub fn due(&self, linger: Duration) -> Option<Instant> {
        self.opened.map(|opened| opened + linger)
    }

    /// Takes all changes out, one a key, keys in the order of their first change.
    pub fn take(&mut self) -> Vec<KeyChange> {
        self.opened = None;
        self.by_point.clear();
        std::mem::take(&mut self.pending)
    }

    /// How many keys have a change waiting.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        commit::OffsetLedger,
        record::{Completion, Creation, Offset, Provenance, RowKey},
    };

    fn change(ledger: &mut OffsetLedger, key: u64, offset: i64) -> KeyChange {
        let offset = Offset(offset);
        let ack = ledger.receive(offset, 0, 1).unwrap();
        KeyChange {
            key: RowKey::from_canonical(format!("[{key}]")),
            point: PointId::Integer(key),
            desired: Desired::Gone,
            from: Provenance::of_offset(offset, ack),
            replaces: false,
        }
    }

    #[test]
    fn it_is_due_a_linger_after_its_first_change() {
        let (mut window, mut ledger, now) =
            (Window::default(), OffsetLedger::default(), Instant::now());
        let linger = Duration::from_millis(10);
        assert_eq!(window.due(linger), None);
        assert!(window.push(change(&mut ledger, 1, 0), now).is_empty());
        assert!(
            window
                .push(change(&mut ledger, 2, 1), now + linger)
                .is_empty()
        );
        assert_eq!(window.due(linger), Some(now + linger));
        assert_eq!(window.take().len(), 2);
        assert_eq!(window.due(linger), None);
    }

    #[test]
    fn a_create_settles_with_the_row_that_supersedes_it_and_no_earlier() {
        let (mut window, mut ledger, now) =
            (Window::default(), OffsetLedger::default(), Instant::now());
        let mut push = |offset, desired, creation| {
            let mut change = change(&mut ledger, 1, offset);
            change.desired = desired;
            change.from.creation = creation;
            window.push(change, now).len()
        };
        let row = || Desired::Row(Box::new(crate::record::Document::empty()));
        assert_eq!(push(0, row(), Creation::This), 0);
        assert_eq!(push(1, row(), Creation::No), 0, "the create waits");
        assert_eq!(push(2, row(), Creation::No), 1, "the update doesn't");
        assert_eq!(
            push(3, Desired::Gone, Creation::No),
            2,
            "a delete ends both"
        );
        assert_eq!(push(4, row(), Creation::This), 1);
        assert!(
            window
                .take()
                .iter()
                .all(|change| change.from.creation == Creation::This)
        );
    }

    #[test]
    fn what_a_row_took_values_from_settles_with_it_and_no_earlier() {
        let (mut window, mut ledger, now) =
            (Window::default(), OffsetLedger::default(), Instant::now());
        let mut push = |offset, completion| {
            let mut change = change(&mut ledger, 1, offset);
            change.from.completion = completion;
            window.push(change, now).len()
        };
        assert_eq!(push(0, Completion::default()), 0);
        assert_eq!(
            push(1, Completion::owed()),
            0,
            "it took values of the first"
        );
        assert_eq!(push(2, Completion::owed()), 0, "and it of the second");
        assert_eq!(push(3, Completion::default()), 3, "a whole row needs none");
        assert_eq!(push(4, Completion::owed()), 0);
        let last = window.take().pop().unwrap();
        assert_eq!(last.from.completion.into_acks().len(), 1);
    }

    proptest! {
        /// Against a model that keeps the last offset of each key: what is taken out is exactly
        /// that, and every other record's acknowledgement was given back.
        #[test]
        fn the_last_change_of_each_key_wins(keys in prop::collection::vec(0_u8..6, 0..80), cut in 0_usize..80) {
            let (mut window, mut ledger, now) = (Window::default(), OffsetLedger::default(), Instant::now());
            let mut model: BTreeMap<u8, i64> = BTreeMap::new();
            for (offset, key) in keys.iter().enumerate() {
                if offset == cut {
                    for taken in window.take() {
                        ledger.settle(taken.from.ack);
                    }
                    model.clear();
                }
                let offset = i64::try_from(offset).unwrap();
                for ack in window.push(change(&mut ledger, u64::from(*key), offset), now) {
                    ledger.settle(ack);
                }
                model.insert(*key, offset);
            }
            let taken = window.take();
            let mut last: Vec<i64> = model.values().copied().collect();
            last.sort_unstable();
            let mut offsets: Vec<i64> = taken.iter().map(|change| change.from.position.offset.0).collect();
            offsets.sort_unstable();
            prop_assert_eq!(offsets, last);
            for change in taken {
                ledger.settle(change.from.ack);
            }
            prop_assert!(ledger.is_empty());
        }
    }
}
