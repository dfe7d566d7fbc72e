//! When a sweep is repeated: soon at first, then ever more seldom.
//!
//! What a former owner sends late after a truncate brings rows back, and the points that the sweep took left nothing that could
//! refuse it. The later it is, the less likely: so what comes late is swept after about as long again, and the sweeps of a whole hour
//! are few.

use std::time::{Duration, Instant};

/// From the first sweep to the second.
const FIRST: Duration = Duration::from_secs(1);

/// The repetitions of one sweep, without an end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Repeats {
    next: Instant,
    pause: Duration,
    longest: Duration,
}

impl Repeats {
    /// Of a sweep at `now`, with pauses of `longest` at the longest.
    pub(super) fn of_sweep_at(now: Instant, longest: Duration) -> Self {
        let pause = FIRST.min(longest);
        Self {
            next: now + pause,
            pause,
            longest,
        }
    }

    /// When it is repeated next.
    pub(super) fn due(&self) -> Instant {
        self.next
    }

    /// It is repeated at `now`.
    pub(super) fn repeated(&mut self, now: Instant) {
        self.pause = (self.pause * 2).min(self.longest);
        self.next = now + self.pause;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONGEST: Duration = Duration::from_mins(5);

    proptest! {
        #[test]
        fn what_comes_late_is_swept_after_as_long_again_or_the_longest_pause(late_ms in 0_u64..7_200_000) {
            let start = Instant::now();
            let late = Duration::from_millis(late_ms);
            let mut repeats = Repeats::of_sweep_at(start, LONGEST);
            while repeats.due() < start + late {
                repeats.repeated(repeats.due());
            }
            let stays = repeats.due() - (start + late);
            prop_assert!(stays <= (late + FIRST).min(LONGEST));
        }
    }

    #[test]
    fn the_sweeps_of_two_hours_are_few() {
        let start = Instant::now();
        let mut repeats = Repeats::of_sweep_at(start, LONGEST);
        let mut sweeps = 0;
        while repeats.due() < start + Duration::from_hours(2) {
            repeats.repeated(repeats.due());
            sweeps += 1;
        }
        assert_eq!(sweeps, 31);
    }
}
