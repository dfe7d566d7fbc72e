//! What the index is known to hold for a key.

use std::{cmp::Ordering, sync::Arc};

use crate::cost::Reason;
use crate::record::{
    Content, Doubt, Epoch, Fingerprint, Offset, PointState, Position, ShortHash, ShortVersion,
    SourcePosition, Stored, TextHash, Tombstone, TopicPartition, WrittenUnder,
};

/// What the index holds for one key, as far as planning needs it: hashes, not rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// There is no point.
    Absent,
    /// There should be none: the collection held none when the partition was taken over. But a key
    /// may have come through another partition.
    AssumedAbsent,
    /// The row is gone, and a tombstone says so.
    Tombstone(Written),
    /// There is one.
    Present(Present),
}

/// A point, in hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// What it is as of.
    pub written: Written,
    /// The hash of its vector's text; `None` when there is no vector, or one of another model.
    pub text: Option<TextHash>,
    /// The same, where it is in doubt: then there is no `text`, and the vector is bought anew.
    pub doubted_text: Option<TextHash>,
    /// The hash of its payload, shortened; `None` when somebody else wrote it.
    pub payload: Option<ShortHash>,
    /// Its row's version, hashed and shortened.
    pub version: Option<ShortVersion>,
    /// Whether it has a vector of another model.
    pub other_model: bool,
}

impl Present {
    /// The text that the point says its vector is of, whether or not that is in doubt.
    pub fn noted_text(&self) -> Option<TextHash> {
        self.text.or(self.doubted_text)
    }
}

/// Which record a point is as of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Who wrote it.
    pub by: Writer,
    /// The record's Kafka timestamp; 0 where there is none.
    pub timestamp_ms: i64,
}

/// Who wrote a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writer {
    /// An owner of the partition at hand.
    ThisPartition {
        /// The record's offset.
        offset: Offset,
        /// Whether it was written under the present assignment: then no former owner can change it.
        is_current: bool,
    },
    /// The owner of another partition: offsets of different partitions can't be compared.
    AnotherPartition {
        /// Which, and under which epoch.
        under: Box<WrittenUnder>,
        /// Where the database's log had the record's change.
        source: Option<SourcePosition>,
    },
    /// Somebody else than Vectide.
    SomebodyElse,
}

/// How an observed record compares with the one at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// Whether the observed one is later.
    pub is_later: bool,
    /// Whether nothing but the clock could tell.
    pub by_clock: bool,
}

/// Who looks at the index: points say something else to each partition's owner.
#[derive(Debug, Clone)]
pub struct Observer {
    /// The partition that it owns.
    pub partition: TopicPartition,
    /// The model that it embeds with.
    pub fingerprint: Fingerprint,
    /// The epoch since which it owns the partition.
    pub since: Epoch,
}

impl Observed {
    /// Why a row's text has to be embedded, if it has to be.
    pub fn reason_to_embed(&self) -> Reason {
        match self {
            Self::Present(present) if present.text.is_some() => Reason::TextChanged,
            Self::Present(present) if present.other_model => Reason::ModelChanged,
            // A point without a vector is of a row that was parked as new, or somebody else's.
            Self::Present(_) | Self::Absent | Self::AssumedAbsent | Self::Tombstone(_) => {
                Reason::New
            }
        }
    }
}

impl Observer {
    /// What a point's bookkeeping says.
    pub fn observe(&self, state: &PointState) -> Observed {
        match state {
            PointState::Absent => Observed::Absent,
            PointState::Foreign => Observed::Present(Present {
                written: Written {
                    by: Writer::SomebodyElse,
                    timestamp_ms: 0,
                },
                text: None,
                doubted_text: None,
                payload: None,
                version: None,
                other_model: false,
            }),
            PointState::Ours {
                epoch,
                content: Content::Row(stored),
            } => self.observe_row(stored, *epoch),
            PointState::Ours {
                epoch,
                content: Content::Tombstone(tombstone),
            } => self.observe_tombstone(tombstone, *epoch),
        }
    }

    /// The same for a row.
    pub fn observe_row(&self, stored: &Stored, epoch: Option<Epoch>) -> Observed {
        let same_model = *stored.fingerprint == *self.fingerprint.as_str();
        Observed::Present(Present {
            written: self.written(&stored.topic, stored.partition, &stored.position, epoch),
            text: stored.text_hash.filter(|_| same_model),
            doubted_text: None,
            payload: Some(stored.payload_hash.short()),
            version: stored.version.map(ShortVersion::of),
            other_model: stored.text_hash.is_some() && !same_model,
        })
    }

    /// The same for a row that is gone.
    pub fn observe_tombstone(&self, tombstone: &Tombstone, epoch: Option<Epoch>) -> Observed {
        let Tombstone {
            topic,
            partition,
            position,
            ..
        } = tombstone;
        Observed::Tombstone(self.written(topic, *partition, position, epoch))
    }

    fn written(
        &self,
        topic: &Arc<str>,
        partition: i32,
        position: &Position,
        epoch: Option<Epoch>,
    ) -> Written {
        let by = if *topic == self.partition.topic && partition == self.partition.partition {
            Writer::ThisPartition {
                offset: position.offset,
                is_current: epoch.is_some_and(|epoch| epoch >= self.since),
            }
        } else {
            Writer::AnotherPartition {
                under: Box::new(WrittenUnder {
                    partition: TopicPartition {
                        topic: topic.clone(),
                        partition,
                    },
                    epoch,
                }),
                source: position.source,
            }
        };
        Written {
            by,
            timestamp_ms: position.timestamp_ms,
        }
    }
}

/// By how much clocks may contradict places in the database's log, in milliseconds, before the
/// places are not believed: after a failover they may start lower.
const CLOCKS: i64 = 60_000;

impl Written {
    /// Whether this is as of something later than `position`.
    ///
    /// Within a partition the offset tells; the timestamp guards against a topic that was deleted
    /// and made anew, whose offsets start again from 0. A row that came through another partition
    /// (their number was changed, or the topic was made anew) is compared by its place in the
    /// database's log, which orders the changes of one row. Where there is none, or where clocks
    /// clearly contradict it, the newer Kafka timestamp counts.
    pub fn compare(&self, position: &Position) -> Comparison {
        let by_clock = self.timestamp_ms > position.timestamp_ms;
        match &self.by {
            Writer::ThisPartition { offset, .. } => Comparison {
                is_later: *offset > position.offset && self.timestamp_ms >= position.timestamp_ms,
                by_clock: false,
            },
            Writer::AnotherPartition { source, .. } => {
                let (Some(here), Some(there)) = (position.source, *source) else {
                    return Comparison {
                        is_later: by_clock,
                        by_clock: true,
                    };
                };
                let ahead_ms = self.timestamp_ms.saturating_sub(position.timestamp_ms);
                let contradicts = match there.cmp(&here) {
                    Ordering::Less => ahead_ms > CLOCKS,
                    Ordering::Equal => false,
                    Ordering::Greater => ahead_ms < -CLOCKS,
                };
                Comparison {
                    is_later: if contradicts { by_clock } else { there > here },
                    by_clock: contradicts,
                }
            }
            Writer::SomebodyElse => Comparison {
                is_later: false,
                by_clock: false,
            },
        }
    }

    /// Whether it was written under the present assignment.
    pub fn is_current(&self) -> bool {
        matches!(
            self.by,
            Writer::ThisPartition {
                is_current: true,
                ..
            }
        )
    }

    /// The offset, if a record of this partition was written.
    pub fn offset(&self) -> Option<Offset> {
        match self.by {
            Writer::ThisPartition { offset, .. } => Some(offset),
            _ => None,
        }
    }
}

impl Observed {
    /// Who wrote the point, if there is one.
    pub fn written(&self) -> Option<&Written> {
        match self {
            Self::Absent | Self::AssumedAbsent => None,
            Self::Tombstone(written) => Some(written),
            Self::Present(present) => Some(&present.written),
        }
    }

    /// Whether the index already holds something later than `position`, so that a record there is
    /// a replay. The record that made the point is not later than itself: it is compared by hash,
    /// so that a changed template or model, or a vector still owed, is noticed.
    pub fn compare(&self, position: &Position) -> Comparison {
        self.written().map_or(
            Comparison {
                is_later: false,
                by_clock: false,
            },
            |written| written.compare(position),
        )
    }

    /// The same without what is in doubt.
    #[must_use]
    pub fn doubted(self, doubt: Doubt) -> Self {
        match self {
            Self::Present(mut present) => {
                if doubt >= Doubt::Payload {
                    present.payload = None;
                }
                if doubt >= Doubt::Vector {
                    present.doubted_text = present.text.take().or(present.doubted_text);
                }
                Self::Present(present)
            }
            observed => observed,
        }
    }

    /// Under what the point was written, where another partition wrote it.
    pub fn elsewhere(&self) -> Option<&WrittenUnder> {
        match self.written().map(|written| &written.by) {
            Some(Writer::AnotherPartition { under, .. }) => Some(under),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elsewhere(source: Option<i64>, timestamp_ms: i64) -> Written {
        Written {
            by: Writer::AnotherPartition {
                under: Box::new(WrittenUnder {
                    partition: TopicPartition {
                        topic: "t".into(),
                        partition: 9,
                    },
                    epoch: None,
                }),
                source: source.map(SourcePosition),
            },
            timestamp_ms,
        }
    }

    fn at(source: Option<i64>, timestamp_ms: i64) -> Position {
        Position {
            offset: Offset(1),
            timestamp_ms,
            commit_ms: None,
            source: source.map(SourcePosition),
        }
    }

    fn is_later(written: &Written, position: &Position) -> (bool, bool) {
        let Comparison { is_later, by_clock } = written.compare(position);
        (is_later, by_clock)
    }

    #[test]
    fn rows_of_another_partition_are_compared_by_their_place_in_the_databases_log() {
        let written = elsewhere(Some(100), 5_000);
        assert_eq!(is_later(&written, &at(Some(99), 6_000)), (true, false));
        assert_eq!(is_later(&written, &at(Some(101), 4_000)), (false, false));
        assert_eq!(is_later(&written, &at(Some(100), 4_000)), (false, false));
    }

    #[test]
    fn where_places_can_not_be_compared_the_clock_decides() {
        let written = elsewhere(Some(100), 5_000);
        assert_eq!(is_later(&written, &at(None, 4_999)), (true, true));
        assert_eq!(is_later(&written, &at(None, 5_000)), (false, true));
        let written = elsewhere(None, 5_000);
        assert_eq!(is_later(&written, &at(Some(1), 5_001)), (false, true));
    }

    #[test]
    fn after_a_failover_a_lower_place_is_not_taken_for_an_earlier_one() {
        let written = elsewhere(Some(100), 5_000);
        assert_eq!(is_later(&written, &at(Some(10), 70_000)), (false, true));
        let written = elsewhere(Some(10), 70_000);
        assert_eq!(is_later(&written, &at(Some(100), 5_000)), (true, true));
    }
}
