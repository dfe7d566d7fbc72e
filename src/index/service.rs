//! What the reading and the writing service have in common.

use std::sync::Arc;

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
    telemetry::LaneState,
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

/// One call's trouble with the server: says so in the lane's state, and waits between attempts.
pub(super) struct Outage<'a> {
    connection: &'a Connection,
    backoff: Backoff,
    failures: u32,
}

impl<'a> Outage<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        let calls = connection.calls;
        Self {
            connection,
            backoff: Backoff::new(calls.retry_initial, calls.retry_max),
            failures: 0,
        }
    }

    /// The server answers.
    pub(super) fn over(&mut self) {
        self.failures = 0;
        self.connection.health.set(LaneState::Ready);
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
        self.connection.health.set(state);
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
