//! Acknowledgements: the right, and the duty, to settle one received record.

use super::Ticket;

/// The right to settle one record of one partition's ledger, a parked row's debt, or a row that
/// somebody asked to have [rechecked](super::Recheck).
///
/// It can be moved but not copied, so a record settles at most once; dropping it settles nothing,
/// so a record whose handling was given up stays unsettled and is delivered again.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a dropped acknowledgement leaves its record unsettled, and the committed offset behind it"]
pub struct Ack {
    right: Right,
}

#[derive(Debug, PartialEq, Eq)]
enum Right {
    Record(u64),
    Debt { charged: u64 },
    Recheck(Ticket),
}

impl Ack {
    /// Only the ledger makes acknowledgements of records.
    pub(crate) fn new(sequence: u64) -> Self {
        Self {
            right: Right::Record(sequence),
        }
    }

    /// Settles the debt of a [`Parked`](super::Parked) row, whose record settled before: no offset
    /// waits for it, but the memory budget does, for the bytes that it was charged.
    pub(crate) fn of_debt(charged: u64) -> Self {
        Self {
            right: Right::Debt { charged },
        }
    }

    /// Settles a row that was asked for: its record settled before, and no offset waits for it.
    pub(crate) fn of_recheck(ticket: Ticket) -> Self {
        Self {
            right: Right::Recheck(ticket),
        }
    }

    /// The record's running number in its ledger, if it is in one.
    pub(crate) fn sequence(&self) -> Option<u64> {
        match self.right {
            Right::Record(sequence) => Some(sequence),
            Right::Debt { .. } | Right::Recheck(_) => None,
        }
    }

    /// Whether it is of a parked row.
    pub(crate) fn is_debt(&self) -> bool {
        self.debt().is_some()
    }

    /// What was charged for the parked row, if it is of one.
    pub(crate) fn debt(&self) -> Option<u64> {
        match self.right {
            Right::Debt { charged } => Some(charged),
            Right::Record(_) | Right::Recheck(_) => None,
        }
    }

    /// The row that was asked for, if it is of one.
    pub(crate) fn recheck(&self) -> Option<Ticket> {
        match self.right {
            Right::Record(_) | Right::Debt { .. } => None,
            Right::Recheck(ticket) => Some(ticket),
        }
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
    /// It is reflected in the index but for the vector of its text, which the index itself says is
    /// owed; see [`Parked`](super::Parked).
    Parked,
    /// It carries no row: a heartbeat, a transaction marker, a logical message.
    Skipped,
}

impl Settled {
    /// All ways, in the order in which metrics list them.
    pub const ALL: [Self; 7] = [
        Self::Written,
        Self::Deleted,
        Self::Unchanged,
        Self::Superseded,
        Self::DeadLettered,
        Self::Parked,
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
            Self::Parked => "parked",
            Self::Skipped => "skipped",
        }
    }
}
