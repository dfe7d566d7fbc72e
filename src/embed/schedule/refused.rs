//! What follows from a refusal: who waits for how long, and what is sent again in which pieces.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    super::{
        call::{Call, Purpose},
        refusal::{Blame, Refusal},
    },
    Schedule,
};
use crate::{config::EncodingFormat, error::Failure};

/// A provider's wish for a longer wait than this shows in the lane's health; shorter ones are
/// everyday life near a rate limit.
const PATIENCE: Duration = Duration::from_secs(10);

impl Schedule {
    /// Does what a refusal calls for, and says how the request ended.
    pub(super) fn refused(&mut self, call: Call, refusal: Refusal, now: Instant) -> &'static str {
        let is_news = matches!(refusal, Refusal::Throttled { .. })
            && self.limiter.throttled(call.sent_at, now);
        // After an outage it may have been embedded, and the answer lost. The first that is throttled
        // stays charged, so that what the limit lacked can come back.
        let is_charged = is_news || matches!(refusal, Refusal::Outage { .. });
        self.limiter.failed(call.charge, is_charged);
        self.batcher.put_off(&call.texts);
        match refusal {
            Refusal::Outage {
                failure,
                after,
                blame,
            } => {
                self.count_retry(&failure);
                if let Some(after) = after {
                    self.limiter.hold(after, now);
                }
                self.condition.outage(&failure);
                self.after_outage(call, blame, now);
                "transient"
            }
            Refusal::Throttled { failure, after } => {
                self.count_retry(&failure);
                let wait = self.patience(after, is_news);
                self.limiter.hold(wait, now);
                if wait > PATIENCE {
                    self.condition.outage(&failure);
                }
                self.again(Call { due: now, ..call });
                "throttled"
            }
            Refusal::Inputs(failure) => {
                self.condition.reachable(call.purpose);
                self.throttled_in_a_row = 0;
                self.after_refusal(call, &failure, now);
                "refused"
            }
            Refusal::Blocked(failure) => {
                self.count_retry(&failure);
                self.condition.block(failure, now);
                self.again(Call { due: now, ..call });
                "blocked"
            }
        }
    }

    /// One of two requests for the same texts has failed, and the other is still under way: the limits learn
    /// of it, and nothing is to be sent again.
    pub(in super::super) fn left_to_another(
        &mut self,
        call: &Call,
        refusal: &Refusal,
        now: Instant,
    ) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let is_news = matches!(refusal, Refusal::Throttled { .. })
            && self.limiter.throttled(call.sent_at, now);
        let is_charged = is_news || matches!(refusal, Refusal::Outage { .. });
        self.limiter.failed(call.charge, is_charged);
        let label = match refusal {
            Refusal::Throttled { after, .. } => {
                let wait = self.patience(*after, is_news);
                self.limiter.hold(wait, now);
                "throttled"
            }
            Refusal::Outage { after, .. } => {
                self.limiter.hold(after.unwrap_or_default(), now);
                "transient"
            }
            Refusal::Inputs(_) => "refused",
            Refusal::Blocked(_) => "blocked",
        };
        self.metrics.requests.with_label_values(&[label]).inc();
    }

    /// How long a request that was throttled lets all wait: as long as the provider says; else longer
    /// from episode to episode, and once for all that were under way together.
    fn patience(&mut self, after: Option<Duration>, is_news: bool) -> Duration {
        self.throttled_in_a_row += u32::from(is_news);
        match after.filter(|wait| !wait.is_zero()) {
            Some(wait) => wait,
            None if is_news => self
                .backoff
                .delay(self.throttled_in_a_row, self.random.f64()),
            None => Duration::ZERO,
        }
    }

    /// Puts a request away until it is to be sent again: whole, or in halves where there is
    /// reason to think that it fails for what it asks. Otherwise one text that makes the server
    /// fail would hold up its siblings for ever.
    fn after_outage(&mut self, mut call: Call, blame: Blame, now: Instant) {
        let works_for_others = call.failed_at <= self.last_success;
        let failed_before = call.failures > 0;
        let is_own_fault = match blame {
            Blame::Endpoint => false,
            // A server that is merely slow may never have answered anything in time.
            Blame::Size => failed_before,
            // In a real outage this doubles the requests that wait, and no more.
            Blame::Inputs => {
                failed_before && (works_for_others || self.waiting.len() < 2 * self.concurrency)
            }
        };
        call.failures = call.failures.saturating_add(1);
        call.failed_at = Some(now);
        // The texts of a request may be parked while it waits. Then another takes its place, and knocks no
        // sooner than this one would have.
        self.outages_in_a_row = self.outages_in_a_row.saturating_add(1);
        let rounds = self.outages_in_a_row / u32::try_from(self.concurrency).unwrap_or(u32::MAX);
        let failures = call.failures.max(rounds);
        call.due = now + self.backoff.delay(failures, self.random.f64());
        if !is_own_fault {
            self.again(call);
            return;
        }
        let due = call.due;
        match call.halve(self.encoding.preferred(), due) {
            // It was not refused for its size; nothing is to be learnt from its halves.
            Ok(halves) => self.waiting.extend(halves.map(|half| Call {
                half_of: None,
                ..half
            })),
            Err(call) => self.again(call),
        }
    }

    /// Finds out what was refused: base64, the texts together, or one of them.
    fn after_refusal(&mut self, call: Call, failure: &Failure, now: Instant) {
        if self.encoding.is_in_doubt(&call) {
            self.again(Call {
                encoding: EncodingFormat::Float,
                due: now,
                ..call
            });
            return;
        }
        match call.halve(self.encoding.preferred(), now) {
            Ok(halves) => self.waiting.extend(halves),
            Err(call) => {
                for text in &call.texts {
                    self.batcher.refuse(text, failure.clone());
                }
            }
        }
    }

    /// Keeps a request until it is due again.
    fn again(&mut self, call: Call) {
        // A probe is nobody's; there will be another.
        if call.purpose == Purpose::Vectors {
            self.waiting.push(call);
        }
    }

    fn count_retry(&self, failure: &Failure) {
        self.metrics
            .retries
            .with_label_values(&[failure.reason])
            .inc();
    }
}
