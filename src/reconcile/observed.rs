//! What the index is known to hold for a key.

use quick_cache::{UnitWeighter, unsync::Cache};

use crate::record::{
    Fingerprint, Offset, PointId, Position, ShortHash, ShortVersion, Stored, TextHash,
    TopicPartition,
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

/// Keys to make room for at first; the cache grows from there.
const AT_FIRST: usize = 1_024;

/// Remembers what the index holds for the keys met last, within a bound: whatever isn't here is
/// read from the index.
#[derive(Debug)]
pub struct ObservedCache {
    cache: Cache<PointId, Observed>,
    capacity: u64,
    /// The collection held nothing after the partition was assigned, so whatever is not in the
    /// cache is absent, until the cache first has to forget something.
    known_empty: bool,
}

impl ObservedCache {
    /// A cache of `capacity` keys, which knows nothing.
    pub fn new(capacity: usize) -> Self {
        Self {
            cache: Cache::with_weighter(capacity.min(AT_FIRST), capacity as u64, UnitWeighter),
            capacity: capacity as u64,
            known_empty: false,
        }
    }

    /// The collection holds no point at all, and nobody else writes this partition's.
    pub fn assume_empty(&mut self) {
        self.known_empty = true;
    }

    /// What the index holds for a point, if it is known.
    pub fn get(&self, point: &PointId) -> Option<Observed> {
        match self.cache.get(point) {
            Some(observed) => Some(*observed),
            None => self.known_empty.then_some(Observed::Absent),
        }
    }

    /// Remembers what the index holds for a point.
    pub fn insert(&mut self, point: PointId, observed: Observed) {
        self.cache.insert(point, observed);
        // The cache may start to evict a little before it is full.
        if self.known_empty && self.cache.len() as u64 * 2 > self.capacity {
            self.known_empty = false;
        }
    }

    /// Forgets everything.
    pub fn forget_all(&mut self) {
        self.cache.clear();
        self.known_empty = false;
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.cache.len() == 0
    }
}
