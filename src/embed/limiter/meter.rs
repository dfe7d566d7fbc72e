//! How fast something goes, of late.

use std::time::Duration;

use tokio::time::Instant;

/// How long is looked back, twice that at most: long enough for some requests where there is one a
/// second.
const WINDOW: Duration = Duration::from_secs(15);

/// What came in a shorter time is taken for a second's: the first request says nothing of a rate.
const SHORTEST: f64 = 1.0;

/// Sums up over the last seconds in which anything came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meter {
    since: Instant,
    sum: f64,
    before: Option<f64>,
}

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            sum: 0.0,
            before: None,
        }
    }

    pub(super) fn add(&mut self, amount: f64, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        if passed >= 2 * WINDOW {
            // After a rest there is no window before.
            *self = Self::new(now);
        } else if passed >= WINDOW {
            self.before = Some(self.sum);
            self.since += WINDOW;
            self.sum = 0.0;
        }
        self.sum += amount;
    }

    /// Units a second; `None` if there were none.
    pub(super) fn rate(&self, now: Instant) -> Option<f64> {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        let (sum, seconds) = match self.before {
            Some(before) => (before + self.sum, WINDOW.as_secs_f64() + passed),
            None => (self.sum, passed),
        };
        (sum > 0.0).then(|| sum / seconds.max(SHORTEST))
    }
}
