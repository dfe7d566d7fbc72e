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
    unsettled_since_ms: Arc<AtomicI64>,
    noted: Arc<AtomicI64>,
    committed: Arc<AtomicI64>,
    epoch: Arc<AtomicI64>,
}

impl Default for Frontier {
    fn default() -> Self {
        Self {
            settled: Arc::new(AtomicI64::new(NONE)),
            unsettled_since_ms: Arc::new(AtomicI64::new(NONE)),
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

    /// Since when the oldest record that has not settled is in Kafka, in milliseconds since 1970;
    /// `None` when there is none.
    pub fn publish_unsettled_since(&self, ms: Option<i64>) {
        self.unsettled_since_ms
            .store(ms.map_or(NONE, |ms| ms.max(0)), Ordering::Release);
    }

    /// For how long the oldest record that has not settled is in Kafka at `now_ms` (milliseconds since
    /// 1970), in seconds: how old what the index shows of this partition may be.
    pub fn unsettled_seconds(&self, now_ms: i64) -> f64 {
        match self.unsettled_since_ms.load(Ordering::Acquire) {
            NONE => 0.0,
            since_ms => now_ms.saturating_sub(since_ms).max(0) as f64 / 1_000.0,
        }
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
    fn an_unsettled_record_grows_older_until_none_is_left() {
        let frontier = Frontier::default();
        assert!(frontier.unsettled_seconds(5_000).abs() < f64::EPSILON);
        frontier.publish_unsettled_since(Some(3_500));
        assert!((frontier.unsettled_seconds(5_000) - 1.5).abs() < f64::EPSILON);
        let before_it = frontier.unsettled_seconds(3_000);
        assert!(before_it.abs() < f64::EPSILON, "clocks may differ");
        frontier.publish_unsettled_since(None);
        assert!(frontier.unsettled_seconds(9_000).abs() < f64::EPSILON);
    }

    #[test]
    fn what_has_settled_is_not_committed_before_the_collection_says_so() {
        let frontier = Frontier::default();
        frontier.publish(Offset(5));
        assert_eq!(frontier.get(), Some(Offset(5)));
        assert_eq!(frontier.uncommitted(), None);
    }
}
