//! How far back records are looked for, and in which steps.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use crate::config::ByteSize;

/// Offsets of the first step, in each partition.
const FIRST: i64 = 64;

/// Offsets of a step at most, in each partition.
const MOST: i64 = 16_384;

/// What may be looked at, whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) time: Duration,
}

/// One bound, by its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Records(u64),
    Bytes(u64),
    Time(Duration),
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            records: 100_000,
            bytes: 256 << 20,
            time: Duration::from_secs(20),
        }
    }
}

impl Bounds {
    /// The defaults, but for what is given.
    pub(super) fn of(given: &[Bound]) -> Self {
        let mut bounds = Self::default();
        for bound in given {
            match *bound {
                Bound::Records(records) => bounds.records = records,
                Bound::Bytes(bytes) => bounds.bytes = bytes,
                Bound::Time(time) => bounds.time = time,
            }
        }
        bounds
    }
}

impl FromStr for Bound {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write a number of records, as 500000; or bytes, as 1GiB; or a time, as 2m";
        let bound = if let Ok(records) = text.parse() {
            Self::Records(records)
        } else if let Ok(size) = text.parse::<ByteSize>() {
            Self::Bytes(size.bytes())
        } else {
            Self::Time(humantime::parse_duration(text).map_err(|_| wrong)?)
        };
        match bound {
            Self::Records(0) | Self::Bytes(0) | Self::Time(Duration::ZERO) => {
                Err("nothing could be looked at")
            }
            bound => Ok(bound),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Records(records) => records.fmt(f),
            Self::Bytes(bytes) => ByteSize(*bytes).fmt(f),
            Self::Time(time) => humantime::format_duration(*time).fmt(f),
        }
    }
}

/// The offsets of one step, by partition: from where, and how far.
pub(super) type Step = BTreeMap<i32, (i64, i64)>;

/// The way back through the partitions of a topic, step by step, each as far again as all before.
#[derive(Debug, Clone)]
pub(super) struct WayBack {
    /// By partition: its first offset, and how far back it has been looked at.
    left: BTreeMap<i32, (i64, i64)>,
    /// Partitions that need not be looked at any more.
    length: i64,
    bounds: Bounds,
    seen: Seen,
    ended_by: Option<Bound>,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) records: u64,
    pub(super) bytes: u64,
}

impl WayBack {
    /// From the ends of partitions to their beginnings.
    pub(super) fn new(extents: &BTreeMap<i32, (i64, i64)>, bounds: Bounds) -> Self {
        Self {
            left: extents.clone(),
            length: FIRST,
            bounds,
            seen: Seen::default(),
            ended_by: None,
        }
    }

    /// Looks at no other partition from here on.
    pub(super) fn only(&mut self, partition: i32) {
        self.left.retain(|it, _| *it == partition);
    }

    /// Counts a record that was looked at, of so many bytes.
    pub(super) fn count(&mut self, bytes: usize) {
        self.seen.records += 1;
        self.seen.bytes += bytes as u64;
    }

    /// The next step; `None` at the beginning of the partitions, or when a bound is reached. A step
    /// is looked at as a whole, because its last records count most: so a bound may be passed a
    /// little.
    pub(super) fn next(&mut self, elapsed: Duration) -> Option<Step> {
        let Seen { records, bytes } = self.seen;
        let open = self.left.values().filter(|(low, to)| low < to).count();
        if open == 0 {
            return None;
        }
        let Bounds {
            records: most,
            bytes: most_bytes,
            time,
        } = self.bounds;
        self.ended_by = if records >= most {
            Some(Bound::Records(most))
        } else if bytes >= most_bytes {
            Some(Bound::Bytes(most_bytes))
        } else if elapsed >= time {
            Some(Bound::Time(time))
        } else {
            None
        };
        if self.ended_by.is_some() {
            return None;
        }
        let fits =
            (most - records).min((most_bytes - bytes).saturating_mul(records) / bytes.max(1));
        let fits = i64::try_from(fits / open as u64).unwrap_or(i64::MAX).max(1);
        let length = if records == 0 {
            self.length
        } else {
            self.length.min(fits)
        };
        self.length = (self.length * 2).min(MOST);
        let mut step = Step::new();
        for (partition, (low, to)) in &mut self.left {
            let from = (*low).max(*to - length);
            if from < *to {
                step.insert(*partition, (from, *to));
                *to = from;
            }
        }
        Some(step)
    }

    /// What was looked at so far.
    pub(super) fn seen(&self) -> Seen {
        self.seen
    }

    /// How far back each partition was looked at; those left out are not there.
    pub(super) fn reached(&self) -> BTreeMap<i32, i64> {
        self.left.iter().map(|(it, (_, to))| (*it, *to)).collect()
    }

    /// The bound that ended it; `None` if it came to the beginning, or was enough.
    pub(super) fn ended_by(&self) -> Option<Bound> {
        self.ended_by
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn extents(ends: &[(i64, i64)]) -> BTreeMap<i32, (i64, i64)> {
        (0..).zip(ends.iter().copied()).collect()
    }

    #[test]
    fn a_bound_is_told_by_its_unit() {
        assert_eq!("5000".parse(), Ok(Bound::Records(5000)));
        assert_eq!("64MiB".parse(), Ok(Bound::Bytes(64 << 20)));
        assert_eq!("2m".parse(), Ok(Bound::Time(Duration::from_mins(2))));
        for wrong in ["", "0", "0s", "0MiB", "-5", "many", "5 apples"] {
            assert!(wrong.parse::<Bound>().is_err(), "{wrong}");
        }
        let bounds = Bounds::of(&[Bound::Records(7), Bound::Time(Duration::from_secs(1))]);
        assert_eq!(
            (bounds.records, bounds.bytes, bounds.time),
            (7, Bounds::default().bytes, Duration::from_secs(1))
        );
    }

    #[test]
    fn every_offset_is_looked_at_once_the_last_ones_first() {
        let mut way = WayBack::new(&extents(&[(10, 1_000), (5, 5), (0, 3)]), Bounds::default());
        let mut from = [1_000, 5, 3];
        while let Some(step) = way.next(NOW) {
            for (partition, (start, end)) in step {
                let from = from.get_mut(usize::try_from(partition).unwrap()).unwrap();
                assert_eq!(end, *from);
                assert!(start < end);
                *from = start;
            }
            way.count(100);
        }
        assert_eq!(from, [10, 5, 0]);
        assert_eq!(way.ended_by(), None);
    }

    #[test]
    fn steps_grow_and_leave_room_for_what_records_weigh() {
        let bounds = Bounds {
            bytes: 100_000,
            ..Bounds::default()
        };
        let mut way = WayBack::new(&extents(&[(0, 1_000_000)]), bounds);
        assert_eq!(way.next(NOW).unwrap(), [(0, (999_936, 1_000_000))].into());
        for _ in 0..64 {
            way.count(1_000);
        }
        // 36,000 bytes are left, for records of 1,000.
        assert_eq!(way.next(NOW).unwrap(), [(0, (999_900, 999_936))].into());
        for _ in 0..36 {
            way.count(1_000);
        }
        assert_eq!(way.next(NOW), None);
        assert_eq!(way.ended_by(), Some(Bound::Bytes(100_000)));
        assert_eq!(way.reached(), [(0, 999_900)].into());
        assert_eq!(way.seen().records, 100);
    }

    #[test]
    fn it_ends_when_time_is_up_or_records_are_enough_and_says_so() {
        let mut way = WayBack::new(&extents(&[(0, 1_000)]), Bounds::default());
        assert!(way.next(NOW).is_some());
        assert_eq!(way.next(Bounds::default().time), None);
        assert_eq!(way.ended_by(), Some(Bound::Time(Bounds::default().time)));

        let few = Bounds::of(&[Bound::Records(1)]);
        let mut way = WayBack::new(&extents(&[(0, 1_000)]), few);
        assert!(way.next(NOW).is_some());
        way.count(1);
        assert_eq!(way.next(NOW), None);
        assert_eq!(way.ended_by(), Some(Bound::Records(1)));
    }

    #[test]
    fn partitions_that_can_t_have_the_key_are_left_out() {
        let mut way = WayBack::new(&extents(&[(0, 1_000), (0, 1_000)]), Bounds::default());
        way.next(NOW);
        way.only(1);
        assert_eq!(
            way.next(NOW).unwrap().keys().copied().collect::<Vec<_>>(),
            [1]
        );
        assert!(!way.reached().contains_key(&0));
    }
}
