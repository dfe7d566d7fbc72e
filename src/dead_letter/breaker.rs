//! Whether letters go out: many at once are no fault of their records. Pure.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::config::BreakerConfig;

/// Into how many parts the window is divided: it slides by one of them.
const PARTS: u32 = 12;

/// Watches one table's records and how many of them would be dead-lettered.
///
/// *Closed*, it lets letters out. When in the window more than the configured share of the records
/// would be dead-lettered, it *opens*: from then on letters are withheld. It closes again by
/// evidence alone: once as many records as it takes to judge have come since, and no more than
/// that share of them failed. Time proves nothing: a topic may simply be silent.
#[derive(Debug)]
pub(crate) struct Breaker {
    limits: Limits,
    /// The parts of the window that are over, the latest last.
    past: VecDeque<Part>,
    latest: Option<Part>,
    /// What came since it opened, or since that was last judged.
    open: Option<Count>,
}

/// When a breaker opens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    percent: u8,
    window: Duration,
    min_records: u64,
    min_letters: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    records: u64,
    letters: u64,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    since: Instant,
    count: Count,
}

impl Limits {
    /// Those of the configuration; `None` where it is switched off.
    pub(crate) fn new(config: &BreakerConfig) -> Option<Self> {
        (config.percent > 0).then_some(Self {
            percent: config.percent,
            window: config.window,
            min_records: config.min_records,
            min_letters: config.min_letters,
        })
    }

    fn is_exceeded(&self, count: Count) -> bool {
        count.letters.saturating_mul(100) > count.records.saturating_mul(self.percent.into())
    }
}

impl Breaker {
    /// A closed one.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            past: VecDeque::new(),
            latest: None,
            open: None,
        }
    }

    /// Whether letters are withheld.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// So many records were received.
    pub(crate) fn received(&mut self, records: u64, now: Instant) {
        self.part(now).records += records;
        if let Some(count) = &mut self.open {
            // What failed of the records before is known by now, for the most part: so it is
            // judged when the next ones come.
            if count.records >= self.limits.min_records {
                let is_mended = !self.limits.is_exceeded(*count);
                self.open = (!is_mended).then_some(Count {
                    records,
                    letters: 0,
                });
                if is_mended {
                    self.past.clear();
                    self.latest = None;
                    self.part(now).records = records;
                }
            } else {
                count.records += records;
            }
        }
    }

    /// A record would be dead-lettered: whether its letter goes out.
    pub(crate) fn lets_out(&mut self, now: Instant) -> bool {
        self.part(now).letters += 1;
        if let Some(count) = &mut self.open {
            count.letters += 1;
            return false;
        }
        let seen = self.seen();
        let Limits {
            min_records,
            min_letters,
            ..
        } = self.limits;
        if seen.records >= min_records
            && seen.letters >= min_letters
            && self.limits.is_exceeded(seen)
        {
            self.open = Some(Count::default());
            return false;
        }
        true
    }

    /// Records and letters in the window.
    pub(crate) fn share(&self) -> (u64, u64) {
        let seen = self.seen();
        (seen.letters, seen.records)
    }

    fn seen(&self) -> Count {
        let parts = self.past.iter().chain(&self.latest);
        parts.fold(Count::default(), |sum, part| Count {
            records: sum.records + part.count.records,
            letters: sum.letters + part.count.letters,
        })
    }

    /// The part of the window that is now, after what is longer ago was forgotten.
    fn part(&mut self, now: Instant) -> &mut Count {
        let window = self.limits.window;
        let age = |part: &Part| now.saturating_duration_since(part.since);
        self.past
            .extend(self.latest.take_if(|part| age(part) >= window / PARTS));
        while self.past.front().is_some_and(|part| age(part) >= window) {
            self.past.pop_front();
        }
        let latest = self.latest.get_or_insert(Part {
            since: now,
            count: Count::default(),
        });
        &mut latest.count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_mins(1);

    fn breaker() -> Breaker {
        Breaker::new(Limits {
            percent: 10,
            window: WINDOW,
            min_records: 100,
            min_letters: 20,
        })
    }

    /// So many letters, of which so many went out.
    fn letters(breaker: &mut Breaker, letters: u64, now: Instant) -> u64 {
        (0..letters).map(|_| u64::from(breaker.lets_out(now))).sum()
    }

    #[test]
    fn few_letters_or_few_records_never_open_it() {
        let (mut breaker, now) = (breaker(), Instant::now());
        breaker.received(99, now);
        assert_eq!(letters(&mut breaker, 99, now), 99, "too few records");
        let mut breaker = self::breaker();
        breaker.received(150, now);
        assert_eq!(letters(&mut breaker, 19, now), 19, "too few letters");
        let mut breaker = self::breaker();
        breaker.received(1_000, now);
        assert_eq!(
            letters(&mut breaker, 100, now),
            100,
            "no more than the share"
        );
        assert!(!breaker.lets_out(now), "one more is");
    }

    #[test]
    fn what_is_longer_ago_than_the_window_does_not_count() {
        let (mut breaker, now) = (breaker(), Instant::now());
        breaker.received(100, now);
        assert_eq!(letters(&mut breaker, 19, now), 19);
        let later = now + WINDOW;
        breaker.received(100, later);
        assert_eq!(letters(&mut breaker, 19, later), 19);
        assert!(!breaker.lets_out(later));
    }

    #[test]
    fn it_closes_once_enough_good_records_have_come_and_not_by_waiting() {
        let (mut breaker, now) = (breaker(), Instant::now());
        breaker.received(100, now);
        letters(&mut breaker, 100, now);
        assert!(breaker.is_open());
        let later = now + 100 * WINDOW;
        breaker.received(100, later);
        letters(&mut breaker, 50, later);
        breaker.received(100, later);
        assert!(breaker.is_open(), "half of them failed");
        breaker.received(1, later);
        assert!(!breaker.is_open(), "none of the next hundred did");
        assert!(breaker.lets_out(later));
    }

    proptest! {
        /// Against a list of everything that ever came: it is never opened by less than the limits
        /// say, and while it is open nothing goes out.
        #[test]
        fn it_opens_by_what_the_window_holds(
            steps in prop::collection::vec((0_u64..40, 0_u64..12, 0_u64..10_000), 1..80)
        ) {
            let (mut breaker, mut now) = (breaker(), Instant::now());
            let mut came: Vec<(Instant, Count)> = Vec::new();
            for (records, failing, pause) in steps {
                now += Duration::from_millis(pause);
                let was_open = breaker.is_open();
                breaker.received(records, now);
                let closed = was_open && !breaker.is_open();
                if closed {
                    came.clear();
                }
                came.push((now, Count { records, letters: 0 }));
                for _ in 0..failing {
                    came.push((now, Count { records: 0, letters: 1 }));
                    let was_open = breaker.is_open();
                    let goes_out = breaker.lets_out(now);
                    prop_assert_eq!(goes_out, !breaker.is_open());
                    if breaker.is_open() && !was_open {
                        let sum = came
                            .iter()
                            .filter(|(at, _)| now.duration_since(*at) < WINDOW + WINDOW / PARTS)
                            .fold(Count::default(), |sum, (_, it)| Count {
                                records: sum.records + it.records,
                                letters: sum.letters + it.letters,
                            });
                        prop_assert!(sum.letters >= 20 && sum.records >= 100);
                    }
                }
            }
        }
    }
}
