//! The hashes that a partition remembers.

use quick_cache::{UnitWeighter, unsync::Cache};

use crate::record::PointId;

use super::observed::Observed;

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
            Some(observed) => Some(observed.clone()),
            None => self.known_empty.then_some(Observed::AssumedAbsent),
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
