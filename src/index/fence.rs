//! Fences: the right of one assignment of one partition to write points.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use crate::record::{Epoch, TopicPartition};

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
