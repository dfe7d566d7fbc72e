//! The looking-up service: whole points, for rows that come without the values that did not
//! change.

use std::{collections::HashMap, sync::Arc};

use qdrant_client::qdrant::{
    self, GetPointsBuilder, PayloadIncludeSelector, PointId, value::Kind,
    with_payload_selector::SelectorOptions,
};
use tokio::sync::mpsc::UnboundedSender;

use crate::{
    error::Failure,
    record::{self, KnownPoint, Payload, RESERVED_FIELD, Ticket},
};

use super::{Connection, failure::failure, service::Outage, stored, value};

/// A request to look a point up.
#[derive(Debug)]
pub(crate) struct LookupRequest {
    pub(super) ticket: Ticket,
    pub(super) point: record::PointId,
    /// The payload fields that are asked for.
    pub(super) fields: Vec<Arc<str>>,
    pub(super) reply: UnboundedSender<LookedUp>,
}

/// What a look at a point found.
#[derive(Debug)]
pub struct LookedUp {
    /// The request's ticket.
    pub ticket: Ticket,
    /// The point; `None` when there is none, or one that somebody else wrote.
    pub point: Option<Box<KnownPoint>>,
}

pub(super) async fn look_up(connection: Arc<Connection>, mut batch: Vec<LookupRequest>) {
    let mut outage = Outage::new(&connection);
    loop {
        batch.retain(|request| !request.reply.is_closed());
        if batch.is_empty() {
            return;
        }
        match call(&connection, &batch).await {
            Ok(mut points) => {
                outage.over();
                for request in batch {
                    let point = points.remove(&value::point_id(request.point));
                    let reply = LookedUp {
                        ticket: request.ticket,
                        point: point.map(Box::new),
                    };
                    // The worker may be gone: then nobody needs the answer.
                    let _ = request.reply.send(reply);
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

async fn call(
    connection: &Connection,
    batch: &[LookupRequest],
) -> Result<HashMap<PointId, KnownPoint>, Failure> {
    let ids: Vec<PointId> = batch
        .iter()
        .map(|request| value::point_id(request.point))
        .collect();
    let mut fields: Vec<String> = batch
        .iter()
        .flat_map(|request| &request.fields)
        .map(ToString::to_string)
        .collect();
    fields.sort_unstable();
    fields.dedup();
    fields.push(RESERVED_FIELD.to_owned());
    let wanted = SelectorOptions::Include(PayloadIncludeSelector { fields });
    let request = GetPointsBuilder::new(&connection.collection, ids)
        .with_payload(wanted)
        .with_vectors(false);
    let timer = connection
        .metrics
        .duration
        .with_label_values(&["lookup"])
        .start_timer();
    let answer = connection.client.get_points(request).await;
    timer.observe_duration();
    connection.metrics.count_call("lookup", answer.is_ok());
    let points = answer.map_err(|error| failure(&error, &connection.collection))?;
    Ok(points
        .result
        .into_iter()
        .filter_map(|point| Some((point.id?, known(point.payload)?)))
        .collect())
}

/// What a point's payload says; `None` when Vectide didn't write it.
fn known(mut payload: HashMap<String, qdrant::Value>) -> Option<KnownPoint> {
    let mut stored = stored::from_payload(&payload)?;
    let bookkeeping = payload.remove(RESERVED_FIELD)?;
    if let Some(Kind::StructValue(mut object)) = bookkeeping.kind
        && let Some(columns) = object.fields.remove(stored::SOURCE_COLUMNS)
        && let Some(Kind::StructValue(columns)) = columns.kind
    {
        stored.source_columns = payload_of(columns.fields);
    }
    Some(KnownPoint {
        stored,
        payload: payload_of(payload),
    })
}

fn payload_of(fields: impl IntoIterator<Item = (String, qdrant::Value)>) -> Payload {
    fields
        .into_iter()
        .map(|(name, field)| (Arc::from(name), value::column(field)))
        .collect::<Vec<_>>()
        .into()
}
