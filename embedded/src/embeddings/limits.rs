//! The arithmetic of a provider's rate limits.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

/// Of the level, in units: whoever waits exactly as long as told must be let through.
const ROUNDING: f64 = 1e-6;

/// A bucket that holds a minute's worth, is full at the start and refills evenly.
#[derive(Debug, Clone, Copy)]
pub(super) struct MinuteBucket {
    capacity: NonZeroU32,
    level: f64,
    refilled_at: Instant,
}

/// What a bucket says to a demand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// It holds enough.
    Enough,
    /// It will, after this long.
    After(Duration),
    /// It never will: the demand is over a minute's worth.
    Never,
}

impl MinuteBucket {
    pub(super) fn full(capacity: NonZeroU32, now: Instant) -> Self {
        Self {
            capacity,
            level: f64::from(capacity.get()),
            refilled_at: now,
        }
    }

    pub(super) fn capacity(&self) -> NonZeroU32 {
        self.capacity
    }

    /// Whether `demand` could be taken at `now`. Takes nothing.
    pub(super) fn look(&mut self, demand: u64, now: Instant) -> Verdict {
        let capacity = f64::from(self.capacity.get());
        let per_second = capacity / 60.0;
        let elapsed = now
            .saturating_duration_since(self.refilled_at)
            .as_secs_f64();
        self.level = (self.level + elapsed * per_second).min(capacity);
        self.refilled_at = now;

        let demand = demand as f64;
        if demand > capacity {
            Verdict::Never
        } else if demand > self.level + ROUNDING {
            Verdict::After(Duration::from_secs_f64((demand - self.level) / per_second))
        } else {
            Verdict::Enough
        }
    }

    /// Takes `demand`, which [`look`](Self::look) found to be there.
    pub(super) fn take(&mut self, demand: u64) {
        self.level -= demand as f64;
    }

    /// Whole units left.
    pub(super) fn left(&self) -> u64 {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between zero and a u32"
        )]
        let left = self.level.max(0.0) as u64;
        left
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn bucket(capacity: u32, now: Instant) -> MinuteBucket {
        MinuteBucket::full(NonZeroU32::new(capacity).unwrap(), now)
    }

    #[test]
    fn a_minutes_worth_may_be_taken_at_once_and_then_comes_back_evenly() {
        let start = Instant::now();
        let mut bucket = bucket(60, start);
        assert_eq!(bucket.look(60, start), Verdict::Enough);
        bucket.take(60);
        assert_eq!(
            bucket.look(3, start),
            Verdict::After(Duration::from_secs(3))
        );
        let later = start + Duration::from_secs(3);
        assert_eq!(bucket.look(3, later), Verdict::Enough);
        assert_eq!(bucket.left(), 3);
    }

    #[test]
    fn it_never_holds_more_than_a_minutes_worth() {
        let start = Instant::now();
        let mut bucket = bucket(60, start);
        let much_later = start + Duration::from_hours(1);
        assert_eq!(bucket.look(60, much_later), Verdict::Enough);
        assert_eq!(bucket.look(61, much_later), Verdict::Never);
    }
}
