//! The writing services: many writes in one call, retried until applied or refused for good.
//!
//! Qdrant answers `Ok` whether or not a fence let a write through. So what can't be known from the
//! answer is [read back](read_back): payload operations, which don't say whether they matched; points
//! that nobody has read before; the writes of one call of [`SAMPLE`]; and those of a call across which
//! this process may have been stopped, when somebody else may have become the owner.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use prost::bytes::Bytes;
use qdrant_client::qdrant::PointId;

use crate::{
    error::{Disposition, Failure},
    record::{Epoch, PointState, Write, WriteOutcome},
};

use super::{
    Connection, IndexReply, WriteRequest,
    batch::{PointWithVectors, UpdateBatch},
    operations::{self, Planned},
    patches::{PatchBy, patch_by},
    points, read_back,
    service::Outage,
    stored, value,
};

/// The writes of one of so many calls are read back.
const SAMPLE: u64 = 64;

/// A write under way.
pub(super) struct Attempt {
    pub(super) request: WriteRequest,
    pub(super) epoch: Epoch,
    pub(super) how: How,
}

/// How a write is made.
pub(super) enum How {
    /// By an operation whose effect need not be doubted.
    Upserted,
    /// By an upsert that keeps these vectors, as they were read.
    Kept(Bytes),
    /// By a payload operation.
    PayloadOperation,
    /// Not at all: the point is not what it was thought to be, but this.
    NotMade(PointState),
}

pub(super) async fn write(connection: Arc<Connection>, batch: Vec<WriteRequest>) {
    let mut outage = Outage::new(&connection);
    let mut batches = vec![batch];
    let mut is_repeated = false;
    while let Some(batch) = batches.pop() {
        // A member that may have been stopped asks first whether it is still a member.
        connection.lease.trusted().await;
        let mut attempts = wanted(batch);
        if attempts.is_empty() {
            continue;
        }
        match call(&connection, &mut attempts).await {
            Ok(outcomes) => {
                outage.over();
                if is_repeated {
                    raise(&attempts);
                }
                for (attempt, outcome) in attempts.iter().zip(outcomes) {
                    answer(&connection, &attempt.request, outcome);
                }
            }
            Err(failure) if failure.disposition == Disposition::Record => {
                let mut requests = requests(attempts);
                if requests.len() > 1 {
                    // Applying a write twice is harmless, so both halves go out again.
                    let second = requests.split_off(requests.len() / 2);
                    batches.extend([second, requests]);
                } else if let Some(request) = requests.pop() {
                    answer(&connection, &request, WriteOutcome::Refused(failure));
                }
            }
            Err(failure) => {
                is_repeated = true;
                batches.push(requests(attempts));
                if !outage.pause(&failure).await {
                    return;
                }
            }
        }
    }
}

/// A partition that was given up needs no writes any more; its next owner makes them.
fn wanted(batch: Vec<WriteRequest>) -> Vec<Attempt> {
    let requests = batch
        .into_iter()
        .filter(|request| !request.reply.is_closed());
    requests
        .map(|request| Attempt {
            epoch: request.fence.epoch(),
            request,
            how: How::Upserted,
        })
        .collect()
}

fn requests(attempts: Vec<Attempt>) -> Vec<WriteRequest> {
    attempts
        .into_iter()
        .map(|attempt| attempt.request)
        .collect()
}

/// What failed without an answer may still arrive, after this call. Whatever is written from now on
/// must not be overwritten by it.
fn raise(attempts: &[Attempt]) {
    let mut raised: Vec<&super::Fence> = Vec::new();
    for attempt in attempts {
        let fence = &attempt.request.fence;
        if !raised.iter().any(|other| other.is(fence)) {
            fence.raise();
            raised.push(fence);
        }
    }
}

fn answer(connection: &Connection, request: &WriteRequest, outcome: WriteOutcome) {
    if outcome == WriteOutcome::Applied {
        connection
            .metrics
            .points
            .with_label_values(&[request.write.kind().label()])
            .inc();
    }
    let reply = IndexReply::Written {
        ticket: request.ticket,
        outcome,
    };
    // The worker may be gone: then nobody needs the answer.
    let _ = request.reply.send(reply);
}

/// One attempt at all of them.
async fn call(
    connection: &Connection,
    attempts: &mut [Attempt],
) -> Result<Vec<WriteOutcome>, Failure> {
    let started = Instant::now();
    prepare_patches(connection, attempts).await?;
    update(connection, attempts).await?;
    let was_stopped = connection.lease.may_have_lapsed(started, Instant::now());
    verify(connection, attempts, was_stopped).await
}

/// Decides how each patch is made, and reads the vectors that are kept.
pub(super) async fn prepare_patches(
    connection: &Connection,
    attempts: &mut [Attempt],
) -> Result<(), Failure> {
    let patches: Vec<&mut Attempt> = attempts
        .iter_mut()
        .filter(|attempt| matches!(attempt.request.write, Write::PatchPayload { .. }))
        .collect();
    if patch_by(patches.len()) == PatchBy::PayloadOperation {
        for attempt in patches {
            attempt.how = How::PayloadOperation;
        }
        return Ok(());
    }
    let ids = patches.iter().map(|attempt| attempt.request.write.point());
    let points = points::read_with_vectors(connection, ids, stored::fields()).await?;
    for attempt in patches {
        attempt.how = kept_by(&attempt.request.write, &points);
    }
    Ok(())
}

/// A patch takes for granted what text the vector is of.
fn kept_by(write: &Write, points: &HashMap<PointId, PointWithVectors>) -> How {
    let Write::PatchPayload {
        stored,
        point,
        kept_text,
        ..
    } = write
    else {
        return How::Upserted;
    };
    let Some(found) = points.get(&value::point_id(*point)) else {
        return How::NotMade(PointState::Absent);
    };
    let state = stored::from_payload(&found.payload);
    let vector_of = state
        .row()
        .filter(|row| row.fingerprint == stored.fingerprint)
        .and_then(|row| row.text_hash);
    // A parked row may have none.
    let vectors = found.vectors.clone().unwrap_or_default();
    let is_as_thought = state.row().is_some() && vector_of == *kept_text;
    // A point of somebody else has no bookkeeping to tell what its vector is of.
    if is_as_thought || state == PointState::Foreign && kept_text.is_none() {
        How::Kept(vectors)
    } else {
        How::NotMade(state)
    }
}

pub(super) async fn update(connection: &Connection, attempts: &[Attempt]) -> Result<(), Failure> {
    let planned = attempts.iter().filter_map(|attempt| {
        let kept = match &attempt.how {
            How::NotMade(_) => return None,
            How::Kept(vectors) => Some(&**vectors),
            How::Upserted | How::PayloadOperation => None,
        };
        Some(Planned {
            write: &attempt.request.write,
            fence: &attempt.request.fence,
            epoch: attempt.epoch,
            kept,
        })
    });
    let operations = operations::of_writes(planned, &connection.vector);
    if operations.is_empty() {
        return Ok(());
    }
    let metrics = &connection.metrics;
    metrics.operations.observe(operations.len() as f64);
    metrics.batch_points.observe(attempts.len() as f64);
    let batch = UpdateBatch {
        collection: connection.collection.clone(),
        operations,
    };
    let timer = metrics.duration.with_label_values(&["write"]).start_timer();
    let answer = connection.client.update(batch).await;
    timer.observe_duration();
    metrics.count_call("write", answer.is_ok());
    answer.map_err(|error| connection.failure(&error))
}

/// Finds out what became of the writes.
pub(super) async fn verify(
    connection: &Connection,
    attempts: &mut [Attempt],
    was_stopped: bool,
) -> Result<Vec<WriteOutcome>, Failure> {
    let calls = connection.calls_made.fetch_add(1, Ordering::Relaxed);
    let is_sampled = calls.is_multiple_of(SAMPLE);
    let found = read_back::find(connection, attempts, is_sampled || was_stopped).await?;
    let outcomes = attempts
        .iter_mut()
        .map(|attempt| {
            if let How::NotMade(state) = std::mem::replace(&mut attempt.how, How::Upserted) {
                return not_applied(connection, attempt, state);
            }
            match found.get(&value::point_id(attempt.request.write.point())) {
                Some(state) if !attempt.is_applied(state) => {
                    not_applied(connection, attempt, state.clone())
                }
                _ => WriteOutcome::Applied,
            }
        })
        .collect();
    Ok(outcomes)
}

fn not_applied(connection: &Connection, attempt: &Attempt, state: PointState) -> WriteOutcome {
    let is_fenced = state.is_written_above(attempt.epoch, attempt.request.fence.partition());
    let cause = if is_fenced { "fenced" } else { "changed" };
    let rejected = &connection.metrics.rejected;
    rejected.with_label_values(&[cause]).inc();
    if is_fenced {
        WriteOutcome::Fenced
    } else {
        WriteOutcome::NotApplied(state)
    }
}

impl Attempt {
    /// Whether the point is what the write makes of it.
    fn is_applied(&self, state: &PointState) -> bool {
        state.epoch() == Some(self.epoch)
            && state.place()
                == Some((
                    self.request.fence.partition().clone(),
                    self.request.write.offset(),
                ))
    }
}
