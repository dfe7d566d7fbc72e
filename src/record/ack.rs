//! Acknowledgements: the right, and the duty, to settle one received record.

/// The right to settle one record of one partition's ledger.
///
/// It can be moved but not copied, so a record settles at most once; dropping it settles nothing,
/// so a record whose handling was given up stays unsettled and is delivered again.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a dropped acknowledgement leaves its record unsettled, and the committed offset behind it"]
pub struct Ack {
    sequence: u64,
}

impl Ack {
    /// Only the ledger makes acknowledgements.
    pub(crate) fn new(sequence: u64) -> Self {
        Self { sequence }
    }

    /// The record's running number in its ledger.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// How a record came to rest. Every record settles exactly once, by one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Settled {
    /// A point was upserted, or its payload overwritten.
    Written,
    /// The point was deleted.
    Deleted,
    /// The index already reflected the record.
    Unchanged,
    /// A later record of the same key, still unsettled, carries the whole row; or it has been settled
    /// with the row that took values from this one.
    Superseded,
    /// It can't be processed and was delivered to the dead-letter topic.
    DeadLettered,
    /// It carries no row: a heartbeat, a transaction marker, a logical message.
    Skipped,
}

impl Settled {
    /// All ways, in the order in which metrics list them.
    pub const ALL: [Self; 6] = [
        Self::Written,
        Self::Deleted,
        Self::Unchanged,
        Self::Superseded,
        Self::DeadLettered,
        Self::Skipped,
    ];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Deleted => "deleted",
            Self::Unchanged => "unchanged",
            Self::Superseded => "superseded",
            Self::DeadLettered => "dead_lettered",
            Self::Skipped => "skipped",
        }
    }
}
