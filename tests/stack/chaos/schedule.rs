//! What goes wrong, and when. Pure.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

/// How many members there are: half of them in each group.
pub(crate) const MEMBERS: usize = 4;

/// Before the first fault, so that there is something to lose.
const CALM: Duration = Duration::from_secs(10);

/// A server needs this long after its start to be of use again, and does not go away before.
const RECOVERY: Duration = Duration::from_secs(45);

/// What a fault happens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Victim {
    /// The broker.
    Kafka,
    /// Kafka Connect, and the connectors in it.
    Connect,
    /// The embedding endpoint.
    Provider,
    /// The member in that place.
    Member(usize),
}

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// kill -9; it ends with a new process.
    Kill,
    /// SIGTERM; it ends with a new process.
    Stop,
    /// It takes connections and answers nothing.
    Freeze,
}

/// A fault begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Act {
    /// Since the faults began.
    pub(crate) at: Duration,
    pub(crate) victim: Victim,
    pub(crate) fault: Fault,
    pub(crate) begins: bool,
}

impl fmt::Display for Act {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { victim, fault, .. } = self;
        let victim = match victim {
            Victim::Member(_) => "member".to_owned(),
            other => format!("{other:?}"),
        };
        write!(formatter, "{fault:?} {victim}")
    }
}

/// The faults of a seed, in the order in which they begin and end; all of them end within `length`.
pub(crate) fn schedule(seed: u64, length: Duration) -> Vec<Act> {
    let mut random = Rng::with_seed(seed);
    let mut acts: Vec<Act> = Vec::new();
    let mut at = CALM;
    loop {
        let (victim, fault, longest) = match random.u32(0..12) {
            0 | 1 => (Victim::Kafka, Fault::Kill, 6),
            2 => (Victim::Kafka, Fault::Freeze, 10),
            3..6 => (Victim::Connect, Fault::Kill, 5),
            6 => (Victim::Provider, Fault::Freeze, 15),
            member => {
                let victim = Victim::Member(random.usize(0..MEMBERS));
                match member {
                    7..10 => (victim, Fault::Kill, 10),
                    10 => (victim, Fault::Stop, 10),
                    // Beyond the session, so that a zombie wakes up.
                    _ => (victim, Fault::Freeze, 12),
                }
            }
        };
        let ends = at + Duration::from_millis(random.u64(1_000..longest * 1_000));
        if ends >= length {
            acts.sort_by_key(|act| act.at);
            return acts;
        }
        let rest = match victim {
            Victim::Kafka | Victim::Connect => RECOVERY,
            Victim::Provider | Victim::Member(_) => Duration::ZERO,
        };
        let is_busy = |act: &Act| act.victim == victim && act.at + rest >= at;
        if !acts.iter().any(is_busy) {
            for (at, begins) in [(at, true), (ends, false)] {
                acts.push(Act {
                    at,
                    victim,
                    fault,
                    begins,
                });
            }
        }
        at += Duration::from_millis(random.u64(1_000..9_000));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    const LENGTH: Duration = Duration::from_mins(10);

    #[test]
    fn a_seed_has_one_schedule() {
        assert_eq!(schedule(7, LENGTH), schedule(7, LENGTH));
        assert_ne!(schedule(7, LENGTH), schedule(8, LENGTH));
    }

    #[test]
    fn nothing_fails_twice_at_once_and_every_fault_ends() {
        for seed in 1..50 {
            let mut away = BTreeMap::new();
            for act in schedule(seed, LENGTH) {
                if act.begins {
                    assert_eq!(away.insert(act.victim, act.fault), None, "seed {seed}");
                } else {
                    assert_eq!(away.remove(&act.victim), Some(act.fault), "seed {seed}");
                }
            }
            assert!(away.is_empty(), "seed {seed}");
        }
    }

    #[test]
    fn ten_minutes_have_every_fault() {
        let acts = schedule(1, LENGTH);
        let faults: BTreeSet<String> = acts.iter().map(ToString::to_string).collect();
        assert_eq!(
            faults.into_iter().collect::<Vec<_>>(),
            [
                "Freeze Kafka",
                "Freeze Provider",
                "Freeze member",
                "Kill Connect",
                "Kill Kafka",
                "Kill member",
                "Stop member",
            ]
        );
    }
}
