//! A lane of several parts that fail on their own, such as collections on one server.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Health, Lane, LaneState};

/// One part of a lane. The lane is in the worst state that one of its parts is in, so that no
/// part's recovery hides another's outage. A clone is the same part.
#[derive(Debug, Clone)]
pub struct LanePart {
    part: usize,
    whole: Arc<Whole>,
}

#[derive(Debug)]
struct Whole {
    health: Health,
    lane: Lane,
    parts: Mutex<Vec<(String, LaneState)>>,
}

impl LanePart {
    /// The parts of a lane, by their names, all as they start: waiting.
    pub fn split(health: &Health, lane: Lane, names: impl Iterator<Item = String>) -> Vec<Self> {
        let starting = || LaneState::Waiting("starting".to_owned());
        let parts: Vec<_> = names.map(|name| (name, starting())).collect();
        let count = parts.len();
        let whole = Arc::new(Whole {
            health: health.clone(),
            lane,
            parts: Mutex::new(parts),
        });
        (0..count)
            .map(|part| Self {
                part,
                whole: whole.clone(),
            })
            .collect()
    }

    /// Two parts that need no names, because their reasons say what they are about; both are ready.
    pub fn pair(health: &Health, lane: Lane) -> [Self; 2] {
        let parts = vec![(String::new(), LaneState::Ready); 2];
        let whole = Arc::new(Whole {
            health: health.clone(),
            lane,
            parts: Mutex::new(parts),
        });
        [0, 1].map(|part| Self {
            part,
            whole: whole.clone(),
        })
    }

    /// Sets the part's state, and with it the lane's. Where there are several parts, the lane's
    /// reason names the one that it is about.
    pub fn set(&self, state: LaneState) {
        let Whole {
            health,
            lane,
            parts,
        } = &*self.whole;
        let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, slot)) = parts.get_mut(self.part) {
            *slot = state;
        }
        // Told under the lock, so that what is told last is how it is.
        health.set(*lane, worst(&parts));
    }
}

fn worst(parts: &[(String, LaneState)]) -> LaneState {
    let is_one_of_many = parts.len() > 1;
    let named = |name: &str, reason: &str| {
        if is_one_of_many && !name.is_empty() {
            format!("{name}: {reason}")
        } else {
            reason.to_owned()
        }
    };
    let mut worst = LaneState::Ready;
    for (name, state) in parts {
        match (&worst, state) {
            (LaneState::Ready, LaneState::Waiting(reason)) => {
                worst = LaneState::Waiting(named(name, reason));
            }
            (LaneState::Ready | LaneState::Waiting(_), LaneState::Blocked(reason)) => {
                worst = LaneState::Blocked(named(name, reason));
            }
            _ => {}
        }
    }
    worst
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn split(names: &[&str]) -> (Health, Vec<LanePart>) {
        let health = Health::default();
        let names = names.iter().map(ToString::to_string);
        let parts = LanePart::split(&health, Lane::Index, names);
        (health, parts)
    }

    #[test]
    fn the_lane_is_ready_once_all_its_parts_are() {
        let (health, parts) = split(&["a", "b"]);
        parts[0].set(LaneState::Ready);
        let waiting = LaneState::Waiting("b: starting".to_owned());
        assert_eq!(health.get(Lane::Index), waiting);
        parts[1].set(LaneState::Ready);
        assert_eq!(health.get(Lane::Index), LaneState::Ready);
    }

    #[test]
    fn one_parts_recovery_does_not_hide_anothers_outage() {
        let (health, parts) = split(&["a", "b"]);
        parts[0].set(LaneState::Waiting("no answer".to_owned()));
        parts[1].set(LaneState::Blocked("gone".to_owned()));
        let blocked = LaneState::Blocked("b: gone".to_owned());
        assert_eq!(health.get(Lane::Index), blocked);
        parts[0].set(LaneState::Ready);
        assert_eq!(health.get(Lane::Index), blocked);
    }

    #[test]
    fn the_only_part_needs_no_name() {
        let (health, parts) = split(&["a"]);
        parts[0].set(LaneState::Blocked("gone".to_owned()));
        assert_eq!(health.get(Lane::Index).reason(), Some("gone"));
    }
}
