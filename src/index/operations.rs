//! From a batch of writes to the operations of one `UpdateBatch` call.
//!
//! Qdrant charges by operation, not by point: all upserts of a batch are one operation, and so are
//! all deletes.

use std::collections::HashMap;

use qdrant_client::qdrant::{
    DenseVector, NamedVectors, PointStruct, PointsIdsList, PointsSelector, PointsUpdateOperation,
    Vector, Vectors,
    points_selector::PointsSelectorOneOf,
    points_update_operation::{DeletePoints, Operation, OverwritePayload, PointStructList},
    vector, vectors,
};

use crate::record::{Payload, RESERVED_FIELD, Stored, Write};

use super::{stored, value};

/// The operations that apply these writes, of which no two are to the same point.
pub(super) fn of_writes<'a>(
    writes: impl Iterator<Item = &'a Write>,
    vector_name: &str,
) -> Vec<PointsUpdateOperation> {
    let mut upserts = Vec::new();
    let mut deletes = Vec::new();
    let mut patches = Vec::new();
    for write in writes {
        match write {
            Write::Upsert {
                point,
                vector,
                payload,
                stored,
            } => upserts.push(PointStruct {
                id: Some(value::point_id(*point)),
                payload: full_payload(payload, stored),
                vectors: Some(named(vector_name, vector)),
            }),
            Write::PatchPayload {
                point,
                payload,
                stored,
            } => {
                patches.push(operation(Operation::OverwritePayload(OverwritePayload {
                    payload: full_payload(payload, stored),
                    points_selector: Some(selector(vec![value::point_id(*point)])),
                    shard_key_selector: None,
                    key: None,
                })));
            }
            Write::Delete { point } => deletes.push(value::point_id(*point)),
        }
    }
    let mut operations = Vec::with_capacity(patches.len() + 2);
    // First what is gone: it must not wait behind patches, an operation each.
    if !deletes.is_empty() {
        operations.push(operation(Operation::DeletePoints(DeletePoints {
            points: Some(selector(deletes)),
            shard_key_selector: None,
        })));
    }
    operations.append(&mut patches);
    if !upserts.is_empty() {
        operations.push(operation(Operation::Upsert(PointStructList {
            points: upserts,
            shard_key_selector: None,
            update_filter: None,
            update_mode: None,
        })));
    }
    operations
}

fn full_payload(
    payload: &Payload,
    stored: &Stored,
) -> HashMap<String, qdrant_client::qdrant::Value> {
    let mut fields: HashMap<_, _> = payload
        .fields()
        .iter()
        .map(|(name, column)| (name.to_string(), value::value(column)))
        .collect();
    fields.insert(RESERVED_FIELD.to_owned(), stored::to_value(stored));
    fields
}

#[expect(
    deprecated,
    reason = "the struct's own deprecated fields have to be given"
)]
fn named(name: &str, data: &[f32]) -> Vectors {
    let vector = Vector {
        data: Vec::new(),
        indices: None,
        vectors_count: None,
        vector: Some(vector::Vector::Dense(DenseVector {
            data: data.to_vec(),
        })),
    };
    Vectors {
        vectors_options: Some(vectors::VectorsOptions::Vectors(NamedVectors {
            vectors: [(name.to_owned(), vector)].into(),
        })),
    }
}

fn selector(ids: Vec<qdrant_client::qdrant::PointId>) -> PointsSelector {
    PointsSelector {
        points_selector_one_of: Some(PointsSelectorOneOf::Points(PointsIdsList { ids })),
    }
}

fn operation(operation: Operation) -> PointsUpdateOperation {
    PointsUpdateOperation {
        operation: Some(operation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::PointId;

    #[test]
    fn all_deletes_of_a_batch_are_one_operation() {
        let writes: Vec<Write> = (0..256)
            .map(|id| Write::Delete {
                point: PointId::Integer(id),
            })
            .collect();
        assert_eq!(of_writes(writes.iter(), "text").len(), 1);
    }

    #[test]
    fn no_writes_are_no_operations() {
        assert!(of_writes([].iter(), "text").is_empty());
    }
}
