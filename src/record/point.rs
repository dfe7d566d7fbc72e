//! Points of the index: their ids, what is kept in them about their making, and writes to them.

use std::{fmt, sync::Arc};

use uuid::Uuid;

use crate::error::Failure;

use super::{Offset, Payload, PayloadHash, SourcePosition, TextHash};

/// The id of a point in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PointId {
    /// Made of the table and the key; see [`PointIds`](crate::document::PointIds).
    Uuid(Uuid),
    /// The key itself.
    Integer(u64),
}

impl fmt::Display for PointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(id) => id.fmt(f),
            Self::Integer(id) => id.fmt(f),
        }
    }
}

/// What a point says about its own making, under [`RESERVED_FIELD`](super::RESERVED_FIELD): by it
/// the next look at the key tells whether, and how, the index differs from the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The topic of the record that was written.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Its offset: the row is as of this record.
    pub offset: Offset,
    /// Its Kafka timestamp in milliseconds since 1970, 0 if it had none.
    pub timestamp_ms: i64,
    /// When the database committed the change, in milliseconds since 1970.
    pub commit_ms: Option<i64>,
    /// Where the database's log had the change.
    pub source: Option<SourcePosition>,
    /// The row's key in canonical form; see [`RowKey`](super::RowKey).
    pub key: Box<str>,
    /// The hash of the text of the vector that the point has.
    pub text_hash: Option<TextHash>,
    /// The hash of the text that the point waits for a vector of, when that is another one.
    pub wanted: Option<TextHash>,
    /// The hash of the payload that the point has.
    pub payload_hash: PayloadHash,
    /// What made the vector; see [`Fingerprint`](super::Fingerprint).
    pub fingerprint: Arc<str>,
    /// The row's version column, if one is configured, hashed.
    pub version: Option<u64>,
    /// Columns of the text that the payload doesn't hold.
    pub source_columns: Payload,
}

/// A point as the index holds it, as far as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownPoint {
    /// What it says about its making, the source columns among it.
    pub stored: Stored,
    /// The payload fields that were asked for and are there.
    pub payload: Payload,
}

/// What became of a [`Write`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It was applied.
    Applied,
    /// A payload was to be replaced, but there is no such point any more: somebody else removed it.
    Missing,
    /// It was refused for good.
    Refused(Failure),
}

/// One write to one point.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Vector and payload: the point is replaced as a whole, or made.
    Upsert {
        /// Which point.
        point: PointId,
        /// The vector, of the configured length.
        vector: Vec<f32>,
        /// What searchers see.
        payload: Payload,
        /// What Vectide keeps.
        stored: Box<Stored>,
    },
    /// The payload only: it is replaced as a whole, the vector stays.
    PatchPayload {
        /// Which point.
        point: PointId,
        /// What searchers see.
        payload: Payload,
        /// What Vectide keeps.
        stored: Box<Stored>,
    },
    /// The point goes.
    Delete {
        /// Which point.
        point: PointId,
    },
}

impl Write {
    /// The point written to.
    pub fn point(&self) -> PointId {
        match self {
            Self::Upsert { point, .. }
            | Self::PatchPayload { point, .. }
            | Self::Delete { point } => *point,
        }
    }

    /// The metric label: `upsert`, `patch_payload` or `delete`.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Upsert { .. } => "upsert",
            Self::PatchPayload { .. } => "patch_payload",
            Self::Delete { .. } => "delete",
        }
    }
}
