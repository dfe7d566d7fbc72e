//! What the questions that have no answer yet say about the lane.

use std::collections::BTreeMap;

use crate::{
    error::{Disposition, Failure},
    record::SchemaId,
    telemetry::LaneState,
};

/// The ids that could not be asked for, and why. The lane is as bad as the worst of them: that the
/// registry answers for one schema mends nothing for who waits for another.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    by_id: BTreeMap<SchemaId, Failure>,
}

impl Troubles {
    pub(super) fn begin(&mut self, id: SchemaId, failure: Failure) {
        self.by_id.insert(id, failure);
    }

    /// Whether there was any.
    pub(super) fn end(&mut self, id: SchemaId) -> bool {
        self.by_id.remove(&id).is_some()
    }

    /// The state of the lane.
    pub(super) fn lane(&self) -> LaneState {
        let blocked = |failure: &&Failure| failure.disposition == Disposition::Blocked;
        if let Some(failure) = self.by_id.values().find(blocked) {
            return LaneState::Blocked(failure.message.clone());
        }
        match self.by_id.values().next() {
            None => LaneState::Ready,
            Some(failure) => LaneState::Waiting(failure.message.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lane_is_as_bad_as_the_worst_question() {
        let mut troubles = Troubles::default();
        let (one, two) = (SchemaId::Id(1), SchemaId::Id(2));
        assert_eq!(troubles.lane(), LaneState::Ready);
        troubles.begin(one, Failure::transient("io", "away"));
        assert_eq!(troubles.lane(), LaneState::Waiting("away".into()));
        troubles.begin(two, Failure::blocked("forbidden", "grant"));
        assert_eq!(troubles.lane(), LaneState::Blocked("grant".into()));
        assert!(troubles.end(two));
        assert_eq!(troubles.lane(), LaneState::Waiting("away".into()));
        assert!(troubles.end(one));
        assert!(!troubles.end(one));
        assert_eq!(troubles.lane(), LaneState::Ready);
    }
}
