//! How far a partition may be committed, seen from outside its worker.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use crate::record::{Epoch, Offset};

const NONE: i64 = -1;

/// A partition's frontier: its worker publishes it, the committer reads it. A clone shares it.
#[derive(Debug, Clone)]
pub struct Frontier {
    settled: Arc<AtomicI64>,
    noted: Arc<AtomicI64>,
    committed: Arc<AtomicI64>,
    epoch: Arc<AtomicI64>,
}

impl Default for Frontier {
    fn default() -> Self {
        Self {
            settled: Arc::new(AtomicI64::new(NONE)),
            noted: Arc::new(AtomicI64::new(NONE)),
            committed: Arc::new(AtomicI64::new(NONE)),
            epoch: Arc::new(AtomicI64::new(NONE)),
        }
    }
}

impl Frontier {
    /// Everything below `offset` has settled.
    pub fn publish(&self, offset: Offset) {
        self.settled.store(offset.0, Ordering::Release);
    }

    /// The partition is owned under this epoch: it is committed with the offset, so that the next
    /// owner starts above it.
    pub fn set_epoch(&self, epoch: Epoch) {
        self.epoch.store(epoch.0, Ordering::Release);
    }

    /// Under which epoch the partition is owned, if that was told.
    pub fn epoch(&self) -> Option<Epoch> {
        of(&self.epoch).map(|Offset(epoch)| Epoch(epoch))
    }

    /// The offset last published.
    pub fn get(&self) -> Option<Offset> {
        of(&self.settled)
    }

    /// The collection says that everything below `offset` is reflected in it: now it may be
    /// committed. In this order, so that whoever goes on at the committed offset finds no gap.
    pub fn note(&self, offset: Offset) {
        self.noted.store(offset.0, Ordering::Release);
    }

    /// The offset that may be committed.
    pub fn noted(&self) -> Option<Offset> {
        of(&self.noted)
    }

    /// The offset to commit, if it is another than the one committed last.
    pub fn uncommitted(&self) -> Option<Offset> {
        self.noted()
            .filter(|offset| offset.0 != self.committed.load(Ordering::Acquire))
    }

    /// `offset` was committed.
    pub fn note_committed(&self, offset: Offset) {
        self.committed.store(offset.0, Ordering::Release);
    }
}

fn of(number: &AtomicI64) -> Option<Offset> {
    Some(number.load(Ordering::Acquire))
        .filter(|number| *number != NONE)
        .map(Offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_committed_once() {
        let frontier = Frontier::default();
        assert_eq!(frontier.uncommitted(), None);
        frontier.note(Offset(0));
        assert_eq!(frontier.uncommitted(), Some(Offset(0)));
        frontier.note_committed(Offset(0));
        assert_eq!(frontier.uncommitted(), None);
        frontier.note(Offset(5));
        assert_eq!(frontier.uncommitted(), Some(Offset(5)));
    }

    #[test]
    fn what_has_settled_is_not_committed_before_the_collection_says_so() {
        let frontier = Frontier::default();
        frontier.publish(Offset(5));
        assert_eq!(frontier.get(), Some(Offset(5)));
        assert_eq!(frontier.uncommitted(), None);
    }
}
