//! The arithmetic of a provider's rate limits.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

/// Of the level, in units: whoever waits exactly as long as told must be let through.
const ROUNDING: f64 = 1e-6;

/// Requests and tokens a minute, each in a bucket that is full at the start and refills evenly.
#[derive(Debug, Default)]
pub struct RateLimits {
    requests: Option<MinuteBucket>,
    tokens: Option<MinuteBucket>,
}

/// A request that is not let through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OverLimit {
    /// "requests" or "tokens".
    pub unit: &'static str,
    /// How many a minute.
    pub limit: u32,
    /// How many are left.
    pub left: u64,
    /// How many the request needs.
    pub demand: u64,
    /// When there will be enough; never, if the request is over a minute's worth.
    pub after: Option<Duration>,
}

/// What is left of a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LimitStatus {
    pub(super) unit: &'static str,
    pub(super) limit: u32,
    pub(super) left: u64,
    /// How long until the bucket is full.
    pub(super) reset: Duration,
}

impl RateLimits {
    /// Sets the limits. One that stays the same keeps its bucket, a new one has a full bucket.
    pub fn set(&mut self, requests: Option<NonZeroU32>, tokens: Option<NonZeroU32>, now: Instant) {
        let renew = |bucket: &mut Option<MinuteBucket>, limit: Option<NonZeroU32>| {
            if bucket.map(|bucket| bucket.capacity) != limit {
                *bucket = limit.map(|limit| MinuteBucket::full(limit, now));
            }
        };
        renew(&mut self.requests, requests);
        renew(&mut self.tokens, tokens);
    }

    /// Takes a request of `tokens` from both buckets, or from none.
    pub fn admit(&mut self, tokens: u64, now: Instant) -> Result<(), OverLimit> {
        let mut demands = [
            (&mut self.requests, 1, "requests"),
            (&mut self.tokens, tokens, "tokens"),
        ];
        for (bucket, demand, unit) in &mut demands {
            let Some(bucket) = bucket else { continue };
            let after = match bucket.look(*demand, now) {
                Verdict::Enough => continue,
                Verdict::After(wait) => Some(wait),
                Verdict::Never => None,
            };
            return Err(OverLimit {
                unit,
                limit: bucket.capacity.get(),
                left: bucket.left(),
                demand: *demand,
                after,
            });
        }
        for (bucket, demand, _) in demands {
            if let Some(bucket) = bucket {
                bucket.take(demand);
            }
        }
        Ok(())
    }

    /// What is left of each limit there is, as of the last request.
    pub(super) fn status(&self) -> impl Iterator<Item = LimitStatus> {
        [(self.requests, "requests"), (self.tokens, "tokens")]
            .into_iter()
            .filter_map(|(bucket, unit)| {
                let bucket = bucket?;
                Some(LimitStatus {
                    unit,
                    limit: bucket.capacity.get(),
                    left: bucket.left(),
                    reset: bucket.full_in(),
                })
            })
    }
}

/// A bucket that holds a minute's worth, is full at the start and refills evenly.
#[derive(Debug, Clone, Copy)]
struct MinuteBucket {
    capacity: NonZeroU32,
    level: f64,
    refilled_at: Instant,
}

/// What a bucket says to a demand.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
    /// It holds enough.
    Enough,
    /// It will, after this long.
    After(Duration),
    /// It never will: the demand is over a minute's worth.
    Never,
}

impl MinuteBucket {
    fn full(capacity: NonZeroU32, now: Instant) -> Self {
        Self {
            capacity,
            level: f64::from(capacity.get()),
            refilled_at: now,
        }
    }

    /// How long until it is full.
    fn full_in(&self) -> Duration {
        let capacity = f64::from(self.capacity.get());
        Duration::from_secs_f64((capacity - self.level).max(0.0) * 60.0 / capacity)
    }

    /// Whether `demand` could be taken at `now`. Takes nothing.
    fn look(&mut self, demand: u64, now: Instant) -> Verdict {
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
    fn take(&mut self, demand: u64) {
        self.level -= demand as f64;
    }

    /// Whole units left.
    fn left(&self) -> u64 {
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
