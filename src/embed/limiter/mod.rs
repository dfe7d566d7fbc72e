//! When a request may go out: two limits of the provider, requests and tokens a minute, and what it
//! asks for besides.
//!
//! A request goes out when nothing is owed any more to either [`Limit`], and is charged then: so one
//! that is as large as it has to be goes out all the same, and those behind it wait for it. Its tokens
//! are an estimate, which the answer corrects.
//!
//! The limits are the whole group's. A member takes its [`Share`] of them, and no service divides them.
//! `docs/adr/0023-limits-are-owed.md` has the reasons.

mod debt;
mod learned;
mod level;
mod limit;
mod meter;
#[cfg(test)]
mod tests;

use std::{num::NonZeroU32, time::Duration};

use tokio::time::Instant;

use self::limit::Limit;
use crate::{http::RateLimits, record::Share};

/// No request takes more than this many seconds' worth of the tokens: whatever comes after it, such
/// as a fresh change during a backfill, waits that long at most.
const LONGEST_REQUEST: f64 = 1.0;

/// Where requests are scarcer than that, each has to take more. Somewhat more than that share of the
/// tokens, because few requests are filled to the last token.
const FILLED: f64 = 0.9;

/// What is configured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) requests_per_minute: Option<NonZeroU32>,
    pub(super) tokens_per_minute: Option<NonZeroU32>,
    /// How many tokens a request may take, whatever the rate.
    pub(super) request_tokens: u64,
}

/// What a request is charged for before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Charge {
    /// An estimate.
    pub(super) tokens: u64,
}

/// Admits requests.
#[derive(Debug)]
pub(super) struct Limiter {
    requests: Limit,
    tokens: Limit,
    request_tokens: u64,
    share: Share,
    held_until: Instant,
    /// Answers to requests that were sent before are of the same episode.
    throttled_at: Option<Instant>,
}

/// How much of a limit is used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usage {
    /// What this member may take, a minute; `None` without a limit.
    pub(super) per_minute: Option<f64>,
    /// The part of that which was taken of late: 1 is all of it.
    pub(super) ratio: f64,
}

impl Limiter {
    /// A limiter for a member that has the limits for itself.
    pub(super) fn new(limits: Limits, now: Instant) -> Self {
        Self {
            requests: Limit::new(per_minute(limits.requests_per_minute), now),
            tokens: Limit::new(per_minute(limits.tokens_per_minute), now),
            request_tokens: limits.request_tokens.max(1),
            share: Share::WHOLE,
            held_until: now,
            throttled_at: None,
        }
    }

    /// Other limits are configured from now on. What is owed stays owed, and what the provider said
    /// and what was learnt still count.
    pub(super) fn set_limits(&mut self, limits: Limits, now: Instant) {
        let Limits {
            requests_per_minute,
            tokens_per_minute,
            request_tokens,
        } = limits;
        let requests = per_minute(requests_per_minute);
        self.requests.configure(requests, self.share, now);
        let tokens = per_minute(tokens_per_minute);
        self.tokens.configure(tokens, self.share, now);
        self.request_tokens = request_tokens.max(1);
    }

    /// This member's share of the limits, from now on.
    pub(super) fn set_share(&mut self, share: Share, now: Instant) {
        // What was owed until now was paid off at the old rate.
        self.requests.pass(self.share, now);
        self.tokens.pass(self.share, now);
        self.share = share;
    }

    /// How many tokens a request should take at most. What is learnt from throttling does not count: it
    /// may be requests that are scarce.
    pub(super) fn request_tokens(&self) -> u64 {
        let Some(tokens) = self.tokens.allotted(self.share) else {
            return self.request_tokens;
        };
        let scarce = self.requests.allotted(self.share).unwrap_or(f64::MAX);
        let most = (tokens * LONGEST_REQUEST).max(tokens / scarce / FILLED);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates"
        )]
        let most = most as u64;
        most.clamp(1, self.request_tokens)
    }

    /// Whether a request of so many tokens may go out now; if not, when to ask again. Takes nothing.
    pub(super) fn admit(&mut self, tokens: u64, now: Instant) -> Result<(), Instant> {
        let requests = self.requests.free_at(1.0, self.share, now);
        let tokens = self.tokens.free_at(tokens as f64, self.share, now);
        let free_at = self.held_until.max(requests).max(tokens);
        if free_at <= now {
            return Ok(());
        }
        // Never at once: a wait that rounds to nothing would spin.
        Err(free_at.max(now + Duration::from_millis(1)))
    }

    /// A request goes out.
    pub(super) fn send(&mut self, tokens: u64, now: Instant) -> Charge {
        self.requests.take(1.0, self.share, now);
        self.tokens.take(tokens as f64, self.share, now);
        Charge { tokens }
    }

    /// A request was answered with vectors. The provider says what it charged, or 0 if it doesn't.
    pub(super) fn accepted(&mut self, charge: Charge, charged: u64, now: Instant) {
        let charged = if charged == 0 { charge.tokens } else { charged };
        self.requests.end(1.0, 1.0);
        self.tokens.end(charge.tokens as f64, charged as f64);
        self.requests.accepted(1.0, now);
        self.tokens.accepted(charged as f64, now);
    }

    /// A request was not answered with vectors. `is_charged` where its texts may have been embedded
    /// all the same, as when the answer was lost.
    pub(super) fn failed(&mut self, charge: Charge, is_charged: bool) {
        let tokens = charge.tokens as f64;
        self.requests.end(1.0, 1.0);
        self.tokens
            .end(tokens, if is_charged { tokens } else { 0.0 });
    }

    /// A request that was sent at `sent_at` met a limit. Returns whether that is news: several under
    /// way at once meet it together, and say no more than one.
    pub(super) fn throttled(&mut self, sent_at: Instant, now: Instant) -> bool {
        if self.throttled_at.is_some_and(|before| sent_at <= before) {
            return false;
        }
        self.throttled_at = Some(now);
        self.requests.throttled(self.share, now);
        self.tokens.throttled(self.share, now);
        true
    }

    /// Takes what the provider says of its limits.
    pub(super) fn told(&mut self, limits: &RateLimits, now: Instant) {
        self.requests.told(&limits.requests, now);
        self.tokens.told(&limits.tokens, now);
    }

    /// Lets nothing out for `wait`, or longer if that was already so.
    pub(super) fn hold(&mut self, wait: Duration, now: Instant) {
        self.held_until = self.held_until.max(now + wait);
    }

    /// How much of the limits on requests and on tokens is used.
    pub(super) fn usage(&self, now: Instant) -> [Usage; 2] {
        [&self.requests, &self.tokens].map(|limit| limit.usage(self.share, now))
    }
}

fn per_minute(limit: Option<NonZeroU32>) -> Option<f64> {
    limit.map(|limit| f64::from(limit.get()))
}
