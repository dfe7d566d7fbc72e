//! One limit: on requests, or on tokens.

use tokio::time::Instant;

use super::{Usage, debt::Debt, learned::Learned, level::Level};
use crate::{http::LimitStatus, record::Share};

/// The part of a published limit that is used: what is left over covers estimates that are too low,
/// clocks that go differently, and windows that are cut elsewhere than ours.
const HEADROOM: f64 = 0.99;

#[derive(Debug)]
pub(super) struct Limit {
    /// A minute, as configured.
    configured: Option<f64>,
    /// A minute, as the provider says.
    told: Option<f64>,
    level: Option<Level>,
    learned: Learned,
    debt: Debt,
    /// Charged for requests that have no answer yet.
    under_way: f64,
}

impl Limit {
    pub(super) fn new(configured: Option<f64>, now: Instant) -> Self {
        Self {
            configured,
            told: None,
            level: None,
            learned: Learned::new(now),
            debt: Debt::new(now),
            under_way: 0.0,
        }
    }

    /// Another limit is configured from now on.
    pub(super) fn configure(&mut self, configured: Option<f64>, share: Share, now: Instant) {
        // What was owed until now was paid off at the old rate.
        self.pass(share, now);
        self.configured = configured;
    }

    /// Units a second that a member with that share may take; `None` if nothing is known to limit it.
    fn rate(&self, share: Share) -> Option<f64> {
        least(self.allotted(share), self.learned.rate())
    }

    /// That share of the published limit, in units a second.
    pub(super) fn allotted(&self, share: Share) -> Option<f64> {
        let published = self.published()?;
        Some(published * HEADROOM * share.ratio())
    }

    /// Units a second for the whole group. A provider that says less than was configured knows.
    fn published(&self) -> Option<f64> {
        Some(least(self.configured, self.told)? / 60.0)
    }

    /// Pays off what is owed by the time until now.
    pub(super) fn pass(&mut self, share: Share, now: Instant) {
        if let Some(allotted) = self.allotted(share) {
            self.learned.forget_from(allotted);
        }
        if let Some(rate) = self.rate(share) {
            self.debt.pass(rate, now);
        } else {
            // What went out without a limit is no debt to one that is learnt later.
            self.debt = Debt::new(now);
        }
    }

    /// When `amount` may be taken.
    pub(super) fn free_at(&mut self, amount: f64, share: Share, now: Instant) -> Instant {
        self.pass(share, now);
        let paid_at = match self.rate(share) {
            Some(rate) => self.debt.paid_at(rate),
            None => now,
        };
        // More than there ever is would never be there.
        let amount = amount.min(self.told.unwrap_or(f64::MAX));
        let there_at = match &self.level {
            Some(level) => level.suffices_at(amount, self.published()),
            None => now,
        };
        paid_at.max(there_at)
    }

    /// Takes `amount` for a request that goes out.
    pub(super) fn take(&mut self, amount: f64, share: Share, now: Instant) {
        self.pass(share, now);
        self.debt.add(amount);
        self.under_way += amount;
        if let Some(level) = &mut self.level {
            level.take(amount);
        }
    }

    /// A request has come to an end: what was taken for it, and what it turned out to cost.
    pub(super) fn end(&mut self, taken: f64, cost: f64) {
        self.under_way = (self.under_way - taken).max(0.0);
        self.debt.add(cost - taken);
    }

    pub(super) fn accepted(&mut self, amount: f64, now: Instant) {
        self.learned.accepted(amount, now);
    }

    pub(super) fn throttled(&mut self, share: Share, now: Instant) {
        let allowed = self.rate(share);
        self.learned.throttled(allowed, now);
    }

    pub(super) fn told(&mut self, status: &LimitStatus, now: Instant) {
        if let Some(limit) = status.limit {
            self.told = Some(limit as f64);
        }
        if let Some(level) = Level::told(status, self.under_way, now) {
            self.level = Some(level);
        }
    }

    pub(super) fn usage(&self, share: Share, now: Instant) -> Usage {
        let rate = self.rate(share);
        let used = self.learned.accepted_rate(now);
        Usage {
            per_minute: rate.map(|rate| rate * 60.0),
            ratio: rate.map_or(0.0, |rate| used / rate),
        }
    }
}

fn least(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (known, None) | (None, known) => known,
    }
}
