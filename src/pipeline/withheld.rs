//! Dead letters that wait because their table has too many.

use std::time::{Duration, Instant};

use crate::{
    dead_letter::DeadLetter,
    record::{Ack, Offset},
};

/// Of the budget, how much one partition's withheld letters may take before it is paused.
const SHARE: u64 = 64;

/// How often it is looked whether they may go out: other partitions of the table may have shown it.
const LOOK: Duration = Duration::from_secs(1);

/// A letter, and what settles once it is delivered.
#[derive(Debug)]
pub(super) struct WithheldLetter {
    pub(super) letter: DeadLetter,
    pub(super) ack: Ack,
    /// Of the earlier records from which its row took values.
    pub(super) earlier: Vec<Ack>,
}

/// The letters of one partition that wait. They are charged to the budget like any record in flight.
#[derive(Debug, Default)]
pub(super) struct Withheld {
    letters: Vec<WithheldLetter>,
    bytes: u64,
}

impl Withheld {
    pub(super) fn push(&mut self, letter: WithheldLetter) {
        self.bytes += letter.letter.raw.charge();
        self.letters.push(letter);
    }

    /// All, in the order in which they came.
    pub(super) fn take(&mut self) -> Vec<WithheldLetter> {
        self.bytes = 0;
        std::mem::take(&mut self.letters)
    }

    /// Kafka goes back to `offset`: what comes from there on will fail again.
    pub(super) fn rewind(&mut self, offset: Offset) {
        for letter in self.take() {
            if letter.letter.raw.offset < offset {
                self.push(letter);
            }
        }
    }

    /// Whether to close the partition's gate, given the bytes of the budget. Until then reading goes
    /// on: good records are what shows that the cause is mended.
    pub(super) fn closes_gate(&self, budget: u64) -> bool {
        self.bytes > budget / SHARE
    }

    pub(super) fn len(&self) -> usize {
        self.letters.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// When to look again whether they may go out.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        (!self.is_empty()).then(|| now + LOOK)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::{commit::OffsetLedger, error::Failure, record::RawRecord};

    fn letter(ledger: &mut OffsetLedger, offset: i64) -> WithheldLetter {
        let raw = RawRecord {
            topic: "t".into(),
            partition: 0,
            offset: Offset(offset),
            timestamp_ms: None,
            key: None,
            value: Some([0; 512].into()),
            headers: Vec::new(),
        };
        WithheldLetter {
            ack: ledger.receive(raw.offset, 0, raw.charge()).unwrap(),
            letter: DeadLetter {
                raw,
                stage: "decode",
                failure: Failure::record("not_json", "no JSON"),
            },
            earlier: Vec::new(),
        }
    }

    #[test]
    fn they_wait_in_order_and_close_the_gate_with_their_bytes() {
        let (mut withheld, mut ledger) = (Withheld::default(), OffsetLedger::default());
        let now = Instant::now();
        let room_for_two = SHARE * 2 * letter(&mut ledger, 0).letter.raw.charge();
        assert_eq!(withheld.due(now), None);
        for offset in 1..4 {
            assert!(!withheld.closes_gate(room_for_two));
            withheld.push(letter(&mut ledger, offset));
        }
        assert!(withheld.closes_gate(room_for_two));
        assert!(withheld.due(now) > Some(now));
        withheld.rewind(Offset(3));
        assert!(!withheld.closes_gate(room_for_two));
        let offsets: Vec<_> = withheld
            .take()
            .iter()
            .map(|it| it.letter.raw.offset.0)
            .collect();
        assert_eq!(offsets, [1, 2]);
        assert!(withheld.is_empty());
    }
}
