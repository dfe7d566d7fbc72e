//! Pauses between attempts. Pure: the count of failures and the randomness are passed in.

use std::time::Duration;

/// Exponential backoff: `initial`, twice that, four times that … but never more than `max`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    initial: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) const fn new(initial: Duration, max: Duration) -> Self {
        Self { initial, max }
    }

    /// How long to wait after failure number `failures` (the first is 1). `random` lies in 0..1
    /// and takes away up to half of the wait, so that those who failed together don't return
    /// together.
    pub(crate) fn delay(&self, failures: u32, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let nominal = self.initial.saturating_mul(1 << doublings).min(self.max);
        nominal.mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_wait_doubles_up_to_its_maximum() {
        let backoff = Backoff::new(SECOND, 10 * SECOND);
        let waits: Vec<u64> = (1..=6).map(|n| backoff.delay(n, 0.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
        assert_eq!(backoff.delay(u32::MAX, 0.0), 10 * SECOND);
    }

    proptest! {
        #[test]
        fn jitter_takes_away_at_most_half(failures in 1_u32.., random in 0.0..1.0_f64) {
            let backoff = Backoff::new(SECOND, 60 * SECOND);
            let nominal = backoff.delay(failures, 0.0);
            let wait = backoff.delay(failures, random);
            prop_assert!(wait <= nominal && wait * 2 >= nominal, "{wait:?} of {nominal:?}");
        }
    }
}
