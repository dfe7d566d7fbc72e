//! Writes: one operation of an update batch, which is also what every single write call becomes.

use std::collections::HashMap;

use qdrant_client::qdrant::{
    self as proto,
    points_selector::PointsSelectorOneOf,
    points_update_operation::{Operation, PointStructList},
};
use qdrant_edge::{
    ConditionalInsertOperation, DeletePayloadOp, Filter, PayloadOps, PointId, PointIdsList,
    PointInsertOperations, PointOperations, PointStructPersisted, PointVectorsPersisted,
    SetPayloadOp, UpdateMode, UpdateOperation, UpdateVectorsOp, VectorOperations,
};
use tonic::Status;

use super::{filter, id, payload, vector, vector::VectorSizes};
use crate::qdrant::error::bad_input;

/// The engine's form of one write to a collection whose vectors are of `sizes`.
#[expect(deprecated, reason = "older clients send the deprecated variants")]
pub(in crate::qdrant) fn from_proto(
    operation: proto::PointsUpdateOperation,
    sizes: &VectorSizes,
) -> Result<UpdateOperation, Status> {
    let operation = operation
        .operation
        .ok_or_else(|| Status::invalid_argument("Operation is missing"))?;
    if let Some(selector) = shard_key(&operation) {
        no_shard_key(Some(selector))?;
    }
    Ok(match operation {
        Operation::Upsert(list) => point(upsert(list, sizes)?),
        Operation::DeletePoints(proto::points_update_operation::DeletePoints {
            points, ..
        }) => point(delete(selected(points)?)),
        Operation::DeleteDeprecated(points) => point(delete(selected(Some(points))?)),
        Operation::SetPayload(set) => on_payload(PayloadOps::SetPayload(set_payload(
            set.payload,
            set.points_selector,
            set.key.as_deref(),
        )?)),
        // The server has no path here either: overwriting replaces the whole payload.
        Operation::OverwritePayload(set) => on_payload(PayloadOps::OverwritePayload(set_payload(
            set.payload,
            set.points_selector,
            None,
        )?)),
        Operation::DeletePayload(delete) => {
            let (points, filter) = selected(delete.points_selector)?.into_parts();
            on_payload(PayloadOps::DeletePayload(DeletePayloadOp {
                keys: payload::paths(&delete.keys)?,
                points,
                filter,
            }))
        }
        Operation::ClearPayload(clear) => on_payload(clear_payload(selected(clear.points)?)),
        Operation::ClearPayloadDeprecated(points) => {
            on_payload(clear_payload(selected(Some(points))?))
        }
        Operation::UpdateVectors(update) => {
            UpdateOperation::VectorOperation(VectorOperations::UpdateVectors(UpdateVectorsOp {
                points: update
                    .points
                    .into_iter()
                    .map(|point| {
                        Ok(PointVectorsPersisted {
                            id: id::from_proto(point.id)?,
                            vector: vector::from_proto(point.vectors, sizes)?,
                        })
                    })
                    .collect::<Result<_, Status>>()?,
                update_filter: filter::optional(update.update_filter)?,
            }))
        }
        Operation::DeleteVectors(delete) => {
            let names = delete
                .vectors
                .ok_or_else(|| Status::invalid_argument("vectors is expected"))?
                .names;
            for name in &names {
                sizes.check_name(name)?;
            }
            UpdateOperation::VectorOperation(match selected(delete.points_selector)? {
                Selected::Ids(ids) => {
                    VectorOperations::DeleteVectors(PointIdsList::from(ids), names)
                }
                Selected::Filter(filter) => VectorOperations::DeleteVectorsByFilter(filter, names),
            })
        }
    })
}

/// Refuses a request for a shard key: a collection here is one shard.
pub(in crate::qdrant) fn no_shard_key(
    selector: Option<&proto::ShardKeySelector>,
) -> Result<(), Status> {
    match selector {
        Some(selector) if !selector.shard_keys.is_empty() => {
            Err(bad_input("the embedded Qdrant has no shard keys"))
        }
        _ => Ok(()),
    }
}

#[expect(deprecated, reason = "older clients send the deprecated variants")]
fn shard_key(operation: &Operation) -> Option<&proto::ShardKeySelector> {
    match operation {
        Operation::Upsert(operation) => operation.shard_key_selector.as_ref(),
        Operation::SetPayload(operation) => operation.shard_key_selector.as_ref(),
        Operation::OverwritePayload(operation) => operation.shard_key_selector.as_ref(),
        Operation::DeletePayload(operation) => operation.shard_key_selector.as_ref(),
        Operation::UpdateVectors(operation) => operation.shard_key_selector.as_ref(),
        Operation::DeleteVectors(operation) => operation.shard_key_selector.as_ref(),
        Operation::DeletePoints(operation) => operation.shard_key_selector.as_ref(),
        Operation::ClearPayload(operation) => operation.shard_key_selector.as_ref(),
        Operation::DeleteDeprecated(_) | Operation::ClearPayloadDeprecated(_) => None,
    }
}

/// Which points a write is about.
enum Selected {
    Ids(Vec<PointId>),
    Filter(Filter),
}

impl Selected {
    fn into_parts(self) -> (Option<Vec<PointId>>, Option<Filter>) {
        match self {
            Self::Ids(ids) => (Some(ids), None),
            Self::Filter(filter) => (None, Some(filter)),
        }
    }
}

fn selected(selector: Option<proto::PointsSelector>) -> Result<Selected, Status> {
    match selector.and_then(|selector| selector.points_selector_one_of) {
        Some(PointsSelectorOneOf::Points(list)) => Ok(Selected::Ids(id::all_from_proto(list.ids)?)),
        Some(PointsSelectorOneOf::Filter(filter)) => {
            Ok(Selected::Filter(filter::from_proto(filter)?))
        }
        None => Err(Status::invalid_argument("PointSelector is missing")),
    }
}

fn point(operation: PointOperations) -> UpdateOperation {
    UpdateOperation::PointOperation(operation)
}

fn on_payload(operation: PayloadOps) -> UpdateOperation {
    UpdateOperation::PayloadOperation(operation)
}

fn upsert(list: PointStructList, sizes: &VectorSizes) -> Result<PointOperations, Status> {
    let points = list
        .points
        .into_iter()
        .map(|point| {
            Ok(PointStructPersisted {
                vector: vector::from_proto(point.vectors, sizes)?,
                id: id::from_proto(point.id)?,
                payload: (!point.payload.is_empty())
                    .then(|| payload::from_proto(point.payload))
                    .transpose()?,
            })
        })
        .collect::<Result<_, Status>>()?;
    let points_op = PointInsertOperations::PointsList(points);
    let mode = update_mode(list.update_mode);
    if list.update_filter.is_none() && mode == UpdateMode::Upsert {
        return Ok(PointOperations::UpsertPoints(points_op));
    }
    Ok(PointOperations::UpsertPointsConditional(
        ConditionalInsertOperation {
            points_op,
            condition: filter::optional(list.update_filter)?.unwrap_or_default(),
            update_mode: Some(mode),
        },
    ))
}

/// An unknown mode is an upsert, as on the server.
fn update_mode(mode: Option<i32>) -> UpdateMode {
    match mode.map(proto::UpdateMode::try_from) {
        Some(Ok(proto::UpdateMode::InsertOnly)) => UpdateMode::InsertOnly,
        Some(Ok(proto::UpdateMode::UpdateOnly)) => UpdateMode::UpdateOnly,
        Some(Ok(proto::UpdateMode::Upsert) | Err(_)) | None => UpdateMode::Upsert,
    }
}

fn delete(selected: Selected) -> PointOperations {
    match selected {
        Selected::Ids(ids) => PointOperations::DeletePoints { ids },
        Selected::Filter(filter) => PointOperations::DeletePointsByFilter(filter),
    }
}

fn clear_payload(selected: Selected) -> PayloadOps {
    match selected {
        Selected::Ids(points) => PayloadOps::ClearPayload { points },
        Selected::Filter(filter) => PayloadOps::ClearPayloadByFilter(filter),
    }
}

fn set_payload(
    fields: HashMap<String, proto::Value>,
    selector: Option<proto::PointsSelector>,
    key: Option<&str>,
) -> Result<SetPayloadOp, Status> {
    let (points, filter) = selected(selector)?.into_parts();
    Ok(SetPayloadOp {
        payload: payload::from_proto(fields)?,
        points,
        filter,
        key: key.map(payload::path).transpose()?,
    })
}
