//! How much of a limit is left, as the provider says.

use std::time::Duration;

use tokio::time::Instant;

use crate::http::LimitStatus;

/// What is left, as of an answer, less what is sent since.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    left: f64,
    as_of: Instant,
    /// When all of it is back; nothing is ever waited for longer than that.
    full_at: Option<Instant>,
}

impl Level {
    /// `under_way` may be counted in it already or not: it is taken off, which matters only where
    /// little is left.
    pub(super) fn told(status: &LimitStatus, under_way: f64, now: Instant) -> Option<Self> {
        let remaining = status.remaining?;
        Some(Self {
            left: remaining as f64 - under_way,
            as_of: now,
            full_at: status.reset.map(|reset| now + reset),
        })
    }

    pub(super) fn take(&mut self, amount: f64) {
        self.left -= amount;
    }

    /// When there is `amount`, if it comes back at `rate` units a second. A provider that says neither
    /// how fast nor when is not waited for: it will say how long with status 429.
    pub(super) fn suffices_at(&self, amount: f64, rate: Option<f64>) -> Instant {
        if self.left >= amount {
            return self.as_of;
        }
        let by_rate = rate.and_then(|rate| {
            let wait = Duration::try_from_secs_f64((amount - self.left) / rate).ok()?;
            Some(self.as_of + wait)
        });
        by_rate
            .into_iter()
            .chain(self.full_at)
            .min()
            .unwrap_or(self.as_of)
    }
}
