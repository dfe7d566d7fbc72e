//! The writing service: many writes in one call, retried until applied or refused for good.

use std::sync::Arc;

use crate::{
    error::{Disposition, Failure},
    record::WriteOutcome,
};
use qdrant_client::qdrant::UpdateBatchPointsBuilder;

use super::{
    Connection, IndexReply, WriteRequest,
    failure::{POINT_MISSING, failure},
    operations,
    service::Outage,
};

pub(super) async fn write(connection: Arc<Connection>, batch: Vec<WriteRequest>) {
    let mut outage = Outage::new(&connection);
    let mut batches = vec![batch];
    while let Some(mut batch) = batches.pop() {
        // A partition that was given up needs no writes any more; its next owner makes them.
        batch.retain(|request| !request.reply.is_closed());
        if batch.is_empty() {
            continue;
        }
        match call(&connection, &batch).await {
            Ok(()) => {
                outage.over();
                answer(&connection, batch, &WriteOutcome::Applied);
            }
            Err(failure) if failure.disposition == Disposition::Record => {
                if batch.len() > 1 {
                    // Applying a write twice is harmless, so both halves go out again.
                    let second = batch.split_off(batch.len() / 2);
                    batches.extend([second, batch]);
                } else {
                    answer(&connection, batch, &outcome_of(failure));
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
