//! The handle that tells the endpoint how to behave and what it was asked.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

use super::behaviour::{Behaviour, Failure};
use super::error::ApiError;
use super::limits::{LimitStatus, RateLimits};
use super::vectors::text_hash;

/// What the endpoint was asked since the start or the last reset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Embedding requests that arrived.
    pub requests: u64,
    /// Of these, the ones that have no answer yet: late, or held by a stall.
    pub in_flight: u64,
    /// Texts in the requests answered with status 200. Garbage counts: a provider bills it.
    pub inputs: u64,
    /// Tokens of these texts.
    pub tokens: u64,
    /// Requests answered 429.
    pub throttled: u64,
    /// Requests answered with any other error.
    pub failed: u64,
    /// Different texts among `inputs`, told apart by a 64-bit hash.
    pub distinct_texts: u64,
    /// Inputs whose text had been answered before: what a client paid for twice.
    pub duplicate_texts: u64,
}

/// Control over a running endpoint. Cheap to clone; all clones control the same endpoint.
#[derive(Debug, Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    at_start: Behaviour,
    behaviour: watch::Sender<Behaviour>,
    stats: watch::Sender<Stats>,
    account: Mutex<Account>,
}

#[derive(Debug, Default)]
struct Account {
    seen: HashSet<u64>,
    limits: RateLimits,
}

impl Control {
    pub(super) fn new(behaviour: Behaviour) -> Self {
        let shared = Shared {
            at_start: behaviour.clone(),
            behaviour: watch::Sender::new(behaviour),
            stats: watch::Sender::default(),
            account: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The behaviour at this moment; `fail.remaining` counts down.
    pub fn behaviour(&self) -> Behaviour {
        self.shared.behaviour.borrow().clone()
    }

    /// Behave like this from now on. Requests held by a stall go on when `behaviour` has none. A rate limit that stays
    /// the same keeps its bucket, a changed one starts with a full one.
    pub fn set(&self, behaviour: Behaviour) {
        self.shared.behaviour.send_replace(behaviour);
    }

    /// Change some of the behaviour.
    pub fn update(&self, change: impl FnOnce(&mut Behaviour)) {
        self.shared.behaviour.send_modify(change);
    }

    /// What the endpoint was asked so far.
    pub fn stats(&self) -> Stats {
        *self.shared.stats.borrow()
    }

    /// Waits until the statistics satisfy `condition`, and returns them: the way to await that a request has arrived.
    pub async fn stats_when(&self, condition: impl FnMut(&Stats) -> bool) -> Stats {
        let mut stats = self.shared.stats.subscribe();
        let found = stats.wait_for(condition).await;
        *found.expect("the sender lives as long as self")
    }

    /// Back to the behaviour of the start, statistics of nothing, full buckets. Requests in flight go on.
    pub fn reset(&self) {
        *self.account() = Account::default();
        self.shared.stats.send_modify(|stats| {
            *stats = Stats {
                in_flight: stats.in_flight,
                ..Stats::default()
            }
        });
        self.set(self.shared.at_start.clone());
    }

    /// Counts a request in, and out when the guard drops.
    pub(super) fn arrival(&self) -> InFlight {
        self.shared.stats.send_modify(|stats| {
            stats.requests += 1;
            stats.in_flight += 1;
        });
        InFlight {
            control: self.clone(),
        }
    }

    /// Returns at once unless stalled, else when that ends.
    pub(super) async fn stall_over(&self) {
        let mut behaviour = self.shared.behaviour.subscribe();
        let found = behaviour.wait_for(|behaviour| !behaviour.stall).await;
        found.expect("the sender lives as long as self");
    }

    /// The failure this request has to take, if any.
    pub(super) fn take_failure(&self) -> Option<Failure> {
        let mut taken = None;
        self.shared.behaviour.send_if_modified(|behaviour| {
            let Some(failure) = &mut behaviour.fail else {
                return false;
            };
            let Some(remaining) = &mut failure.remaining else {
                taken = Some(failure.clone());
                return false;
            };
            let left = remaining.checked_sub(1);
            *remaining = left.unwrap_or_default();
            taken = left.map(|_| failure.clone());
            if left.is_none_or(|left| left == 0) {
                behaviour.fail = None;
            }
            true
        });
        taken
    }

    /// Takes a request of `tokens` from the buckets of the rate limits, or from none.
    pub(super) fn admit(
        &self,
        behaviour: &Behaviour,
        tokens: u64,
        now: Instant,
    ) -> Result<(), ApiError> {
        let limits = &mut self.account().limits;
        limits.set(
            behaviour.requests_per_minute,
            behaviour.tokens_per_minute,
            now,
        );
        limits.admit(tokens, now).map_err(ApiError::over_limit)
    }

    /// What is left of the rate limits.
    pub(super) fn limits(&self) -> Vec<LimitStatus> {
        self.account().limits.status().collect()
    }

    /// Counts texts that are answered with vectors, and their tokens.
    pub(super) fn count_texts(&self, texts: &[String], tokens: u64) {
        let hashes: Vec<u64> = texts.iter().map(|text| text_hash(text)).collect();
        let mut account = self.account();
        let distinct = hashes
            .into_iter()
            .filter(|hash| account.seen.insert(*hash))
            .count() as u64;
        drop(account);
        self.shared.stats.send_modify(|stats| {
            stats.inputs += texts.len() as u64;
            stats.tokens += tokens;
            stats.distinct_texts += distinct;
            stats.duplicate_texts += texts.len() as u64 - distinct;
        });
    }

    pub(super) fn count_error(&self, status: StatusCode) {
        self.shared.stats.send_modify(|stats| {
            if status == StatusCode::TOO_MANY_REQUESTS {
                stats.throttled += 1;
            } else {
                stats.failed += 1;
            }
        });
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        // Nothing under this lock leaves it half changed.
        self.shared
            .account
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that has no answer yet.
#[derive(Debug)]
pub(super) struct InFlight {
    control: Control,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.control
            .shared
            .stats
            .send_modify(|stats| stats.in_flight = stats.in_flight.saturating_sub(1));
    }
}
