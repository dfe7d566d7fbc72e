//! The shared limiter: how many requests a minute, and how long all of them wait when the
//! provider asks for patience.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use tokio::time::Instant;

type Bucket = RateLimiter<NotKeyed, InMemoryState, ToldClock, NoOpMiddleware<Duration>>;

/// Admits requests, evenly spread and after the wait a provider asked for.
#[derive(Debug)]
pub(super) struct Limiter {
    bucket: Option<Bucket>,
    start: Instant,
    held_until: Instant,
    admitted: bool,
}

impl Limiter {
    /// A limiter of `per_minute` requests, or of none but those a provider asks for. A tenth of
    /// a second's worth of them may go out together; the rest are spread.
    pub(super) fn new(per_minute: Option<NonZeroU32>, now: Instant) -> Self {
        let bucket = per_minute.map(|rate| {
            let burst = NonZeroU32::new(rate.get() / 600).unwrap_or(NonZeroU32::MIN);
            let quota = Quota::per_minute(rate).allow_burst(burst);
            Bucket::direct_with_clock(quota, ToldClock::default())
        });
        Self {
            bucket,
            start: now,
            held_until: now,
            admitted: false,
        }
    }

    /// Whether a request may go out now; if not, when to ask again. An admission is kept until it
    /// is [spent](Self::spend), so that asking twice costs nothing.
    pub(super) fn admit(&mut self, now: Instant) -> Result<(), Instant> {
        if now < self.held_until {
            return Err(self.held_until);
        }
        if let (Some(bucket), false) = (&self.bucket, self.admitted) {
            let at = now.duration_since(self.start);
            bucket.clock().tell(at);
            if let Err(until) = bucket.check() {
                // Never at once: a wait that rounds to nothing would spin.
                let wait = until.wait_time_from(at).max(Duration::from_millis(1));
                return Err(now + wait);
            }
        }
        self.admitted = true;
        Ok(())
    }

    /// Uses the admission up: a request goes out.
    pub(super) fn spend(&mut self) {
        self.admitted = false;
    }

    /// Lets nothing out for `wait`, or longer if that was already so.
    pub(super) fn hold(&mut self, wait: Duration, now: Instant) {
        self.held_until = self.held_until.max(now + wait);
    }
}

/// A clock that is told the time, as the time since the limiter's start: the limiter's arithmetic
/// stays a function of its arguments.
#[derive(Debug, Clone, Default)]
struct ToldClock(Arc<AtomicU64>);

impl ToldClock {
    fn tell(&self, now: Duration) {
        let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.0.store(nanos, Ordering::Relaxed);
    }
}

impl Clock for ToldClock {
    type Instant = Duration;

    fn now(&self) -> Self::Instant {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(per_minute: u32, now: Instant) -> Limiter {
        Limiter::new(NonZeroU32::new(per_minute), now)
    }

    /// How many requests get out until `end`, if as many as possible are tried.
    fn sent_until(limiter: &mut Limiter, mut now: Instant, end: Instant) -> u32 {
        let mut sent = 0;
        while now < end {
            match limiter.admit(now) {
                Ok(()) => {
                    limiter.spend();
                    sent += 1;
                }
                Err(until) => now = until,
            }
        }
        sent
    }

    #[test]
    fn a_minute_lets_out_a_minutes_worth_and_spreads_it() {
        let start = Instant::now();
        let mut limiter = limiter(3000, start);
        let first_second = sent_until(&mut limiter, start, start + Duration::from_secs(1));
        assert!((50..=55).contains(&first_second), "{first_second}");
        let end = start + Duration::from_mins(1);
        let rest = sent_until(&mut limiter, start + Duration::from_secs(1), end);
        assert!((2900..=3005).contains(&(first_second + rest)), "{rest}");
    }

    #[test]
    fn one_request_a_minute_is_no_burst() {
        let start = Instant::now();
        let mut limiter = limiter(1, start);
        assert_eq!(
            sent_until(&mut limiter, start, start + Duration::from_secs(59)),
            1
        );
    }

    #[test]
    fn an_admission_that_was_not_spent_is_not_lost() {
        let start = Instant::now();
        let mut limiter = limiter(1, start);
        assert_eq!(limiter.admit(start), Ok(()));
        assert_eq!(limiter.admit(start), Ok(()));
        limiter.spend();
        assert!(limiter.admit(start).is_err());
    }

    #[test]
    fn a_hold_stops_everything_and_is_never_shortened() {
        let start = Instant::now();
        let mut limiter = limiter(0, start);
        limiter.hold(Duration::from_secs(20), start);
        limiter.hold(Duration::from_secs(5), start);
        let end = start + Duration::from_secs(20);
        assert_eq!(limiter.admit(start + Duration::from_secs(10)), Err(end));
        assert_eq!(limiter.admit(end), Ok(()));
    }
}
