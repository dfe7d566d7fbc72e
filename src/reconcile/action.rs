//! What the reconciler wants done.

use std::sync::{Arc, Weak};

use crate::{
    cost::Reason,
    error::Failure,
    record::{
        Ack, PointId, Position, Priority, RawRecord, Settled, Ticket, Wish, Write, WriteKind,
    },
};

impl Action {
    /// Settles a record that later news carries on.
    pub(super) fn superseded(ack: Ack) -> Self {
        Self::Settle {
            ack,
            settled: Settled::Superseded,
        }
    }
}

/// What the reconciler wants done.
#[derive(Debug)]
pub enum Action {
    /// Read a point's bookkeeping from the index.
    Read {
        /// To answer with.
        ticket: Ticket,
        /// Which point.
        point: PointId,
    },
    /// Buy a vector.
    Embed {
        /// To answer with.
        ticket: Ticket,
        /// For this point.
        point: PointId,
        /// The text to embed.
        text: Arc<str>,
        /// Why it is needed.
        reason: Reason,
        /// How urgently.
        priority: Priority,
        /// Once this can't be upgraded, nobody wants the vector any more.
        wanted: Weak<Wish>,
    },
    /// Write to the index.
    Write {
        /// To answer with.
        ticket: Ticket,
        /// What to write.
        write: Write,
    },
    /// Settle a record.
    Settle {
        /// Which.
        ack: Ack,
        /// As what.
        settled: Settled,
    },
    /// A write was applied that searchers see: they find what a record says, or most of it, where its
    /// vector is still to come. To be counted.
    Visible {
        /// Where that record stands.
        position: Position,
        /// What the write did.
        kind: WriteKind,
    },
    /// Dead-letter a record; it settles once that is delivered.
    DeadLetter {
        /// The record.
        raw: RawRecord,
        /// Settles it.
        ack: Ack,
        /// Settle with it: earlier records from which the row took values.
        earlier: Vec<Ack>,
        /// The stage at which it failed.
        stage: &'static str,
        /// Why.
        failure: Failure,
    },
    /// A row came with the version that the index has, but with other content: two changes within
    /// the version column's resolution. To be counted; the change is applied.
    VersionConflict,
    /// Nothing but the clock could tell whether a row that came through another partition is the later
    /// one. To be counted.
    OrderedByClock,
}
