//! A limit that nobody has told us, learnt from being throttled: additive increase, multiplicative
//! decrease.
//!
//! What the provider took just before it throttled is about what it can be asked for. From there the
//! rate goes down once an episode, and up again by parts of it, slowly where nothing is known to be
//! taken: neither many requests that are throttled together nor an outage that shows as throttling may
//! bring it near nothing.
//!
//! Where little was asked for just before, that says nothing of what could have been. So an estimate that
//! was exceeded for long without being throttled is soon left behind, and then forgotten.

use tokio::time::Instant;

use super::meter::Meter;

/// What remains of the rate after an episode.
const DECREASE: f64 = 0.8;

/// What comes back of it at each step, until it is what it was: ten steps. A step is a second, or an
/// answer where there is less than one a second.
const RECOVERY: f64 = 0.02;

/// What is tried beyond that at each step.
const PROBE: f64 = 0.004;

/// So many steps of that: if it goes on, the estimate was too low.
const PROBES: f64 = 30.0;

/// From then on what is tried doubles in as many steps.
const DOUBLING: f64 = 10.0;

/// What is tried ends at so many times the estimate, which is forgotten then.
const FORGOTTEN: f64 = 64.0;

/// The estimate goes down by no more than this at once.
const FURTHEST: f64 = 0.5;

#[derive(Debug)]
pub(super) struct Learned {
    estimate: Option<Estimate>,
    /// Since the last episode.
    accepted: Meter,
}

#[derive(Debug, Clone, Copy)]
struct Estimate {
    /// What the provider took before it throttled, in units a second.
    rate: f64,
    /// Taken since.
    steps: f64,
    /// When the last was taken.
    at: Instant,
}

impl Estimate {
    fn allowed(self) -> f64 {
        self.rate * self.factor()
    }

    /// What is tried, as a multiple of the rate.
    fn factor(self) -> f64 {
        let recovered = DECREASE + RECOVERY * self.steps;
        let probes = (recovered - 1.0).max(0.0) / RECOVERY;
        let doublings = (probes - PROBES).max(0.0) / DOUBLING;
        (recovered.min(1.0) + probes.min(PROBES) * PROBE) * doublings.exp2()
    }
}

impl Learned {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            estimate: None,
            accepted: Meter::new(now),
        }
    }

    /// Units a second; `None` as long as nothing is learnt.
    pub(super) fn rate(&self) -> Option<f64> {
        self.estimate.map(Estimate::allowed)
    }

    /// What the provider takes of late, in units a second.
    pub(super) fn accepted_rate(&self, now: Instant) -> f64 {
        self.accepted.rate(now).unwrap_or_default()
    }

    pub(super) fn accepted(&mut self, amount: f64, now: Instant) {
        self.accepted.add(amount, now);
        if let Some(estimate) = &mut self.estimate {
            let seconds = now.saturating_duration_since(estimate.at).as_secs_f64();
            estimate.steps += seconds.min(1.0);
            estimate.at = now;
        }
        self.estimate = self.estimate.filter(|it| it.factor() < FORGOTTEN);
    }

    /// An episode begins, at a rate that was allowed.
    pub(super) fn throttled(&mut self, allowed: Option<f64>, now: Instant) {
        let accepted = self.accepted.rate(now);
        self.accepted = Meter::new(now);
        // Where nothing was taken since the last episode, it is not the rate that is wrong.
        let Some(accepted) = accepted else { return };
        let least = self.estimate.map_or(0.0, |known| known.rate * FURTHEST);
        let rate = accepted.min(allowed.unwrap_or(f64::MAX)).max(least);
        self.estimate = Some(Estimate {
            rate,
            steps: 0.0,
            at: now,
        });
    }

    /// Forgets what another limit makes needless.
    pub(super) fn forget_from(&mut self, rate: f64) {
        self.estimate = self.estimate.filter(|estimate| estimate.allowed() < rate);
    }
}
