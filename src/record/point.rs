//! Points of the index: their ids, and what is kept in them about their making.

use std::{fmt, str::FromStr, sync::Arc};

use uuid::Uuid;

use super::{Epoch, Offset, Payload, PayloadHash, Position, TextHash, TopicPartition};

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

/// A text that is no point's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no UUID, and no whole number from 0 on")]
pub struct NoPointId;

impl FromStr for PointId {
    type Err = NoPointId;

    fn from_str(text: &str) -> Result<Self, NoPointId> {
        let integer = text.parse().map(Self::Integer);
        integer
            .or_else(|_| Uuid::try_parse(text).map(Self::Uuid))
            .map_err(|_| NoPointId)
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
    /// Where the change stands: the row is as of this.
    pub position: Position,
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
    /// The text of `wanted`, where the row is parked: its record has settled, and the vector is owed.
    pub parked: Option<Parked>,
}

/// What a parked row waits for: its text has yet to be embedded, and nothing but its point says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The text.
    pub text: Arc<str>,
    /// When it was parked, in milliseconds since 1970.
    pub at_ms: i64,
}

/// A point as the index holds it, as far as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownPoint {
    /// The epoch under which it was written, if it says one.
    pub epoch: Option<Epoch>,
    /// What it says about its making, the source columns among it.
    pub stored: Stored,
    /// The payload fields that were asked for and are there.
    pub payload: Payload,
}

/// What a delete leaves behind for a while: a point without a vector, which no vector search
/// returns, so that a late write of a former owner can't bring the row back, and a replay is known
/// for one.
#[derive(Debug, Clone, PartialEq)]
pub struct Tombstone {
    /// The topic of the record that said the row is gone.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Where the delete stands.
    pub position: Position,
    /// The row's key in canonical form.
    pub key: Box<str>,
    /// When this was written, in milliseconds since 1970: it is swept some time after.
    pub deleted_ms: i64,
}

/// What the index holds under a point's id.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart as soon as it is made"
)]
pub enum PointState {
    /// No point.
    Absent,
    /// A point that somebody else wrote, or that is damaged: its bookkeeping is missing or not whole.
    Foreign,
    /// A point that Vectide wrote.
    Ours {
        /// Under this epoch; `None` in points of versions that knew none.
        epoch: Option<Epoch>,
        /// What it says.
        content: Content,
    },
}

/// What a point of ours says.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A row.
    Row(Stored),
    /// A row that is gone.
    Tombstone(Tombstone),
}

impl PointState {
    /// The epoch under which it was written last, if it says one.
    pub fn epoch(&self) -> Option<Epoch> {
        match self {
            Self::Ours { epoch, .. } => *epoch,
            Self::Absent | Self::Foreign => None,
        }
    }

    /// The partition and the offset of the record that it is as of.
    pub fn place(&self) -> Option<(TopicPartition, Offset)> {
        let Self::Ours { content, .. } = self else {
            return None;
        };
        let (topic, partition, offset) = match content {
            Content::Row(row) => (&row.topic, row.partition, row.position.offset),
            Content::Tombstone(gone) => (&gone.topic, gone.partition, gone.position.offset),
        };
        let topic = topic.clone();
        Some((TopicPartition { topic, partition }, offset))
    }

    /// Whether a later owner of `partition` than the one of `epoch` wrote it.
    pub fn is_written_above(&self, epoch: Epoch, partition: &TopicPartition) -> bool {
        self.epoch().is_some_and(|written| written > epoch)
            && self.place().is_some_and(|(place, _)| place == *partition)
    }

    /// The row's bookkeeping, if this is a row of ours.
    pub fn row(&self) -> Option<&Stored> {
        match self {
            Self::Ours {
                content: Content::Row(stored),
                ..
            } => Some(stored),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_points_id_is_read_as_it_is_shown() {
        let uuid = Uuid::new_v5(&Uuid::NAMESPACE_OID, b"a");
        for id in [PointId::Integer(17), PointId::Uuid(uuid)] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert_eq!("-1".parse::<PointId>(), Err(NoPointId));
    }
}
