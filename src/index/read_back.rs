//! Reading back what was written, as far as the answer does not say that it was.

use std::collections::HashMap;

use qdrant_client::qdrant::{
    Condition, Filter, PayloadIncludeSelector, PointId, ScrollPointsBuilder,
    with_payload_selector::SelectorOptions,
};

use crate::{
    error::Failure,
    record::{PointState, Write},
};

use super::{
    Connection, conditions,
    fence::Fence,
    points,
    stored::{self, EPOCH, field},
    value,
    writer::{Attempt, How},
};

/// How a write's effect is found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// By the answer.
    Answer,
    /// By reading the point.
    Point,
    /// By asking, with others, whether the point is *not* as it was written: the usual answer is
    /// empty.
    Exception,
}

/// What the index holds of the points whose write is doubtful. With `all`, every write is.
///
/// A point that is missing in the answer is as it was written.
pub(super) async fn find(
    connection: &Connection,
    attempts: &[Attempt],
    all: bool,
) -> Result<HashMap<PointId, PointState>, Failure> {
    let of = |wanted| {
        attempts
            .iter()
            .filter(move |attempt| by(attempt, all) == wanted)
    };
    let ids: Vec<_> = of(By::Point)
        .map(|attempt| attempt.request.write.point())
        .collect();
    let mut states = HashMap::new();
    if !ids.is_empty() {
        let fields = stored::fields();
        let found = points::read(connection, "read_back", ids.iter().copied(), fields).await?;
        for id in ids.into_iter().map(value::point_id) {
            let state = found.get(&id).map_or(PointState::Absent, |point| {
                stored::from_payload(&point.payload)
            });
            states.insert(id, state);
        }
    }
    let exceptions: Vec<&Attempt> = of(By::Exception).collect();
    if !exceptions.is_empty() {
        states.extend(ask_for_exceptions(connection, &exceptions).await?);
    }
    Ok(states)
}

fn by(attempt: &Attempt, all: bool) -> By {
    let is_unread = matches!(
        attempt.request.write,
        Write::Upsert { unread: true, .. } | Write::Delete { unread: true, .. }
    );
    match attempt.how {
        How::NotMade(_) => By::Answer,
        How::PayloadOperation => By::Point,
        _ if attempt.request.is_doubtful() => By::Point,
        // The vector that was read may have been replaced since.
        How::Kept(_) => By::Exception,
        How::Upserted if all || is_unread => By::Exception,
        How::Upserted => By::Answer,
    }
}

async fn ask_for_exceptions(
    connection: &Connection,
    attempts: &[&Attempt],
) -> Result<Vec<(PointId, PointState)>, Failure> {
    let mut groups: Vec<(&Fence, i64, Vec<PointId>)> = Vec::new();
    for attempt in attempts {
        let (fence, epoch) = (&attempt.request.fence, attempt.epoch.0);
        let id = value::point_id(attempt.request.write.point());
        let group = groups
            .iter_mut()
            .find(|(of, under, _)| of.is(fence) && *under == epoch);
        match group {
            Some((_, _, ids)) => ids.push(id),
            None => groups.push((fence, epoch, vec![id])),
        }
    }
    let exceptions = groups.into_iter().map(|(fence, epoch, ids)| {
        let partition = fence.partition();
        let mut as_written = conditions::of_partition(&partition.topic, partition.partition);
        as_written
            .must
            .push(Condition::matches(field(EPOCH), epoch));
        let exception = Filter {
            must: vec![Condition::has_id(ids)],
            must_not: vec![as_written.into()],
            ..Filter::default()
        };
        exception.into()
    });
    let request = ScrollPointsBuilder::new(&connection.collection)
        .filter(Filter::should(exceptions.collect::<Vec<Condition>>()))
        .limit(u32::try_from(attempts.len()).unwrap_or(u32::MAX))
        .with_payload(SelectorOptions::Include(PayloadIncludeSelector {
            fields: stored::fields(),
        }))
        .with_vectors(false);
    let answer = connection.client.points().scroll(request.build()).await;
    connection.metrics.count_call("read_back", answer.is_ok());
    let found = answer
        .map_err(|error| connection.failure(&error))?
        .into_inner();
    Ok(found
        .result
        .into_iter()
        .filter_map(|point| Some((point.id?, stored::from_payload(&point.payload))))
        .collect())
}
