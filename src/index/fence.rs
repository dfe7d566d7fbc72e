//! Fences: the right of one assignment of one partition to write points.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use qdrant_client::qdrant::{Condition, Filter, Range};

use crate::record::{Assignment, Epoch, Offset, TextHash, TopicPartition};

use super::stored::{DELETED_MS, EPOCH, field};

/// The right of one assignment of one partition to write points. A clone is the same fence.
///
/// Every write says under which epoch it is made, and is conditional: a point that was written under
/// a greater epoch, or by the owner of another partition, stays as it is. So what a former owner
/// sent late, or sends when it wakes up, changes nothing that its successor has written.
#[derive(Debug, Clone)]
pub struct Fence {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    partition: TopicPartition,
    epoch: AtomicI64,
}

impl Fence {
    /// Of an assignment of `partition` that has `epoch`.
    pub fn new(partition: TopicPartition, epoch: Epoch) -> Self {
        Self {
            shared: Arc::new(Shared {
                partition,
                epoch: AtomicI64::new(epoch.0),
            }),
        }
    }

    /// Whose writes are fenced.
    pub fn partition(&self) -> &TopicPartition {
        &self.shared.partition
    }

    /// Under which epoch to write now.
    pub fn epoch(&self) -> Epoch {
        Epoch(self.shared.epoch.load(Ordering::Acquire))
    }

    /// Writes from now on get a greater epoch. To be called when a call succeeds that failed before
    /// without an answer: the failed one may still arrive, and must not overwrite what follows.
    pub(super) fn raise(&self) {
        self.shared.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// The assignment got another, greater epoch.
    pub fn renew(&self, epoch: Epoch) {
        self.shared.epoch.fetch_max(epoch.0, Ordering::AcqRel);
    }

    /// Whether both are the same fence.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
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

/// Matches the points that one assignment of another partition wrote last.
pub(super) fn elsewhere(assignment: &Assignment) -> Filter {
    let mut filter = of_partition(&assignment.topic, assignment.partition);
    filter.must.push(match assignment.epoch {
        Some(Epoch(epoch)) => Condition::matches(field(EPOCH), epoch),
        None => Condition::is_empty(field(EPOCH)),
    });
    filter
}

/// Matches the points that say of their vector what a patch of `fingerprint`'s model takes for granted:
/// that it is of `kept_text`, or that they have none of that model.
pub(super) fn keeping(kept_text: Option<TextHash>, fingerprint: &str) -> Filter {
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
pub(super) fn as_of(offset: Offset) -> Condition {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_raised_with_its_original() {
        let partition = TopicPartition {
            topic: "t".into(),
            partition: 0,
        };
        let fence = Fence::new(partition, Epoch(5));
        let clone = fence.clone();
        fence.raise();
        assert_eq!(clone.epoch(), Epoch(6));
        clone.renew(Epoch(4));
        assert_eq!(fence.epoch(), Epoch(6), "it never goes down");
        assert!(fence.is(&clone));
    }
}
