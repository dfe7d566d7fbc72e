//! What the index is known to hold for a key.

use crate::record::{
    Fingerprint, Offset, Position, ShortHash, ShortVersion, Stored, TextHash, TopicPartition,
};

/// What the index holds for one key, as far as planning needs it: hashes, not rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// There is no point.
    Absent,
    /// There is one.
    Present(Present),
}

/// A point, in hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Present {
    /// The offset it is as of, if it was written from the partition at hand: offsets of different
    /// partitions can't be compared.
    pub offset: Option<Offset>,
    /// The Kafka timestamp it is as of.
    pub timestamp_ms: i64,
    /// The hash of its vector's text; `None` when there is no vector, or one of another model.
    pub text: Option<TextHash>,
    /// The hash of its payload; `None` when somebody else wrote it.
    pub payload: Option<ShortHash>,
    /// Its row's version, hashed.
    pub version: Option<ShortVersion>,
}

impl Observed {
    /// What a point's bookkeeping says, to the owner of `partition`, who embeds as `fingerprint`.
    /// `None` is a point that Vectide did not write.
    pub fn of_point(
        stored: Option<&Stored>,
        partition: &TopicPartition,
        fingerprint: &Fingerprint,
    ) -> Self {
        let Some(stored) = stored else {
            return Self::Present(Present {
                offset: None,
                timestamp_ms: 0,
                text: None,
                payload: None,
                version: None,
            });
        };
        let same_partition =
            stored.topic == partition.topic && stored.partition == partition.partition;
        let same_model = *stored.fingerprint == *fingerprint.as_str();
        Self::Present(Present {
            offset: same_partition.then_some(stored.offset),
            timestamp_ms: stored.timestamp_ms,
            text: stored.text_hash.filter(|_| same_model),
            payload: Some(stored.payload_hash.short()),
            version: stored.version.map(ShortVersion::of),
        })
    }

    /// Whether the index already holds something later than `position`, so that a record there is
    /// a replay. The record that made the point is not later than itself: it is compared by hash,
    /// so that a changed template or model, or a vector still owed, is noticed.
    ///
    /// The timestamp guards against a topic that was deleted and made anew, whose offsets start
    /// again from 0.
    pub fn is_later_than(&self, position: &Position) -> bool {
        match self {
            Self::Absent => false,
            Self::Present(present) => {
                present
                    .offset
                    .is_some_and(|offset| offset > position.offset)
                    && present.timestamp_ms >= position.timestamp_ms
            }
        }
    }
}
