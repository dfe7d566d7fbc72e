//! Point ids: a number or a UUID.

use qdrant_client::qdrant::{self as proto, point_id::PointIdOptions};
use qdrant_edge::PointId;
use tonic::Status;
use uuid::Uuid;

/// The engine's form of an id that must be there.
pub(in crate::qdrant) fn from_proto(id: Option<proto::PointId>) -> Result<PointId, Status> {
    match id.and_then(|id| id.point_id_options) {
        Some(PointIdOptions::Num(number)) => Ok(PointId::NumId(number)),
        Some(PointIdOptions::Uuid(text)) => Uuid::parse_str(&text)
            .map(PointId::Uuid)
            .map_err(|_| Status::invalid_argument(format!("Unable to parse UUID: {text}"))),
        None => Err(Status::invalid_argument("No ID options provided")),
    }
}

/// As [`from_proto`], for many.
pub(in crate::qdrant) fn all_from_proto(ids: Vec<proto::PointId>) -> Result<Vec<PointId>, Status> {
    ids.into_iter().map(|id| from_proto(Some(id))).collect()
}

pub(in crate::qdrant) fn to_proto(id: PointId) -> proto::PointId {
    let options = match id {
        PointId::NumId(number) => PointIdOptions::Num(number),
        PointId::Uuid(uuid) => PointIdOptions::Uuid(uuid.to_string()),
    };
    proto::PointId {
        point_id_options: Some(options),
    }
}
