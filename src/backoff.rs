//! Pauses between attempts: exponential, capped, jittered. Pure: the randomness is passed in.

use std::time::Duration;

/// The pauses of one thing that keeps failing.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    attempt: u32,
}

impl Backoff {
    /// `initial`, twice that, four times that, …, at most `max`; each within a quarter more or
    /// less, so that many who failed together don't come back together.
    pub fn new(initial: Duration, max: Duration) -> Self {
        Self { initial, max, attempt: 0 }
    }

    /// The next pause; `random` is in 0..1.
    pub fn next(&mut self, random: f64) -> Duration {
        let factor = 2_u32.saturating_pow(self.attempt);
        self.attempt = self.attempt.saturating_add(1);
        let pause = self.initial.saturating_mul(factor).min(self.max);
        pause.mul_f64(0.75 + random.clamp(0.0, 1.0) / 2.0)
    }

    /// How many pauses there were since the start or the last [`reset`](Self::reset).
    pub fn attempts(&self) -> u32 {
        self.attempt
    }

    /// It works again: the next pause is the initial one.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(6));
        let seconds: Vec<u64> = (0..5).map(|_| backoff.next(0.5).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 6, 6]);
        backoff.reset();
        assert_eq!(backoff.next(0.5), Duration::from_secs(1));
    }

    #[test]
    fn however_long_it_lasts_the_pause_stays_within_the_cap_and_its_jitter() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
        for attempt in 0..200 {
            let pause = backoff.next(f64::from(attempt % 10) / 10.0);
            assert!(pause <= Duration::from_millis(37_500), "{pause:?}");
        }
    }
}
