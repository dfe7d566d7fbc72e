//! How far a partition may be committed, seen from outside its worker.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use crate::record::Offset;

const NONE: i64 = -1;

/// A partition's frontier: its worker publishes it, the committer reads it. A clone shares it.
#[derive(Debug, Clone)]
pub struct Frontier {
    settled: Arc<AtomicI64>,
    committed: Arc<AtomicI64>,
}

impl Default for Frontier {
    fn default() -> Self {
        Self {
            settled: Arc::new(AtomicI64::new(NONE)),
            committed: Arc::new(AtomicI64::new(NONE)),
        }
    }
}

impl Frontier {
    /// Everything below `offset` has settled.
    pub fn publish(&self, offset: Offset) {
        self.settled.store(offset.0, Ordering::Release);
    }

    /// The offset last published.
    pub fn get(&self) -> Option<Offset> {
        Some(self.settled.load(Ordering::Acquire))
            .filter(|offset| *offset != NONE)
            .map(Offset)
    }

    /// The offset to commit, if it is another than the one committed last.
    pub fn uncommitted(&self) -> Option<Offset> {
        self.get()
            .filter(|offset| offset.0 != self.committed.load(Ordering::Acquire))
    }

    /// `offset` was committed.
    pub fn note_committed(&self, offset: Offset) {
        self.committed.store(offset.0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_committed_once() {
        let frontier = Frontier::default();
        assert_eq!(frontier.uncommitted(), None);
        frontier.publish(Offset(0));
        assert_eq!(frontier.uncommitted(), Some(Offset(0)));
        frontier.note_committed(Offset(0));
        assert_eq!(frontier.uncommitted(), None);
        frontier.publish(Offset(5));
        assert_eq!(frontier.uncommitted(), Some(Offset(5)));
    }
}
