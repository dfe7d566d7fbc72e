//! The calls that write one thing, as the operation of an update batch that does the same. So there
//! is one path for all writes, and one form of them in the journal.

use qdrant_client::qdrant::{
    self as proto,
    points_update_operation::{self as update, Operation},
};

pub(super) struct Write {
    /// Name or alias.
    pub(super) collection: String,
    pub(super) wait: Option<bool>,
    pub(super) operation: proto::PointsUpdateOperation,
}

impl Write {
    fn new(collection: String, wait: Option<bool>, operation: Operation) -> Self {
        Self {
            collection,
            wait,
            operation: proto::PointsUpdateOperation {
                operation: Some(operation),
            },
        }
    }

    pub(super) fn set_payload(call: proto::SetPayloadPoints) -> Self {
        let operation = Operation::SetPayload(update::SetPayload {
            payload: call.payload,
            points_selector: call.points_selector,
            shard_key_selector: call.shard_key_selector,
            key: call.key,
        });
        Self::new(call.collection_name, call.wait, operation)
    }

    pub(super) fn overwrite_payload(call: proto::SetPayloadPoints) -> Self {
        let operation = Operation::OverwritePayload(update::OverwritePayload {
            payload: call.payload,
            points_selector: call.points_selector,
            shard_key_selector: call.shard_key_selector,
            key: call.key,
        });
        Self::new(call.collection_name, call.wait, operation)
    }
}

impl From<proto::UpsertPoints> for Write {
    fn from(call: proto::UpsertPoints) -> Self {
        let operation = Operation::Upsert(update::PointStructList {
            points: call.points,
            shard_key_selector: call.shard_key_selector,
            update_filter: call.update_filter,
            update_mode: call.update_mode,
        });
        Self::new(call.collection_name, call.wait, operation)
    }
}

impl From<proto::DeletePoints> for Write {
    fn from(call: proto::DeletePoints) -> Self {
        let operation = Operation::DeletePoints(update::DeletePoints {
            points: call.points,
            shard_key_selector: call.shard_key_selector,
        });
        Self::new(call.collection_name, call.wait, operation)
    }
}

impl From<proto::UpdatePointVectors> for Write {
    fn from(call: proto::UpdatePointVectors) -> Self {
        let operation = Operation::UpdateVectors(update::UpdateVectors {
            points: call.points,
            shard_key_selector: call.shard_key_selector,
            update_filter: call.update_filter,
        });
        Self::new(call.collection_name, call.wait, operation)
    }
}

impl From<proto::DeletePointVectors> for Write {
    fn from(call: proto::DeletePointVectors) -> Self {
        let operation = Operation::DeleteVectors(update::DeleteVectors {
            points_selector: call.points_selector,
            vectors: call.vectors,
            shard_key_selector: call.shard_key_selector,
        });
        Self::new(call.collection_name, call.wait, operation)
    }
}

impl From<proto::DeletePayloadPoints> for Write {
    fn from(call: proto::DeletePayloadPoints) -> Self {
        let operation = Operation::DeletePayload(update::DeletePayload {
            keys: call.keys,
            points_selector: call.points_selector,
            shard_key_selector: call.shard_key_selector,
        });
        Self::new(call.collection_name, call.wait, operation)
    }
}

impl From<proto::ClearPayloadPoints> for Write {
    fn from(call: proto::ClearPayloadPoints) -> Self {
        let operation = Operation::ClearPayload(update::ClearPayload {
            points: call.points,
            shard_key_selector: call.shard_key_selector,
        });
        Self::new(call.collection_name, call.wait, operation)
    }
}
