//! The records that news of a row is from.

use super::{Ack, Completion, Creation, Desired, Position, Priority, RawRecord, Superseded};

/// Where news of a row is from: the record that says it, and what earlier ones left to it.
#[derive(Debug)]
pub struct Provenance {
    /// As of when the news is.
    pub position: Position,
    /// The record that says so, in case it has to be dead-lettered.
    pub raw: RawRecord,
    /// Settles the record.
    pub ack: Ack,
    /// Whether the row was created.
    pub creation: Creation,
    /// What the row owes to earlier news.
    pub completion: Completion,
    /// How urgent it is to embed the row, if it has to be.
    pub priority: Priority,
}

impl Provenance {
    /// One record alone, which creates no row and owes nothing.
    pub fn of_record(position: Position, raw: RawRecord, ack: Ack, priority: Priority) -> Self {
        Self {
            position,
            raw,
            ack,
            creation: Creation::No,
            completion: Completion::default(),
            priority,
        }
    }

    /// A record that says nothing but its offset.
    #[cfg(test)]
    pub(crate) fn of_offset(offset: super::Offset, ack: Ack) -> Self {
        let position = Position {
            offset,
            timestamp_ms: 0,
            commit_ms: None,
            source: None,
        };
        let raw = RawRecord {
            topic: "t".into(),
            partition: 0,
            offset,
            timestamp_ms: None,
            key: None,
            value: None,
            headers: Vec::new(),
        };
        Self::of_record(position, raw, ack, Priority::Fresh)
    }

    /// Later news of the row, which says that `desired`, comes in the place of these. Returns the
    /// acknowledgements of what it supersedes, as far as those need not wait for it.
    #[must_use = "superseded records must be settled"]
    pub fn hand_on(self, later: &mut Self, desired: &Desired) -> Superseded {
        let offset = self.position.offset;
        let superseded = self
            .creation
            .hand_on(offset, self.ack, &mut later.creation, desired);
        let superseded = superseded.into_iter().flatten();
        later
            .completion
            .keep(superseded.chain(self.completion.into_acks()))
    }
}
