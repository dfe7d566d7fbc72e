//! The writing service: many writes in one call, retried until applied or refused for good.

use std::sync::Arc;

use qdrant_client::qdrant::UpdateBatchPointsBuilder;
use tokio::sync::{
    Semaphore,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use crate::{
    backoff::Backoff,
    error::{Disposition, Failure},
    record::WriteOutcome,
    telemetry::{Lane, LaneState},
};

use super::{
    Connection, IndexReply, WriteRequest,
    failure::{POINT_MISSING, failure},
    operations,
};

pub(super) fn start(connection: Arc<Connection>) -> UnboundedSender<WriteRequest> {
    let (requests, queue) = unbounded_channel();
    tokio::spawn(serve(connection, queue));
    requests
}

async fn serve(connection: Arc<Connection>, mut queue: UnboundedReceiver<WriteRequest>) {
    let permits = Arc::new(Semaphore::new(connection.calls.concurrency));
    // The permit comes first: what queues up while all calls are busy goes out in one batch.
    while let Ok(permit) = permits.clone().acquire_owned().await {
        let mut batch = Vec::new();
        if queue
            .recv_many(&mut batch, connection.calls.batch_points)
            .await
            == 0
        {
            return;
        }
        let connection = connection.clone();
        tokio::spawn(async move {
            write(&connection, batch).await;
            drop(permit);
        });
    }
}

async fn write(connection: &Connection, batch: Vec<WriteRequest>) {
    let mut outage = Outage::new(connection);
    let mut batches = vec![batch];
    while let Some(mut batch) = batches.pop() {
        // A partition that was given up needs no writes any more; its next owner makes them.
        batch.retain(|request| !request.reply.is_closed());
        if batch.is_empty() {
            continue;
        }
        match call(connection, &batch).await {
            Ok(()) => {
                outage.over();
                answer(connection, batch, &WriteOutcome::Applied);
            }
            Err(failure) if failure.disposition == Disposition::Record => {
                if batch.len() > 1 {
                    // Applying a write twice is harmless, so both halves go out again.
                    let second = batch.split_off(batch.len() / 2);
                    batches.extend([second, batch]);
                } else {
                    answer(connection, batch, &outcome_of(failure));
                }
            }
            Err(failure) => {
                batches.push(batch);
                if !outage.pause(&failure).await {
                    return;
                }
            }
        }
    }
}

fn answer(connection: &Connection, batch: Vec<WriteRequest>, outcome: &WriteOutcome) {
    for request in batch {
        if *outcome == WriteOutcome::Applied {
            connection
                .metrics
                .points
                .with_label_values(&[request.write.label()])
                .inc();
        }
        let reply = IndexReply::Written {
            ticket: request.ticket,
            outcome: outcome.clone(),
        };
        // The worker may be gone: then nobody needs the answer.
        let _ = request.reply.send(reply);
    }
}

/// What a failure that lies in one write makes of it.
fn outcome_of(failure: Failure) -> WriteOutcome {
    if failure.reason == POINT_MISSING {
        WriteOutcome::Missing
    } else {
        WriteOutcome::Refused(failure)
    }
}

async fn call(connection: &Connection, batch: &[WriteRequest]) -> Result<(), Failure> {
    let writes = batch.iter().map(|request| &request.write);
    let operations = operations::of_writes(writes, &connection.vector);
    connection
        .metrics
        .operations
        .observe(operations.len() as f64);
    connection.metrics.batch_points.observe(batch.len() as f64);
    let request = UpdateBatchPointsBuilder::new(&connection.collection, operations).wait(true);
    let timer = connection
        .metrics
        .duration
        .with_label_values(&["write"])
        .start_timer();
    let answer = connection.client.update_points_batch(request).await;
    timer.observe_duration();
    connection.metrics.count_call("write", answer.is_ok());
    answer
        .map(|_| ())
        .map_err(|error| failure(&error, &connection.collection))
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
        self.connection.health.set(Lane::Index, LaneState::Ready);
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
        self.connection.health.set(Lane::Index, state);
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = self.connection.shutdown.cancelled() => false,
        }
    }
}
