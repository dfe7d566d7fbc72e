//! What the reading and the writing service have in common.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus::IntGauge;
use tokio::sync::{
    Semaphore,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::{
    backoff::Backoff,
    error::{Disposition, Failure},
    telemetry::{LanePart, LaneState},
};

use super::Connection;

/// Where requests to a service wait. A clone is the same queue.
#[derive(Debug)]
pub(super) struct Queue<R> {
    requests: UnboundedSender<R>,
    length: IntGauge,
}

impl<R> Clone for Queue<R> {
    fn clone(&self) -> Self {
        Self {
            requests: self.requests.clone(),
            length: self.length.clone(),
        }
    }
}

impl<R> Queue<R> {
    /// Adds a request. Without a service there is no answer; the record stays unsettled, as it must.
    pub(super) fn push(&self, request: R) {
        self.length.inc();
        if self.requests.send(request).is_err() {
            self.length.dec();
        }
    }
}

/// Starts a service that hands batches of requests to `call`, some at a time. `kind` is the label of
/// its queue in the metrics.
pub(super) fn start<R, F>(
    connection: Arc<Connection>,
    kind: &str,
    call: fn(Arc<Connection>, Vec<R>) -> F,
) -> Queue<R>
where
    R: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (requests, queue) = unbounded_channel();
    let length = connection.metrics.queued.with_label_values(&[kind]);
    tokio::spawn(serve(connection, queue, length.clone(), call));
    Queue { requests, length }
}

async fn serve<R, F>(
    connection: Arc<Connection>,
    mut queue: UnboundedReceiver<R>,
    length: IntGauge,
    call: fn(Arc<Connection>, Vec<R>) -> F,
) where
    R: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(connection.calls.concurrency));
    // The permit comes first: what queues up while all calls are busy goes out in one batch.
    while let Ok(permit) = permits.clone().acquire_owned().await {
        let mut batch = Vec::new();
        let most = connection.calls.batch_points;
        let taken = queue.recv_many(&mut batch, most).await;
        if taken == 0 {
            return;
        }
        length.sub(i64::try_from(taken).unwrap_or(i64::MAX));
        let connection = connection.clone();
        let calling = tokio::spawn(call(connection.clone(), batch));
        tokio::spawn(async move {
            if let Err(error) = calling.await
                && error.is_panic()
            {
                // Its requests are never answered, so their records stay unsettled.
                error!("a call to the index panicked: {error}");
                connection.broken.cancel();
            }
            drop(permit);
        });
    }
}

/// The calls that are to be made again, by number, each with what is wrong.
///
/// The lane is ready when there are none: one that goes through says nothing of the others, as where a full
/// disk is read from.
#[derive(Debug)]
pub(super) struct Outages {
    health: LanePart,
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    failing: BTreeMap<u64, LaneState>,
    next: u64,
}

impl Outages {
    pub(super) fn new(health: LanePart) -> Self {
        Self {
            health,
            calls: Mutex::default(),
        }
    }

    /// A call failed, for the first time where it has no number yet. Says the number.
    fn note(&self, number: Option<u64>, state: LaneState) -> u64 {
        let mut calls = self.calls();
        let number = number.unwrap_or_else(|| {
            calls.next += 1;
            calls.next
        });
        calls.failing.insert(number, state);
        self.tell(&calls);
        number
    }

    /// A call went through, or is not made any more.
    fn forget(&self, number: u64) {
        let mut calls = self.calls();
        calls.failing.remove(&number);
        self.tell(&calls);
    }

    /// What a person has to do counts before what passes; else the call counts that has failed longest.
    fn tell(&self, calls: &Calls) {
        let mut failing = calls.failing.values();
        let blocked = failing.clone().find(|it| it.label() == "blocked");
        let worst = blocked.or_else(|| failing.next());
        // Told under the lock, so that what is told last is how it is.
        self.health.set(worst.cloned().unwrap_or(LaneState::Ready));
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call's trouble with the server: says so in the lane's state, and waits between attempts.
pub(super) struct Outage<'a> {
    connection: &'a Connection,
    backoff: Backoff,
    failures: u32,
    /// Among those that fail.
    number: Option<u64>,
}

impl<'a> Outage<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        let calls = connection.calls;
        Self {
            connection,
            backoff: Backoff::new(calls.retry_initial, calls.retry_max),
            failures: 0,
            number: None,
        }
    }

    /// The server answers.
    pub(super) fn over(&mut self) {
        self.failures = 0;
        if let Some(number) = self.number.take() {
            self.connection.outages.forget(number);
        }
    }

    /// Waits before the next attempt; `false` when there is to be none, because of a shutdown.
    pub(super) async fn pause(&mut self, failure: &Failure) -> bool {
        self.failures = self.failures.saturating_add(1);
        let pause = match failure.disposition {
            Disposition::Throttled { after: Some(after) } => {
                let calls = self.connection.calls;
                after.clamp(calls.retry_initial, calls.retry_max)
            }
            _ => self.backoff.delay(self.failures, fastrand::f64()),
        };
        let state = match failure.disposition {
            Disposition::Blocked => LaneState::Blocked(failure.message.clone()),
            _ => LaneState::Waiting(failure.message.clone()),
        };
        self.number = Some(self.connection.outages.note(self.number, state));
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = self.connection.shutdown.cancelled() => false,
        }
    }

    /// The same, for work that is given up when `until` is cancelled.
    pub(super) async fn pause_until(
        &mut self,
        until: &CancellationToken,
        failure: &Failure,
    ) -> bool {
        tokio::select! {
            go_on = self.pause(failure) => go_on,
            () = until.cancelled() => false,
        }
    }
}

impl Connection {
    /// Makes `attempt` until it succeeds, and returns what came of it; `None` once `until` is cancelled, or the
    /// program stops.
    pub(super) async fn insist<T, A: Future<Output = Result<T, Failure>>>(
        &self,
        until: &CancellationToken,
        mut attempt: impl FnMut() -> A,
    ) -> Option<T> {
        let mut outage = Outage::new(self);
        while !until.is_cancelled() {
            match attempt().await {
                Ok(done) => return Some(done),
                Err(failure) if outage.pause_until(until, &failure).await => {}
                Err(_) => return None,
            }
        }
        None
    }
}

impl Drop for Outage<'_> {
    fn drop(&mut self) {
        // Nobody waits for it any more.
        self.over();
    }
}

#[cfg(test)]
#[allow(clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::telemetry::{Health, Lane};

    fn outages() -> (Health, Outages) {
        let health = Health::default();
        let [part, _] = LanePart::pair(&health, Lane::Index);
        part.set(LaneState::Ready);
        (health, Outages::new(part))
    }

    #[test]
    fn the_lane_is_not_ready_while_any_call_waits_for_the_server() {
        let (health, outages) = outages();
        let waiting = |why: &str| LaneState::Waiting(why.to_owned());
        let write = outages.note(None, waiting("the disk is full"));
        let read = outages.note(None, waiting("no answer"));
        assert_eq!(health.get(Lane::Index), waiting("the disk is full"));
        outages.forget(read);
        assert_eq!(health.get(Lane::Index), waiting("the disk is full"));
        assert_eq!(outages.note(Some(write), waiting("no answer")), write);
        outages.forget(write);
        assert_eq!(health.get(Lane::Index), LaneState::Ready);
    }

    #[test]
    fn what_a_person_has_to_do_is_not_hidden_by_what_passes() {
        let (health, outages) = outages();
        let blocked = LaneState::Blocked("correct the key".to_owned());
        outages.note(None, LaneState::Waiting("no answer".to_owned()));
        let number = outages.note(None, blocked.clone());
        assert_eq!(health.get(Lane::Index), blocked);
        outages.forget(number);
        assert_eq!(health.get(Lane::Index).label(), "waiting");
    }
}
