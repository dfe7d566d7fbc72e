//! What was taken and is not yet paid for by time: the virtual scheduling of ITU-T I.371 (generic
//! cell rate algorithm), in units rather than in time, so that the rate may change at any moment.

use std::time::Duration;

use tokio::time::Instant;

/// How much time without a request may be made up for. A timer that fires late costs nothing of the
/// limit, and an idle member doesn't save up for a burst.
const CREDIT: Duration = Duration::from_millis(500);

/// Below this nothing is owed: it is what is left of rounding.
const ROUNDING: f64 = 1e-6;

/// Units owed to a limit; less than none is credit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Debt {
    owed: f64,
    as_of: Instant,
}

impl Debt {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            owed: 0.0,
            as_of: now,
        }
    }

    /// Time pays at `rate` units a second.
    pub(super) fn pass(&mut self, rate: f64, now: Instant) {
        let passed = now.saturating_duration_since(self.as_of).as_secs_f64();
        self.owed = (self.owed - rate * passed).max(-rate * CREDIT.as_secs_f64());
        self.as_of = now;
    }

    /// More is owed by so many units, or less.
    pub(super) fn add(&mut self, units: f64) {
        self.owed += units;
    }

    /// When nothing is owed any more.
    pub(super) fn paid_at(&self, rate: f64) -> Instant {
        if self.owed <= ROUNDING {
            return self.as_of;
        }
        let wait = Duration::try_from_secs_f64(self.owed / rate).unwrap_or(LONGEST);
        self.as_of + wait.min(LONGEST)
    }
}

/// Nobody waits longer without looking again.
const LONGEST: Duration = Duration::from_hours(1);
