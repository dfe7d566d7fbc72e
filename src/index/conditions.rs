//! What a point must be to be written: the filters of conditional writes.
//!
//! Whoever writes may write its own partition's points, as far as its [fence](super::fence) lets it. Some
//! writes ask for more of their one point.

use qdrant_client::qdrant::{Condition, Filter, Range};

use crate::record::{Epoch, Expected, Offset, TextHash, TopicPartition, Write, WrittenUnder};

use super::{
    fence::Fence,
    stored::{DELETED_MS, EPOCH, field},
    value,
};

/// The partition and the epoch from which the point is taken over.
pub(super) fn taken_from(write: &Write) -> Option<&WrittenUnder> {
    match write.expected() {
        Some(Expected::WrittenUnder(written)) => Some(written),
        Some(Expected::Offset(_)) | None => None,
    }
}

/// Matches the points that may be written.
pub(super) fn writable(fence: &Fence, epoch: Epoch, taken_from: Option<&WrittenUnder>) -> Filter {
    match taken_from {
        Some(written) => elsewhere(written),
        None => own(fence.partition(), epoch),
    }
}

/// What is asked of this one point, besides that it may be written: none, or that it is this one and
/// all the others.
pub(super) fn of_point(write: &Write) -> Vec<Condition> {
    let mut conditions = Vec::new();
    if let Write::PatchPayload {
        stored, kept_text, ..
    } = write
    {
        conditions.push(keeping(*kept_text, &stored.fingerprint).into());
    }
    if let Some(Expected::Offset(offset)) = write.expected() {
        conditions.push(as_of(*offset));
    }
    if !conditions.is_empty() {
        let this = Condition::has_id([value::point_id(write.point())]);
        conditions.insert(0, this);
    }
    conditions
}

/// Matches the points that the owner of `partition` may write under `epoch`: its own, unless they
/// have a greater epoch, and those that say nothing of a partition.
pub(super) fn own(partition: &TopicPartition, epoch: Epoch) -> Filter {
    Filter {
        should: vec![
            of_partition(&partition.topic, partition.partition).into(),
            Condition::is_empty(field("partition")),
        ],
        must_not: vec![written_above(epoch)],
        ..Filter::default()
    }
}

/// Matches the points that were written last under one epoch of another partition.
fn elsewhere(WrittenUnder { partition, epoch }: &WrittenUnder) -> Filter {
    let mut filter = of_partition(&partition.topic, partition.partition);
    filter.must.push(match *epoch {
        Some(Epoch(epoch)) => Condition::matches(field(EPOCH), epoch),
        None => Condition::is_empty(field(EPOCH)),
    });
    filter
}

/// Matches the points that say of their vector what a patch of `fingerprint`'s model takes for granted:
/// that it is of `kept_text`, or that they have none of that model.
fn keeping(kept_text: Option<TextHash>, fingerprint: &str) -> Filter {
    let is_of_model = Condition::matches(field("model"), fingerprint.to_owned());
    let text = field("text_hash");
    match kept_text {
        Some(hash) => Filter::must([is_of_model, Condition::matches(text, hash.to_string())]),
        None => Filter {
            // Not a tombstone.
            must: vec![Condition::is_empty(field(DELETED_MS))],
            must_not: vec![Condition::from(Filter {
                must: vec![is_of_model],
                must_not: vec![Condition::is_empty(text)],
                ..Filter::default()
            })],
            ..Filter::default()
        },
    }
}

/// Matches the points that are as of this record of their partition.
fn as_of(offset: Offset) -> Condition {
    Condition::matches(field("offset"), offset.0)
}

/// Matches the points of one partition's rows and tombstones, and its claim.
pub(super) fn of_partition(topic: &str, partition: i32) -> Filter {
    Filter::must([
        Condition::matches(field("topic"), topic.to_owned()),
        Condition::matches(field("partition"), i64::from(partition)),
    ])
}

/// Matches points with a greater epoch.
pub(super) fn written_above(epoch: Epoch) -> Condition {
    let above = Range {
        gt: Some(epoch.0 as f64),
        ..Range::default()
    };
    Condition::range(field(EPOCH), above)
}
