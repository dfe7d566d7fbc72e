//! The reading service: bookkeeping of many points in one call.

use std::{collections::HashMap, sync::Arc};

use crate::{error::Failure, record::Stored};
use qdrant_client::qdrant::{
    GetPointsBuilder, PayloadIncludeSelector, PointId, with_payload_selector::SelectorOptions,
};

use super::{
    Connection, IndexReply, ReadRequest, failure::failure, service::Outage, stored, value,
};

pub(super) async fn read(connection: Arc<Connection>, mut batch: Vec<ReadRequest>) {
    let mut outage = Outage::new(&connection);
    loop {
        batch.retain(|request| !request.reply.is_closed());
        if batch.is_empty() {
            return;
        }
        match call(&connection, &batch).await {
            Ok(points) => {
                outage.over();
                for request in batch {
                    let id = value::point_id(request.point);
                    let reply = IndexReply::Read {
                        ticket: request.ticket,
                        point: points.get(&id).cloned(),
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
    batch: &[ReadRequest],
) -> Result<HashMap<PointId, Option<Stored>>, Failure> {
    let ids: Vec<PointId> = batch
        .iter()
        .map(|request| value::point_id(request.point))
        .collect();
    let bookkeeping = SelectorOptions::Include(PayloadIncludeSelector {
        fields: stored::fields(),
    });
    let request = GetPointsBuilder::new(&connection.collection, ids)
        .with_payload(bookkeeping)
        .with_vectors(false);
    let timer = connection
        .metrics
        .duration
        .with_label_values(&["read"])
        .start_timer();
    let answer = connection.client.get_points(request).await;
    timer.observe_duration();
    connection.metrics.count_call("read", answer.is_ok());
    let points = answer.map_err(|error| failure(&error, &connection.collection))?;
    Ok(points
        .result
        .into_iter()
        .filter_map(|point| Some((point.id?, stored::from_payload(&point.payload))))
        .collect())
}
