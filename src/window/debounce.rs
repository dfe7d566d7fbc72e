//! When something that keeps changing is to be acted on.

use std::time::{Duration, Instant};

/// A thing is due once it has not changed for a quiet period, but no later than a maximum hold
/// after its first change, so that a hot key is acted on, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debounce {
    first: Instant,
    last: Instant,
}

impl Debounce {
    /// The first change.
    pub fn new(now: Instant) -> Self {
        Self {
            first: now,
            last: now,
        }
    }

    /// Another change.
    pub fn touch(&mut self, now: Instant) {
        self.last = self.last.max(now);
    }

    /// It has not changed since `then`, although that is known only now.
    pub fn unchanged_since(&mut self, then: Instant) {
        self.last = self.last.min(then);
        self.first = self.first.min(then);
    }

    /// When it is due.
    pub fn due(&self, quiet: Duration, max_hold: Duration) -> Instant {
        (self.last + quiet).min(self.first + max_hold)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUIET: Duration = Duration::from_secs(5);
    const HOLD: Duration = Duration::from_secs(30);

    #[test]
    fn each_change_starts_the_quiet_period_anew() {
        let start = Instant::now();
        let mut debounce = Debounce::new(start);
        assert_eq!(debounce.due(QUIET, HOLD), start + QUIET);
        debounce.touch(start + Duration::from_secs(3));
        assert_eq!(debounce.due(QUIET, HOLD), start + Duration::from_secs(8));
    }

    #[test]
    fn quiet_time_that_is_known_of_later_counts() {
        let start = Instant::now();
        let mut debounce = Debounce::new(start + Duration::from_secs(9));
        debounce.unchanged_since(start + Duration::from_secs(7));
        assert_eq!(debounce.due(QUIET, HOLD), start + Duration::from_secs(12));
        debounce.unchanged_since(start + Duration::from_secs(8));
        assert_eq!(debounce.due(QUIET, HOLD), start + Duration::from_secs(12));
    }

    proptest! {
        #[test]
        fn however_often_it_changes_it_is_due_within_the_hold(gaps in prop::collection::vec(0_u64..10_000, 0..50)) {
            let start = Instant::now();
            let mut debounce = Debounce::new(start);
            let mut now = start;
            for gap in gaps {
                now += Duration::from_millis(gap);
                debounce.touch(now);
                let due = debounce.due(QUIET, HOLD);
                prop_assert!(due <= start + HOLD);
                prop_assert_eq!(due, (now + QUIET).min(start + HOLD));
            }
        }
    }
}
