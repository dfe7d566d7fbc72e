//! Remembers what the index holds, for as many keys as memory is given for.

use std::{
    hash::BuildHasher as _,
    mem::{self, size_of},
    sync::atomic::{AtomicBool, Ordering},
};

use hashbrown::DefaultHashBuilder;

use crate::record::PointId;

use super::{
    compact::{Compact, CompactId},
    observed::Observed,
};

/// Remembers what the index holds for the keys met last, within a bound: whatever isn't here is
/// read from the index.
///
/// A hash table with chains, in at most 64 bytes a key: 61 of the entry, at most 2 of the
/// buckets, and little else. When it is full, a clock's hand goes over the entries and gives the place of the first
/// that was not used since it last came by to the new key. So keys that are met once, as in a first
/// load, don't drive out those that change all the time.
#[derive(Debug)]
pub struct ObservedCache {
    hasher: DefaultHashBuilder,
    /// The first entry of each chain. A power of two, or none.
    buckets: Vec<u32>,
    segments: Vec<Segment>,
    len: u32,
    capacity: u32,
    /// The entry that is looked at next when a place is needed.
    hand: u32,
    /// The collection held nothing after the partition was assigned, so whatever is not in the
    /// cache is absent, until the cache first has to forget something.
    known_empty: bool,
}

/// Entries are kept in pieces of this many: growing copies none, and asks for no more than it needs.
const SEGMENT: usize = 1_024;
/// How many entries a bucket has on average before there are twice as many buckets.
const CHAIN: usize = 4;
/// Buckets to begin with.
const AT_FIRST: usize = 64;
/// Behind the last entry of a chain; there is never an entry of this number.
const END: u32 = u32::MAX;

#[derive(Debug)]
struct Segment {
    entries: Vec<Entry>,
    /// Which entries were used since the hand last came by.
    used: Vec<AtomicBool>,
}

#[derive(Debug)]
struct Entry {
    known: Compact,
    next: u32,
}

impl ObservedCache {
    /// A cache of `capacity` keys, which knows nothing.
    pub fn new(capacity: usize) -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            buckets: Vec::new(),
            segments: Vec::new(),
            len: 0,
            capacity: u32::try_from(capacity).unwrap_or(END).max(1),
            hand: 0,
            known_empty: false,
        }
    }

    /// The collection holds no point at all, and nobody else writes this partition's.
    pub fn assume_empty(&mut self) {
        self.known_empty = true;
    }

    /// What the index holds for a point, if it is known.
    pub fn get(&self, point: &PointId) -> Option<Observed> {
        let id = CompactId::from(point);
        let Some(at) = self.find(id) else {
            return self.known_empty.then_some(Observed::AssumedAbsent);
        };
        self.segment(at)?
            .used
            .get(place(at))?
            .store(true, Ordering::Relaxed);
        self.entry(at)?.known.observed()
    }

    /// Remembers what the index holds for a point.
    pub fn insert(&mut self, point: PointId, observed: &Observed) {
        let id = CompactId::from(&point);
        let known = Compact::new(id, observed);
        if let Some(at) = self.find(id) {
            if let Some(entry) = self.entry_mut(at) {
                entry.known = known;
            }
            return;
        }
        let at = if self.len < self.capacity {
            self.push(known)
        } else {
            self.known_empty = false;
            self.replace(known)
        };
        self.link(at);
    }

    /// Forgets everything.
    pub fn forget_all(&mut self) {
        self.buckets = Vec::new();
        self.segments = Vec::new();
        self.len = 0;
        self.hand = 0;
        self.known_empty = false;
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes it has asked for.
    pub fn bytes(&self) -> usize {
        let segments = self.segments.iter().map(|segment| {
            segment.entries.capacity() * size_of::<Entry>()
                + segment.used.capacity() * size_of::<AtomicBool>()
        });
        self.buckets.capacity() * size_of::<u32>()
            + self.segments.capacity() * size_of::<Segment>()
            + segments.sum::<usize>()
    }

    fn find(&self, id: CompactId) -> Option<u32> {
        let mut at = *self.buckets.get(self.bucket(id))?;
        while let Some(entry) = self.entry(at) {
            if entry.known.id() == id {
                return Some(at);
            }
            at = entry.next;
        }
        None
    }

    fn bucket(&self, id: CompactId) -> usize {
        // The number of buckets is a power of two; where there are none, nothing is found at 0.
        let mask = self.buckets.len().saturating_sub(1) as u64;
        let hash = self.hasher.hash_one(id.hash_key()) & mask;
        usize::try_from(hash).unwrap_or_default()
    }

    /// Puts a new entry behind the others, in no chain yet.
    fn push(&mut self, known: Compact) -> u32 {
        if self.len() >= self.buckets.len() * CHAIN {
            self.add_buckets();
        }
        let at = self.len;
        if self.len() == self.segments.len() * SEGMENT {
            let room = SEGMENT.min((self.capacity - self.len) as usize);
            self.segments.push(Segment {
                entries: Vec::with_capacity(room),
                used: Vec::with_capacity(room),
            });
        }
        if let Some(segment) = self.segments.last_mut() {
            segment.entries.push(Entry { known, next: END });
            segment.used.push(AtomicBool::new(false));
            self.len += 1;
        }
        at
    }

    fn add_buckets(&mut self) {
        self.buckets = vec![END; (self.buckets.len() * 2).max(AT_FIRST)];
        for at in 0..self.len {
            self.link(at);
        }
    }

    /// Gives a new entry the place of one that is not used, in no chain yet.
    fn replace(&mut self, known: Compact) -> u32 {
        let at = loop {
            let at = self.hand;
            self.hand = (self.hand + 1) % self.len;
            if !self.take_used(at) {
                break at;
            }
        };
        self.unlink(at);
        if let Some(entry) = self.entry_mut(at) {
            entry.known = known;
        }
        at
    }

    fn take_used(&mut self, at: u32) -> bool {
        self.segments
            .get_mut(at as usize / SEGMENT)
            .and_then(|segment| segment.used.get_mut(place(at)))
            .is_some_and(|used| mem::take(used.get_mut()))
    }

    /// Puts an entry at the beginning of its chain.
    fn link(&mut self, at: u32) {
        let Some(id) = self.entry(at).map(|entry| entry.known.id()) else {
            return;
        };
        let bucket = self.bucket(id);
        let Some(first) = self.buckets.get_mut(bucket) else {
            return;
        };
        let next = mem::replace(first, at);
        if let Some(entry) = self.entry_mut(at) {
            entry.next = next;
        }
    }

    /// Takes an entry out of its chain.
    fn unlink(&mut self, at: u32) {
        let Some((id, next)) = self.entry(at).map(|entry| (entry.known.id(), entry.next)) else {
            return;
        };
        let bucket = self.bucket(id);
        let Some(first) = self.buckets.get_mut(bucket) else {
            return;
        };
        if *first == at {
            *first = next;
            return;
        }
        let mut before = *first;
        while let Some(entry) = self.entry_mut(before) {
            if entry.next == at {
                entry.next = next;
                return;
            }
            before = entry.next;
        }
    }

    fn segment(&self, at: u32) -> Option<&Segment> {
        self.segments.get(at as usize / SEGMENT)
    }

    fn entry(&self, at: u32) -> Option<&Entry> {
        self.segment(at)?.entries.get(place(at))
    }

    fn entry_mut(&mut self, at: u32) -> Option<&mut Entry> {
        let segment = self.segments.get_mut(at as usize / SEGMENT)?;
        segment.entries.get_mut(place(at))
    }
}

/// Where an entry stands in its segment.
fn place(at: u32) -> usize {
    at as usize % SEGMENT
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::{
        super::compact::{any_observed, any_point},
        *,
    };
    use crate::reconcile::{Present, Writer, Written};
    use crate::record::{Offset, ShortHash};

    fn known(offset: i64) -> Observed {
        Observed::Present(Present {
            written: Written {
                by: Writer::ThisPartition {
                    offset: Offset(offset),
                    is_current: true,
                },
                timestamp_ms: 1_700_000_000_000 + offset,
            },
            text: None,
            doubted_text: None,
            payload: Some(ShortHash(9)),
            version: None,
            other_model: false,
        })
    }

    fn filled(capacity: usize, keys: u64) -> ObservedCache {
        let mut cache = ObservedCache::new(capacity);
        for key in 0..keys {
            cache.insert(PointId::Integer(key), &known(key.cast_signed()));
        }
        cache
    }

    #[test]
    fn a_key_takes_at_most_64_bytes_all_included() {
        // Right behind a doubling of the buckets it is the most.
        for keys in [131_073, 200_000, 262_145, 800_000] {
            let cache = filled(1_000_000, keys);
            let per_key = cache.bytes() as f64 / keys as f64;
            assert!(per_key <= 64.0, "{per_key} bytes each for {keys} keys");
        }
    }

    #[test]
    fn a_cache_remembers_as_many_keys_as_it_was_made_for() {
        let cache = filled(5_000, 5_000);
        assert!(
            (0..5_000)
                .all(|key| { cache.get(&PointId::Integer(key)) == Some(known(key.cast_signed())) })
        );
    }

    #[test]
    fn keys_that_are_used_outlive_many_that_are_met_once() {
        let mut cache = filled(100, 100);
        for key in 100..10_000 {
            for used in 0..10 {
                cache.get(&PointId::Integer(used));
            }
            cache.insert(PointId::Integer(key), &known(1));
        }
        assert_eq!(cache.len(), 100);
        assert!((0..10).all(|used| cache.get(&PointId::Integer(used)).is_some()));
    }

    #[test]
    fn an_empty_index_is_believed_in_until_something_is_forgotten() {
        let mut cache = ObservedCache::new(2);
        cache.assume_empty();
        for key in 0..2 {
            cache.insert(PointId::Integer(key), &known(1));
        }
        assert_eq!(
            cache.get(&PointId::Integer(9)),
            Some(Observed::AssumedAbsent)
        );
        cache.insert(PointId::Integer(2), &known(1));
        assert_eq!(cache.get(&PointId::Integer(9)), None);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(PointId, Observed),
        Get(PointId),
        ForgetAll,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            20 => (any_point(), any_observed()).prop_map(|(point, observed)| Step::Insert(point, observed)),
            20 => any_point().prop_map(Step::Get),
            1 => Just(Step::ForgetAll),
        ]
    }

    proptest! {
        #[test]
        fn a_cache_tells_the_truth_or_nothing(
            capacity in 1_usize..100,
            steps in prop::collection::vec(step(), 1..400),
        ) {
            let mut cache = ObservedCache::new(capacity);
            let mut truth = HashMap::new();
            for step in steps {
                match step {
                    Step::Insert(point, observed) => {
                        cache.insert(point, &observed);
                        truth.insert(point, observed.clone());
                        prop_assert_eq!(cache.get(&point), Some(observed));
                    }
                    Step::Get(point) => {
                        let remembered = cache.get(&point);
                        prop_assert!(remembered.is_none() || remembered.as_ref() == truth.get(&point));
                        if truth.len() <= capacity {
                            prop_assert_eq!(remembered.as_ref(), truth.get(&point));
                        }
                    }
                    Step::ForgetAll => {
                        cache.forget_all();
                        truth.clear();
                    }
                }
                prop_assert_eq!(cache.len(), truth.len().min(capacity));
            }
        }
    }
}
