//! From a batch of writes to the operations of one `UpdateBatch` call.
//!
//! Qdrant charges by operation, not by point, and a fence belongs to an operation: so all deletes of
//! a partition are one operation, and so are all its upserts.

use std::collections::HashMap;

use qdrant_client::qdrant::{
    Condition, DenseVector, Filter, NamedVectors, PointStruct, PointsSelector,
    PointsUpdateOperation, UpdateMode, Vector, Vectors,
    points_selector::PointsSelectorOneOf,
    points_update_operation::{Operation, OverwritePayload, PointStructList},
    vector, vectors,
};

use crate::record::{Epoch, Expected, Payload, PointId, RESERVED_FIELD, Stored, Write};

use super::{fence, fence::Fence, stored, value};

/// A write, and what it is to be made with.
pub(super) struct Planned<'a> {
    pub(super) write: &'a Write,
    pub(super) fence: &'a Fence,
    /// Under which epoch of the fence.
    pub(super) epoch: Epoch,
    /// The vectors that a patch keeps, where it is written as an upsert.
    pub(super) kept: Option<Vectors>,
}

/// The operations that apply these writes, of which no two are to the same point.
pub(super) fn of_writes<'a>(
    writes: impl Iterator<Item = Planned<'a>>,
    vector_name: &str,
) -> Vec<PointsUpdateOperation> {
    let mut deletes = Lists::default();
    let mut patches = Vec::new();
    let mut patches_with_vector = Lists::default();
    let mut upserts = Lists::default();
    for planned in writes {
        let Planned {
            write,
            fence,
            epoch,
            kept,
        } = planned;
        let id = Some(value::point_id(write.point()));
        match write {
            Write::Delete {
                tombstone,
                expected,
                ..
            } => {
                let payload = stored::tombstone_to_value(tombstone, epoch);
                let point = PointStruct {
                    id,
                    payload: [(RESERVED_FIELD.to_owned(), payload)].into(),
                    vectors: Some(no_vectors()),
                };
                deletes.add(point, fence, epoch, expected.as_ref());
            }
            Write::PatchPayload {
                point,
                payload,
                stored,
                expected,
                ..
            } => {
                let payload = full_payload(payload, stored, epoch);
                match kept {
                    Some(_) => {
                        let point = PointStruct {
                            id,
                            payload,
                            vectors: kept,
                        };
                        patches_with_vector.add(point, fence, epoch, expected.as_ref());
                    }
                    None => patches.push(overwrite(
                        *point,
                        payload,
                        condition(fence, epoch, expected.as_ref()),
                    )),
                }
            }
            Write::Upsert {
                vector,
                payload,
                stored,
                expected,
                ..
            } => {
                let point = PointStruct {
                    id,
                    payload: full_payload(payload, stored, epoch),
                    vectors: Some(named(vector_name, vector)),
                };
                upserts.add(point, fence, epoch, expected.as_ref());
            }
        }
    }
    // First what is gone: it must not wait behind anything.
    let mut operations = deletes.into_operations(UpdateMode::Upsert);
    operations.append(&mut patches);
    // A point that was removed meanwhile must not come back by a patch.
    operations.extend(patches_with_vector.into_operations(UpdateMode::UpdateOnly));
    operations.extend(upserts.into_operations(UpdateMode::Upsert));
    operations
}

/// Points to upsert, a list for each condition.
#[derive(Default)]
struct Lists<'a> {
    of_fence: Vec<(&'a Fence, Epoch, Vec<PointStruct>)>,
    of_others: Vec<(PointStruct, Filter)>,
}

impl<'a> Lists<'a> {
    fn add(
        &mut self,
        point: PointStruct,
        fence: &'a Fence,
        epoch: Epoch,
        expected: Option<&Expected>,
    ) {
        if expected.is_some() {
            let condition = condition(fence, epoch, expected);
            return self.of_others.push((point, condition));
        }
        let list = self
            .of_fence
            .iter_mut()
            .find(|(of, under, _)| of.is(fence) && *under == epoch);
        match list {
            Some((_, _, points)) => points.push(point),
            None => self.of_fence.push((fence, epoch, vec![point])),
        }
    }

    fn into_operations(self, mode: UpdateMode) -> Vec<PointsUpdateOperation> {
        let upsert = |points, condition| {
            operation(Operation::Upsert(PointStructList {
                points,
                shard_key_selector: None,
                update_filter: Some(condition),
                update_mode: Some(mode.into()),
            }))
        };
        let of_fence = self
            .of_fence
            .into_iter()
            .map(|(fence, epoch, points)| (points, condition(fence, epoch, None)));
        let of_others = self
            .of_others
            .into_iter()
            .map(|(point, condition)| (vec![point], condition));
        of_fence
            .chain(of_others)
            .map(|(points, condition)| upsert(points, condition))
            .collect()
    }
}

/// What a point must be to be written.
fn condition(fence: &Fence, epoch: Epoch, expected: Option<&Expected>) -> Filter {
    match expected {
        Some(expected) => fence::expected(expected),
        None => fence::own(fence.partition(), epoch),
    }
}

fn overwrite(
    point: PointId,
    payload: HashMap<String, qdrant_client::qdrant::Value>,
    condition: Filter,
) -> PointsUpdateOperation {
    let this = Condition::has_id([value::point_id(point)]);
    let filter = Filter::must([this, condition.into()]);
    operation(Operation::OverwritePayload(OverwritePayload {
        payload,
        points_selector: Some(PointsSelector {
            points_selector_one_of: Some(PointsSelectorOneOf::Filter(filter)),
        }),
        shard_key_selector: None,
        key: None,
    }))
}

fn full_payload(
    payload: &Payload,
    stored: &Stored,
    epoch: Epoch,
) -> HashMap<String, qdrant_client::qdrant::Value> {
    let mut fields: HashMap<_, _> = payload
        .fields()
        .iter()
        .map(|(name, column)| (name.to_string(), value::value(column)))
        .collect();
    fields.insert(RESERVED_FIELD.to_owned(), stored::to_value(stored, epoch));
    fields
}

/// A point without any vector: no vector search returns it.
pub(super) fn no_vectors() -> Vectors {
    Vectors {
        vectors_options: Some(vectors::VectorsOptions::Vectors(NamedVectors::default())),
    }
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

fn operation(operation: Operation) -> PointsUpdateOperation {
    PointsUpdateOperation {
        operation: Some(operation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Offset, PayloadHash, Tombstone, TopicPartition};

    const EPOCH: Epoch = Epoch(7);

    fn fences() -> Vec<Fence> {
        let fence = |partition| {
            let topic = "t".into();
            Fence::new(TopicPartition { topic, partition }, EPOCH)
        };
        (0..4).map(fence).collect()
    }

    fn delete(id: u64) -> Write {
        Write::Delete {
            point: PointId::Integer(id),
            tombstone: Box::new(Tombstone {
                topic: "t".into(),
                partition: 0,
                offset: Offset(1),
                timestamp_ms: 0,
                commit_ms: None,
                source: None,
                key: "[1]".into(),
                deleted_ms: 0,
            }),
            unread: false,
            expected: None,
        }
    }

    fn patch(id: u64) -> Write {
        Write::PatchPayload {
            point: PointId::Integer(id),
            payload: Payload::default(),
            stored: Box::new(Stored {
                topic: "t".into(),
                partition: 0,
                offset: Offset(1),
                timestamp_ms: 0,
                commit_ms: None,
                source: None,
                key: "[1]".into(),
                text_hash: None,
                wanted: None,
                payload_hash: PayloadHash::of(&[]),
                fingerprint: "m/4@e".into(),
                version: None,
                source_columns: Payload::default(),
            }),
            contested: false,
            expected: None,
        }
    }

    fn count(writes: &[Write], kept: Option<&Vectors>) -> usize {
        let fences = fences();
        let planned = writes.iter().zip(fences.iter().cycle());
        let planned = planned.map(|(write, fence)| Planned {
            write,
            fence,
            epoch: EPOCH,
            kept: kept.cloned(),
        });
        of_writes(planned, "text").len()
    }

    #[test]
    fn the_deletes_of_a_partition_are_one_operation() {
        let writes: Vec<Write> = (0..256).map(delete).collect();
        assert_eq!(count(&writes, None), 4);
    }

    #[test]
    fn patches_that_keep_a_vector_are_one_operation_a_partition() {
        let writes: Vec<Write> = (0..256).map(patch).collect();
        assert_eq!(count(&writes, Some(&no_vectors())), 4);
    }

    #[test]
    fn patches_without_a_vector_are_an_operation_each() {
        let writes: Vec<Write> = (0..8).map(patch).collect();
        assert_eq!(count(&writes, None), 8);
    }

    #[test]
    fn a_point_of_another_partition_is_taken_over_by_an_operation_of_its_own() {
        let take_over = |id| match delete(id) {
            Write::Delete {
                point, tombstone, ..
            } => Write::Delete {
                point,
                tombstone,
                unread: false,
                expected: Some(Expected {
                    topic: "t".into(),
                    partition: 9,
                    epoch: Some(EPOCH),
                }),
            },
            other => other,
        };
        let writes: Vec<Write> = (0..3).map(take_over).chain((3..9).map(delete)).collect();
        assert_eq!(count(&writes, None), 3 + 4);
    }

    #[test]
    fn no_writes_are_no_operations() {
        assert_eq!(count(&[], None), 0);
    }
}
