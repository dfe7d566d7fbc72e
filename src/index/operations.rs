//! From a batch of writes to the operations of one `UpdateBatch` call.
//!
//! Qdrant charges by operation, not by point, and a fence belongs to an operation: so all deletes of
//! a partition are one operation, and so are all its upserts.

use prost::Message as _;
use qdrant_client::qdrant::{
    Condition, Filter, NamedVectors, PointsSelector, UpdateMode, Vectors,
    points_selector::PointsSelectorOneOf,
    points_update_operation::{OverwritePayload, PointStructList},
    vectors::VectorsOptions,
};

use crate::record::{Epoch, Expected, Payload, RESERVED_FIELD, Stored, Write};

use super::{
    fence,
    fence::Fence,
    stored, value,
    wire::{self, Fields},
};

/// A write, and what it is to be made with.
pub(super) struct Planned<'a> {
    pub(super) write: &'a Write,
    pub(super) fence: &'a Fence,
    /// Under which epoch of the fence.
    pub(super) epoch: Epoch,
    /// The vectors that a patch keeps, where it is written as an upsert, as they were read.
    pub(super) kept: Option<&'a [u8]>,
}

/// An operation of a batch: the message of one of its kinds, written.
#[derive(Debug)]
pub(super) struct Operation {
    kind: Kind,
    message: Vec<u8>,
}

/// The kinds of operations, by the numbers of their fields in `PointsUpdateOperation`.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
enum Kind {
    Upsert = 1,
    OverwritePayload = 4,
}

impl Operation {
    /// So many bytes it takes in a batch, at most.
    pub(super) fn room(&self) -> usize {
        const HEADS: usize = 24;
        self.message.len() + HEADS
    }

    /// Appends what goes before [`Self::message`], where the operation is an element of the list
    /// that has this number in its message.
    pub(super) fn write_head(&self, list: u32, buffer: &mut Vec<u8>) {
        let mut inner = Vec::new();
        wire::head(&mut inner, self.kind as u32, self.message.len());
        wire::head(buffer, list, inner.len() + self.message.len());
        buffer.append(&mut inner);
    }

    /// The written message.
    pub(super) fn message(&self) -> &[u8] {
        &self.message
    }
}

/// The operations that apply these writes, of which no two are to the same point.
pub(super) fn of_writes<'a>(
    writes: impl Iterator<Item = Planned<'a>>,
    vector_name: &str,
) -> Vec<Operation> {
    let mut deletes = Lists::default();
    let mut patches = Vec::new();
    let mut patches_with_vector = Lists::default();
    let mut upserts = Lists::default();
    for planned in writes {
        let id = planned.write.point();
        let epoch = planned.epoch;
        match planned.write {
            Write::Delete { tombstone, .. } => wire::point(
                deletes.list(&planned),
                POINTS,
                id,
                |fields| {
                    fields.object(RESERVED_FIELD, |fields| {
                        stored::write_tombstone(fields, tombstone, epoch);
                    });
                },
                wire::Vectors::None,
            ),
            Write::PatchPayload {
                payload, stored, ..
            } => match planned.kept {
                Some(kept) => wire::point(
                    patches_with_vector.list(&planned),
                    POINTS,
                    id,
                    |fields| write_payload(fields, payload, stored, epoch),
                    wire::Vectors::AsRead(kept),
                ),
                None => patches.push(overwrite(&planned, payload, stored)),
            },
            Write::Upsert {
                vector,
                payload,
                stored,
                ..
            } => wire::point(
                upserts.list(&planned),
                POINTS,
                id,
                |fields| write_payload(fields, payload, stored, epoch),
                vector.as_ref().map_or(wire::Vectors::None, |vector| {
                    wire::Vectors::One(vector_name, vector)
                }),
            ),
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

/// The number of the points in a `PointStructList`.
const POINTS: u32 = 1;
/// The number of the fields in an `OverwritePayload`.
const PAYLOAD: u32 = 1;

/// Points to upsert, a list for each condition.
#[derive(Default)]
struct Lists<'a> {
    of_fence: Vec<(&'a Fence, Epoch, Vec<u8>)>,
    of_others: Vec<(Filter, Vec<u8>)>,
}

impl<'a> Lists<'a> {
    /// The list for a write's point.
    fn list(&mut self, planned: &Planned<'a>) -> &mut Vec<u8> {
        let (fence, epoch) = (planned.fence, planned.epoch);
        if let Some(expected) = planned.write.expected() {
            let condition = condition(fence, epoch, Some(expected));
            return &mut self.of_others.push_mut((condition, Vec::new())).1;
        }
        let is_of = |(of, under, _): &(&Fence, Epoch, _)| of.is(fence) && *under == epoch;
        let known = self.of_fence.iter().position(is_of);
        let at = known.unwrap_or_else(|| {
            self.of_fence.push((fence, epoch, Vec::new()));
            self.of_fence.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "it was found there, or pushed")]
        &mut self.of_fence[at].2
    }

    fn into_operations(self, mode: UpdateMode) -> Vec<Operation> {
        let of_fence = self
            .of_fence
            .into_iter()
            .map(|(fence, epoch, points)| (condition(fence, epoch, None), points));
        of_fence
            .chain(self.of_others)
            .map(|(condition, points)| upsert(points, condition, mode))
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

fn upsert(points: Vec<u8>, condition: Filter, mode: UpdateMode) -> Operation {
    // A message's fields may come in any order.
    let rest = PointStructList {
        points: Vec::new(),
        shard_key_selector: None,
        update_filter: Some(condition),
        update_mode: Some(mode.into()),
    };
    let mut message = points;
    message.append(&mut rest.encode_to_vec());
    let kind = Kind::Upsert;
    Operation { kind, message }
}

fn overwrite(planned: &Planned<'_>, payload: &Payload, stored: &Stored) -> Operation {
    let Planned {
        write,
        fence,
        epoch,
        ..
    } = planned;
    let this = Condition::has_id([value::point_id(write.point())]);
    let condition = condition(fence, *epoch, write.expected());
    let filter = Filter::must([this, condition.into()]);
    let rest = OverwritePayload {
        points_selector: Some(PointsSelector {
            points_selector_one_of: Some(PointsSelectorOneOf::Filter(filter)),
        }),
        ..OverwritePayload::default()
    };
    let mut message = rest.encode_to_vec();
    let mut fields = Fields::of_map(&mut message, PAYLOAD);
    write_payload(&mut fields, payload, stored, *epoch);
    let kind = Kind::OverwritePayload;
    Operation { kind, message }
}

fn write_payload(fields: &mut Fields<'_>, payload: &Payload, stored: &Stored, epoch: Epoch) {
    for (name, column) in payload.fields() {
        fields.column(name, column);
    }
    fields.object(RESERVED_FIELD, |fields| {
        stored::write(fields, stored, epoch);
    });
}

/// A point without any vector: no vector search returns it.
pub(super) fn no_vectors() -> Vectors {
    Vectors {
        vectors_options: Some(VectorsOptions::Vectors(NamedVectors::default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Offset, PayloadHash, PointId, Tombstone, TopicPartition};

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
                parked: None,
            }),
            contested: false,
            expected: None,
        }
    }

    fn count(writes: &[Write], kept: Option<&[u8]>) -> usize {
        let fences = fences();
        let planned = writes.iter().zip(fences.iter().cycle());
        let planned = planned.map(|(write, fence)| Planned {
            write,
            fence,
            epoch: EPOCH,
            kept,
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
        assert_eq!(count(&writes, Some(&[])), 4);
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
