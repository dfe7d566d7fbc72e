//! Reads: what to return of a point, in which order, and the points themselves.

use qdrant_client::qdrant::{
    self as proto, start_from, with_payload_selector::SelectorOptions as PayloadOptions,
    with_vectors_selector::SelectorOptions as VectorOptions,
};
use qdrant_edge::{
    Direction, OrderBy, OrderValue, PayloadSelectorExclude, PayloadSelectorInclude, Record,
    ScoredPoint, StartFrom, WithPayloadInterface, WithVector,
};
use tonic::Status;

use super::{filter, id, payload, vector};

/// Which part of the payload to return; `default` where the client doesn't say.
pub(in crate::qdrant) fn with_payload(
    selector: Option<proto::WithPayloadSelector>,
    default: bool,
) -> Result<WithPayloadInterface, Status> {
    let Some(selector) = selector else {
        return Ok(WithPayloadInterface::Bool(default));
    };
    match selector.selector_options {
        Some(PayloadOptions::Enable(enable)) => Ok(WithPayloadInterface::Bool(enable)),
        Some(PayloadOptions::Include(include)) => {
            Ok(PayloadSelectorInclude::new(payload::paths(&include.fields)?).into())
        }
        Some(PayloadOptions::Exclude(exclude)) => {
            Ok(PayloadSelectorExclude::new(payload::paths(&exclude.fields)?).into())
        }
        None => Err(Status::invalid_argument("No PayloadSelector")),
    }
}

/// Which vectors to return; none where the client doesn't say.
pub(in crate::qdrant) fn with_vectors(selector: Option<proto::WithVectorsSelector>) -> WithVector {
    match selector.and_then(|selector| selector.selector_options) {
        None => WithVector::Bool(false),
        Some(VectorOptions::Enable(enable)) => WithVector::Bool(enable),
        Some(VectorOptions::Include(include)) => WithVector::Selector(include.names),
    }
}

pub(in crate::qdrant) fn order_by(order: proto::OrderBy) -> Result<OrderBy, Status> {
    let direction = order
        .direction
        .and_then(|number| proto::Direction::try_from(number).ok())
        .map(|direction| match direction {
            proto::Direction::Asc => Direction::Asc,
            proto::Direction::Desc => Direction::Desc,
        });
    let start_from = order
        .start_from
        .and_then(|start| start.value)
        .map(|value| {
            Ok::<_, Status>(match value {
                start_from::Value::Integer(value) => StartFrom::Integer(value),
                start_from::Value::Float(value) => StartFrom::Float(value),
                start_from::Value::Timestamp(value) => StartFrom::Datetime(filter::time(&value)?),
                start_from::Value::Datetime(value) => {
                    StartFrom::Datetime(value.parse().map_err(|e| {
                        Status::invalid_argument(format!("Malformed datetime: {e}"))
                    })?)
                }
            })
        })
        .transpose()?;
    Ok(OrderBy {
        key: payload::path(&order.key)?,
        direction,
        start_from,
    })
}

pub(in crate::qdrant) fn record_to_proto(record: Record) -> Result<proto::RetrievedPoint, Status> {
    Ok(proto::RetrievedPoint {
        id: Some(id::to_proto(record.id)),
        payload: record.payload.map(payload::to_proto).unwrap_or_default(),
        vectors: record.vector.map(vector::to_proto).transpose()?,
        shard_key: None,
        order_value: record.order_value.map(order_value_to_proto),
    })
}

pub(in crate::qdrant) fn scored_to_proto(point: ScoredPoint) -> Result<proto::ScoredPoint, Status> {
    Ok(proto::ScoredPoint {
        id: Some(id::to_proto(point.id)),
        payload: point.payload.map(payload::to_proto).unwrap_or_default(),
        score: point.score,
        version: point.version,
        vectors: point.vector.map(vector::to_proto).transpose()?,
        shard_key: None,
        order_value: point.order_value.map(order_value_to_proto),
    })
}

fn order_value_to_proto(value: OrderValue) -> proto::OrderValue {
    proto::OrderValue {
        variant: Some(match value {
            OrderValue::Int(value) => proto::order_value::Variant::Int(value),
            OrderValue::Float(value) => proto::order_value::Variant::Float(value),
        }),
    }
}
