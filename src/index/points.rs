//! What the services that read points have in common: many points in one call, each with the part
//! of its payload that somebody asked for.

use std::{collections::HashMap, sync::Arc};

use qdrant_client::qdrant::{
    GetPoints, GetPointsBuilder, PayloadIncludeSelector, PointId, RetrievedPoint,
    with_payload_selector::SelectorOptions,
};
use tonic::Status;

use crate::{error::Failure, record};

use super::{Connection, batch::PointWithVectors, service::Outage, value};

/// A request for one point.
pub(super) trait PointRequest: Sized {
    /// The metric label.
    const LABEL: &'static str;

    /// Which point.
    fn point(&self) -> record::PointId;

    /// The payload fields that a batch asks for, together.
    fn fields(batch: &[Self]) -> Vec<String>;

    /// Whether somebody still waits for the answer.
    fn is_wanted(&self) -> bool;

    /// Answers: with the point, or that there is none.
    fn answer(self, point: Option<&RetrievedPoint>);
}

/// Answers a batch of requests. Tries until the server does, or nobody waits any more.
pub(super) async fn get<R: PointRequest>(connection: Arc<Connection>, mut batch: Vec<R>) {
    let mut outage = Outage::new(&connection);
    loop {
        batch.retain(R::is_wanted);
        if batch.is_empty() {
            return;
        }
        match call(&connection, &batch).await {
            Ok(points) => {
                outage.over();
                for request in batch {
                    let point = points.get(&value::point_id(request.point()));
                    request.answer(point);
                }
                return;
            }
            Err(failure) => {
                if !outage.pause(&failure).await {
                    return;
                }
            }
        }
    }
}

async fn call<R: PointRequest>(connection: &Connection, batch: &[R]) -> Result<Points, Failure> {
    let ids = batch.iter().map(R::point);
    read(connection, R::LABEL, ids, R::fields(batch)).await
}

/// The points that were found, by their ids.
pub(super) type Points = HashMap<PointId, RetrievedPoint>;

/// One call: these points with these fields of their payload.
pub(super) async fn read(
    connection: &Connection,
    label: &'static str,
    ids: impl Iterator<Item = record::PointId>,
    fields: Vec<String>,
) -> Result<Points, Failure> {
    let request = request(connection, ids, fields, false);
    let mut client = connection.client.points();
    let answer = timed(connection, label, client.get(request)).await?;
    let points = answer.into_inner().result.into_iter();
    let by_id = points.filter_map(|point| Some((point.id.clone()?, point)));
    Ok(by_id.collect())
}

/// The same, with all their vectors.
pub(super) async fn read_with_vectors(
    connection: &Connection,
    ids: impl Iterator<Item = record::PointId>,
    fields: Vec<String>,
) -> Result<HashMap<PointId, PointWithVectors>, Failure> {
    let request = request(connection, ids, fields, true);
    let call = connection.client.get_with_vectors(request);
    let points = timed(connection, "read_vectors", call).await?.into_iter();
    let by_id = points.filter_map(|point| Some((point.id.clone()?, point)));
    Ok(by_id.collect())
}

fn request(
    connection: &Connection,
    ids: impl Iterator<Item = record::PointId>,
    fields: Vec<String>,
    vectors: bool,
) -> GetPoints {
    let ids: Vec<PointId> = ids.map(value::point_id).collect();
    let fields = SelectorOptions::Include(PayloadIncludeSelector { fields });
    GetPointsBuilder::new(&connection.collection, ids)
        .with_payload(fields)
        .with_vectors(vectors)
        .build()
}

/// Measures a call, and says what to do about its error.
async fn timed<T>(
    connection: &Connection,
    label: &'static str,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Failure> {
    let metrics = &connection.metrics;
    let timer = metrics.duration.with_label_values(&[label]).start_timer();
    let answer = call.await;
    timer.observe_duration();
    metrics.count_call(label, answer.is_ok());
    answer.map_err(|error| connection.failure(&error))
}
