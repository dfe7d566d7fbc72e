//! Sending the requests.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    cost::Price,
    embed::{Bought, Once},
    error::{Disposition, Failure},
};

use super::{Answered, End, Measured, Purse, purse::Reserved, turn::Turns};

/// How long a provider is left alone that asks for patience without saying for how long.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is sent to every provider.
#[derive(Debug)]
pub struct Plan {
    /// The texts; at least one. They are sent in this order, and again from the first when there are too few.
    pub texts: Vec<Arc<str>>,
    /// How many requests.
    pub requests: usize,
    /// How many texts in each; at least 1.
    pub batch: usize,
    /// How many requests are under way at once; at least 1.
    pub concurrency: usize,
    /// Of how many texts, from the first on, the vectors are kept for comparison.
    pub compared: usize,
}

impl Plan {
    /// The positions of the texts of a request.
    fn positions(&self, request: usize) -> impl Iterator<Item = usize> {
        let first = request * self.batch;
        (first..first + self.batch).map(|position| position % self.texts.len())
    }

    /// What all requests come to, by what each text is `worth`.
    pub fn sum(&self, worth: &[u64]) -> u64 {
        let sent = self.requests * self.batch;
        let (rounds, rest) = (sent / self.texts.len(), sent % self.texts.len());
        let all: u64 = worth.iter().sum();
        rounds as u64 * all + worth.iter().take(rest).sum::<u64>()
    }
}

/// Whom to measure.
#[derive(Debug)]
pub struct Provider {
    /// Where requests are sent.
    pub endpoint: Once,
    /// How many requests a minute it takes; `None` for as many as come.
    pub requests_per_minute: Option<NonZeroU32>,
    /// How many tokens a minute, likewise.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// What its tokens cost, if that is known.
    pub price: Option<Price>,
    /// About how many tokens each of the plan's texts is.
    pub tokens: Vec<u64>,
}

/// How far it is, for all providers together.
#[derive(Debug, Default)]
pub struct Progress {
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Progress {
    /// Requests that were answered with vectors so far, and those that were not.
    pub fn so_far(&self) -> (u64, u64) {
        (self.answered.load(Relaxed), self.failed.load(Relaxed))
    }
}

/// Sends the plan's requests to all providers at once, until all are through, the purse is empty, or
/// `stop` is cancelled: what is under way then is given up and not counted. What came of it, by provider.
pub async fn measure(
    providers: Vec<Provider>,
    plan: &Arc<Plan>,
    purse: &Arc<Purse>,
    progress: &Arc<Progress>,
    stop: &CancellationToken,
) -> Vec<Measured> {
    let lanes: Vec<Arc<Lane>> = providers
        .into_iter()
        .map(|provider| {
            let start = Instant::now();
            Arc::new(Lane {
                turns: Turns::new(
                    provider.requests_per_minute,
                    provider.tokens_per_minute,
                    start,
                ),
                provider,
                plan: plan.clone(),
                purse: purse.clone(),
                progress: progress.clone(),
                stop: stop.clone(),
                next: AtomicUsize::new(0),
                start,
                measured: Mutex::new(Measured::new(plan.compared.min(plan.texts.len()))),
            })
        })
        .collect();
    let mut workers = JoinSet::new();
    for lane in &lanes {
        for _ in 0..plan.concurrency.min(plan.requests) {
            let lane = lane.clone();
            workers.spawn(async move { lane.work().await });
        }
    }
    workers.join_all().await;
    lanes.iter().map(|lane| lane.finish()).collect()
}

/// One provider, while it is measured.
#[derive(Debug)]
struct Lane {
    provider: Provider,
    plan: Arc<Plan>,
    purse: Arc<Purse>,
    progress: Arc<Progress>,
    stop: CancellationToken,
    turns: Turns,
    /// The request that is sent next.
    next: AtomicUsize,
    start: Instant,
    measured: Mutex<Measured>,
}

impl Lane {
    /// Sends one request after the other, until there are no more.
    async fn work(&self) {
        loop {
            let request = self.next.fetch_add(1, Relaxed);
            if request >= self.plan.requests {
                return;
            }
            let tokens = self.tokens(request);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = self.turn(tokens) => {}
            }
            let Some(reserved) = self.purse.reserve(self.provider.price, tokens) else {
                return self.end(End::Ceiling);
            };
            let texts: Vec<Arc<str>> = self
                .plan
                .positions(request)
                .filter_map(|position| self.plan.texts.get(position).cloned())
                .collect();
            let sent = Instant::now();
            let answer = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                answer = self.provider.endpoint.ask(&texts) => answer,
            };
            let now = Instant::now();
            self.measured().elapsed = now - self.start;
            match answer {
                Ok(bought) => self.answered(request, bought, sent, now, reserved),
                Err(failure) => self.failed(failure, tokens, now, reserved),
            }
        }
    }

    async fn turn(&self, tokens: u64) {
        while let Err(until) = self.turns.take(tokens, Instant::now()) {
            sleep_until(until).await;
        }
    }

    fn tokens(&self, request: usize) -> u64 {
        let tokens = &self.provider.tokens;
        let positions = self.plan.positions(request);
        positions.filter_map(|position| tokens.get(position)).sum()
    }

    fn answered(
        &self,
        request: usize,
        bought: Bought,
        sent: Instant,
        now: Instant,
        reserved: Reserved,
    ) {
        let tokens = self.tokens(request);
        self.purse
            .settle(reserved, bought.charged.unwrap_or(tokens));
        let answered = Answered {
            at: sent - self.start,
            latency: now - sent,
        };
        let vectors = self.plan.positions(request).zip(bought.vectors);
        self.measured()
            .answered(answered, vectors, bought.charged, tokens);
        self.progress.answered.fetch_add(1, Relaxed);
    }

    fn failed(&self, failure: Failure, tokens: u64, now: Instant, reserved: Reserved) {
        // What was not answered may be charged all the same, and so is what was answered badly.
        let is_charged = matches!(
            failure.reason,
            "timeout" | "io" | "malformed_answer" | "wrong_length"
        );
        self.purse
            .settle(reserved, if is_charged { tokens } else { 0 });
        match failure.disposition {
            Disposition::Throttled { after } => {
                self.turns.hold(now + after.unwrap_or(PATIENCE));
            }
            Disposition::Blocked => self.end(End::Blocked(failure.message.clone())),
            Disposition::Transient | Disposition::Record => {}
        }
        self.measured().failed(failure);
        self.progress.failed.fetch_add(1, Relaxed);
    }

    /// No more requests are sent; those under way are waited for.
    fn end(&self, end: End) {
        self.next.fetch_max(self.plan.requests, Relaxed);
        let mut measured = self.measured();
        if measured.end == End::Complete {
            measured.end = end;
        }
    }

    fn finish(&self) -> Measured {
        let mut measured = std::mem::take(&mut *self.measured());
        let ended = measured.answered.len() as u64 + measured.failures();
        if measured.end == End::Complete && ended < self.plan.requests as u64 {
            measured.end = End::Interrupted;
        }
        measured
    }

    fn measured(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(texts: usize, requests: usize, batch: usize) -> Plan {
        Plan {
            texts: vec![Arc::from("text"); texts],
            requests,
            batch,
            concurrency: 1,
            compared: 0,
        }
    }

    #[test]
    fn texts_are_sent_again_from_the_first_when_there_are_too_few() {
        let plan = plan(5, 3, 3);
        let positions = |request| plan.positions(request).collect::<Vec<_>>();
        assert_eq!(
            [positions(0), positions(1), positions(2)],
            [vec![0, 1, 2], vec![3, 4, 0], vec![1, 2, 3]]
        );
        // 0 to 4, and 0 to 3 once more.
        assert_eq!(plan.sum(&[1, 10, 100, 1_000, 10_000]), 12_222);
    }
}
