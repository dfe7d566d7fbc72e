//! Which partitions are paused: those whose gate is closed, and all while the budget is used up.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::record::TopicPartition;

/// By which whoever processes a partition asks the source to fetch no more of it, so that one that
/// stands still does not use up the memory of all. A clone is the same gate.
///
/// The source notices a change within a tenth of a second. What it has fetched by then still
/// arrives.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    closed: Arc<AtomicBool>,
}

impl Gate {
    /// Closes the gate, or opens it.
    pub fn set_closed(&self, closed: bool) {
        self.closed.store(closed, Ordering::Release);
    }

    /// Whether no more is to be fetched.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// What the client was last told.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    paused: HashSet<TopicPartition>,
    over_budget: bool,
    rebalances: u64,
}

/// What the client is to be told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) pause: Vec<TopicPartition>,
    pub(super) resume: Vec<TopicPartition>,
    pub(super) over_budget: bool,
    rebalances: u64,
    is_news: bool,
}

impl Pauses {
    /// Whether the budget was used up.
    pub(super) fn over_budget(&self) -> bool {
        self.over_budget
    }

    /// How many partitions are paused.
    pub(super) fn len(&self) -> usize {
        self.paused.len()
    }

    /// What to tell the client, given how many rebalances there were and each assigned partition
    /// with whether its gate is closed; `None` when there is nothing to tell.
    ///
    /// After a rebalance everything is told anew: librdkafka keeps a partition's pause over it, in
    /// both directions.
    pub(super) fn plan<'a>(
        &self,
        over_budget: bool,
        rebalances: u64,
        assigned: impl Iterator<Item = (&'a TopicPartition, bool)>,
    ) -> Option<Change> {
        let is_anew = rebalances != self.rebalances;
        let mut change = Change {
            over_budget,
            rebalances,
            is_news: is_anew || over_budget != self.over_budget,
            ..Change::default()
        };
        for (partition, is_closed) in assigned {
            let is_wanted = over_budget || is_closed;
            if !is_anew && is_wanted == self.paused.contains(partition) {
                continue;
            }
            change.is_news = true;
            let told = if is_wanted {
                &mut change.pause
            } else {
                &mut change.resume
            };
            told.push(partition.clone());
        }
        change.is_news.then_some(change)
    }

    /// The client was told.
    pub(super) fn note(&mut self, change: Change) {
        if change.rebalances != self.rebalances {
            self.paused.clear();
        }
        for partition in &change.resume {
            self.paused.remove(partition);
        }
        self.paused.extend(change.pause);
        self.over_budget = change.over_budget;
        self.rebalances = change.rebalances;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn partition(number: i32) -> TopicPartition {
        TopicPartition {
            topic: "t".into(),
            partition: number,
        }
    }

    /// Partitions by number, with whether their gates are closed.
    fn plan(pauses: &Pauses, over: bool, rebalances: u64, gates: &[bool]) -> Option<Change> {
        let assigned: Vec<(TopicPartition, bool)> = (0..)
            .zip(gates)
            .map(|(number, closed)| (partition(number), *closed))
            .collect();
        let assigned = assigned
            .iter()
            .map(|(partition, closed)| (partition, *closed));
        pauses.plan(over, rebalances, assigned)
    }

    #[test]
    fn a_closed_gate_pauses_its_partition_alone_and_is_told_once() {
        let mut pauses = Pauses::default();
        let change = plan(&pauses, false, 0, &[false, true]).unwrap();
        assert_eq!(change.pause, [partition(1)]);
        assert_eq!(change.resume, []);
        pauses.note(change);
        assert_eq!(plan(&pauses, false, 0, &[false, true]), None);
        let change = plan(&pauses, false, 0, &[false, false]).unwrap();
        assert_eq!(change.resume, [partition(1)]);
    }

    #[test]
    fn the_end_of_a_full_budget_opens_no_closed_gate() {
        let mut pauses = Pauses::default();
        let change = plan(&pauses, true, 0, &[false, true]).unwrap();
        pauses.note(change);
        assert_eq!(pauses.len(), 2);
        let change = plan(&pauses, false, 0, &[false, true]).unwrap();
        assert_eq!(
            (change.pause.len(), &change.resume),
            (0, &vec![partition(0)])
        );
        pauses.note(change);
        assert_eq!(pauses.len(), 1);
    }

    #[test]
    fn what_was_not_told_is_tried_again() {
        let pauses = Pauses::default();
        let first = plan(&pauses, false, 0, &[true]);
        assert_eq!(plan(&pauses, false, 0, &[true]), first);
    }

    #[test]
    fn after_a_rebalance_every_partition_is_told_anew() {
        let mut pauses = Pauses::default();
        let change = plan(&pauses, true, 1, &[false, false, false]).unwrap();
        pauses.note(change);
        let change = plan(&pauses, false, 2, &[false, true]).unwrap();
        assert_eq!(change.resume, [partition(0)]);
        assert_eq!(change.pause, [partition(1)]);
        pauses.note(change);
        assert_eq!(pauses.len(), 1, "what is no longer assigned does not count");
    }

    proptest! {
        /// Against a client that keeps pauses by partition, over rebalances, too: once told, it
        /// has paused just what is wanted.
        #[test]
        fn the_client_ends_up_with_what_is_wanted(
            steps in prop::collection::vec(
                (any::<bool>(), any::<bool>(), prop::collection::vec(any::<bool>(), 4), any::<bool>()),
                1..60,
            ),
        ) {
            let (mut pauses, mut client) = (Pauses::default(), HashSet::new());
            let (mut rebalances, mut assigned) = (0, 0..4);
            for (over, rebalance, gates, told) in steps {
                if rebalance {
                    rebalances += 1;
                    assigned = if assigned.start == 0 { 2..6 } else { 0..4 };
                }
                let now: Vec<(TopicPartition, bool)> =
                    assigned.clone().map(partition).zip(gates).collect();
                let borrowed = now.iter().map(|(partition, closed)| (partition, *closed));
                let change = pauses.plan(over, rebalances, borrowed);
                if !told {
                    continue;
                }
                if let Some(change) = change {
                    client.extend(change.pause.iter().cloned());
                    for partition in &change.resume {
                        client.remove(partition);
                    }
                    pauses.note(change);
                }
                let mut count = 0;
                for (partition, is_closed) in now {
                    prop_assert_eq!(client.contains(&partition), over || is_closed);
                    count += usize::from(over || is_closed);
                }
                prop_assert_eq!(pauses.len(), count);
            }
        }
    }
}
