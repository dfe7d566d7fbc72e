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

use crate::record::{Epoch, Payload, RESERVED_FIELD, Stored, Write, WrittenUnder};

use super::{
    conditions,
    fence::Fence,
    stored,
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
    let mut rows = Lists::default();
    for planned in writes {
        let id = planned.write.point();
        let epoch = planned.epoch;
        match planned.write {
            Write::Delete { tombstone, .. } => wire::point(
                deletes.points(&planned),
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
                    rows.points(&planned),
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
                rows.points(&planned),
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
    let mut operations = deletes.into_operations();
    operations.append(&mut patches);
    operations.extend(rows.into_operations());
    operations
}

/// The number of the points in a `PointStructList`.
const POINTS: u32 = 1;
/// The number of the fields in an `OverwritePayload`.
const PAYLOAD: u32 = 1;

/// Points to upsert.
#[derive(Default)]
struct Lists<'a> {
    lists: Vec<List<'a>>,
}

/// Points to upsert in one operation.
struct List<'a> {
    fence: &'a Fence,
    epoch: Epoch,
    mode: UpdateMode,
    /// What other partition's points these are; then there is but one.
    taken_from: Option<&'a WrittenUnder>,
    /// What each of them must be besides, if more is asked than that they may be written.
    each: Vec<Condition>,
    /// The points, written.
    points: Vec<u8>,
}

impl<'a> Lists<'a> {
    /// Where to write a write's point.
    fn points(&mut self, planned: &Planned<'a>) -> &mut Vec<u8> {
        let conditions = conditions::of_point(planned.write);
        if conditions.is_empty() {
            return &mut self.list(List::of(planned, UpdateMode::Upsert)).points;
        }
        // Something is asked of the point, so there must be one: it must not come back.
        let list = self.list(List::of(planned, UpdateMode::UpdateOnly));
        list.each.push(Filter::must(conditions).into());
        &mut list.points
    }

    /// One like this.
    fn list(&mut self, like: List<'a>) -> &mut List<'a> {
        let known = self.lists.iter().position(|list| list.may_hold(&like));
        let at = known.unwrap_or_else(|| {
            self.lists.push(like);
            self.lists.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "it was found there, or pushed")]
        &mut self.lists[at]
    }

    fn into_operations(self) -> Vec<Operation> {
        self.lists.into_iter().map(List::into_operation).collect()
    }
}

impl<'a> List<'a> {
    fn of(planned: &Planned<'a>, mode: UpdateMode) -> Self {
        Self {
            fence: planned.fence,
            epoch: planned.epoch,
            mode,
            taken_from: conditions::taken_from(planned.write),
            each: Vec::new(),
            points: Vec::new(),
        }
    }

    /// Whether the points of `other` may be written by the same operation.
    fn may_hold(&self, other: &Self) -> bool {
        let is_own = self.taken_from.is_none() && other.taken_from.is_none();
        is_own && self.fence.is(other.fence) && self.epoch == other.epoch && self.mode == other.mode
    }

    fn into_operation(self) -> Operation {
        let writable = conditions::writable(self.fence, self.epoch, self.taken_from);
        let condition = match self.each {
            each if each.is_empty() => writable,
            each => Filter::must([writable.into(), Filter::should(each).into()]),
        };
        upsert(self.points, condition, self.mode)
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
    let mut conditions = conditions::of_point(write);
    let taken_from = conditions::taken_from(write);
    conditions.push(conditions::writable(fence, *epoch, taken_from).into());
    let filter = Filter::must(conditions);
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
    use crate::record::{
        Expected, Offset, PayloadHash, PointId, Position, Tombstone, TopicPartition,
    };

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
                position: Position {
                    offset: Offset(1),
                    timestamp_ms: 0,
                    commit_ms: None,
                    source: None,
                },
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
                position: Position {
                    offset: Offset(1),
                    timestamp_ms: 0,
                    commit_ms: None,
                    source: None,
                },
                key: "[1]".into(),
                text_hash: None,
                wanted: None,
                payload_hash: PayloadHash::of(&[]),
                fingerprint: "m/4@e".into(),
                version: None,
                source_columns: Payload::default(),
                parked: None,
            }),
            kept_text: None,
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

    /// The same delete, of a point that must be this.
    fn delete_of(id: u64, of: Expected) -> Write {
        let mut write = delete(id);
        if let Write::Delete { expected, .. } = &mut write {
            *expected = Some(of);
        }
        write
    }

    #[test]
    fn a_point_of_another_partition_is_taken_over_by_an_operation_of_its_own() {
        let take_over = |id| {
            let elsewhere = WrittenUnder {
                partition: TopicPartition {
                    topic: "t".into(),
                    partition: 9,
                },
                epoch: Some(EPOCH),
            };
            delete_of(id, Expected::WrittenUnder(elsewhere))
        };
        let writes: Vec<Write> = (0..3).map(take_over).chain((3..9).map(delete)).collect();
        assert_eq!(count(&writes, None), 3 + 4);
    }

    #[test]
    fn what_must_find_its_point_as_it_was_is_an_operation_of_its_own() {
        let paying_a_debt = |id| delete_of(id, Expected::Offset(Offset(1)));
        let writes: Vec<Write> = (0..8)
            .map(paying_a_debt)
            .chain((8..16).map(delete))
            .collect();
        assert_eq!(count(&writes, None), 4 + 4);
    }

    #[test]
    fn no_writes_are_no_operations() {
        assert_eq!(count(&[], None), 0);
    }
}
