//! What goes wrong, in the words and with the codes of the real server.
//!
//! Clients match on both, so they follow `StorageError`, `CollectionError` and their conversion to a
//! gRPC status in Qdrant's sources (`lib/storage/src/content_manager`, `lib/collection/src/operations/types.rs`).

use qdrant_edge::OperationError;
use tonic::Status;

/// A request that names what isn't there: `what` is a whole sentence.
pub(super) fn not_found(what: impl AsRef<str>) -> Status {
    Status::not_found(format!("Not found: {}", what.as_ref()))
}

/// No collection and no alias has this name.
pub(super) fn no_collection(name: &str) -> Status {
    not_found(format!("Collection `{name}` doesn't exist!"))
}

/// A collection has this name already.
pub(super) fn collection_exists(name: &str) -> Status {
    Status::already_exists(format!("Wrong input: Collection `{name}` already exists!"))
}

/// A request that can't be right, whatever is stored.
pub(super) fn bad_input(description: impl AsRef<str>) -> Status {
    Status::invalid_argument(format!("Wrong input: {}", description.as_ref()))
}

/// A field outside of its range: `field` as a path into the message, `rule` as the server words it.
pub(super) fn invalid_field(field: &str, rule: &str) -> Status {
    Status::invalid_argument(format!("Validation error in body: [{field}: {rule}]"))
}

/// A fault of the server: disk, engine, a bug.
pub(super) fn internal(description: impl AsRef<str>) -> Status {
    Status::internal(format!("Service internal error: {}", description.as_ref()))
}

/// What the real server can do and this one can't, by name: never ignored in silence.
pub(super) fn unimplemented(what: impl AsRef<str>) -> Status {
    Status::unimplemented(format!("the embedded Qdrant has no {}", what.as_ref()))
}

/// An error of the engine, with the code and the words the server gives it.
pub(super) fn engine(error: OperationError) -> Status {
    match error {
        OperationError::PointIdError { missed_point_id } => {
            not_found(format!("No point with id {missed_point_id} found"))
        }
        OperationError::ServiceError { description, .. } => internal(description),
        OperationError::InconsistentStorage { .. }
        | OperationError::OutOfMemory { .. }
        | OperationError::Cancelled { .. } => internal(error.to_string()),
        OperationError::Timeout { description } => {
            Status::deadline_exceeded(format!("Timeout: {description}"))
        }
        OperationError::WrongVectorDimension { .. }
        | OperationError::VectorNameNotExists { .. }
        | OperationError::TypeError { .. }
        | OperationError::TypeInferenceError { .. }
        | OperationError::ValidationError { .. }
        | OperationError::WrongSparse
        | OperationError::WrongMulti
        | OperationError::MissingRangeIndexForOrderBy { .. }
        | OperationError::MissingMapIndexForFacet { .. }
        | OperationError::VariableTypeError { .. }
        | OperationError::NonFiniteNumber { .. } => bad_input(error.to_string()),
    }
}
