//! Membership in the consumer group: the assigned partitions, and what happens on a rebalance. What
//! else the client says is taken in by `client` and `statistics`.

mod client;
mod progress;
mod statistics;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance},
    error::RDKafkaErrorCode,
};
use tokio::{runtime::Handle, sync::oneshot, time::Instant};
use tracing::{info, warn};

use crate::{
    commit::{Committed, Frontier, Which, commit},
    lease::Lease,
    record::{Share, TopicPartition},
    telemetry::{Health, KafkaMetrics, Lane, LaneState},
};

use super::{
    Drain, Feed, Partitions,
    committer::Errands,
    gate::{Change, Pauses},
    trouble::{Standing, Trouble},
};

/// How often the lease is renewed while partitions are drained.
const LOOK: Duration = Duration::from_millis(200);

/// The state that the client's callbacks share with the polling loop.
pub(super) struct Group {
    partitions: Box<dyn Partitions>,
    errands: Errands,
    lease: Lease,
    feeds: Mutex<Feeds>,
    /// One commit at a time: an earlier snapshot of the frontiers must not overtake a later one.
    committing: Mutex<()>,
    drain_timeout: Duration,
    runtime: Handle,
    metrics: KafkaMetrics,
    health: Health,
}

#[derive(Default)]
struct Feeds {
    by_partition: HashMap<TopicPartition, Feed>,
    /// Counts rebalances, so that the polling loop notices one.
    rebalances: u64,
    /// How many partitions the subscribed topics have together, once that is known.
    total: Option<usize>,
    joined: bool,
    /// Every partition is paused, for the memory budget is used up.
    over_budget: bool,
    standing: Standing,
    /// What the client said last, and of which error.
    said: Option<(RDKafkaErrorCode, String)>,
}

impl Group {
    pub(super) fn new(
        partitions: Box<dyn Partitions>,
        errands: Errands,
        lease: Lease,
        drain_timeout: Duration,
        runtime: Handle,
        metrics: KafkaMetrics,
        health: Health,
    ) -> Self {
        Self {
            partitions,
            errands,
            lease,
            feeds: Mutex::default(),
            committing: Mutex::default(),
            drain_timeout,
            runtime,
            metrics,
            health,
        }
    }

    fn feeds(&self) -> MutexGuard<'_, Feeds> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The queue of a partition, if it is assigned.
    pub(super) fn records(
        &self,
        partition: &TopicPartition,
    ) -> Option<tokio::sync::mpsc::UnboundedSender<Vec<crate::record::RawRecord>>> {
        self.feeds()
            .by_partition
            .get(partition)
            .map(|feed| feed.records.clone())
    }

    /// What to tell the client about pausing; `None` when there is nothing to tell.
    pub(super) fn plan_pauses(&self, pauses: &Pauses, over_budget: bool) -> Option<Change> {
        let mut feeds = self.feeds();
        feeds.over_budget = over_budget;
        let gates = feeds.by_partition.iter();
        let gates = gates.map(|(partition, feed)| {
            let is_closed = feed.gate.is_closed() || self.health.is_table_paused(&partition.topic);
            (partition, is_closed)
        });
        pauses.plan(over_budget, feeds.rebalances, gates)
    }

    /// Whether this process may take itself for a member.
    pub(super) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The polling thread comes by.
    pub(super) fn renew_lease(&self) {
        if !self.lease.renew(std::time::Instant::now()) {
            warn!(
                "this process stood still for longer than kafka.session_timeout; nothing is written until the group confirms that it is still a member"
            );
        }
    }

    /// The assigned partitions, with what may be committed.
    pub(super) fn frontiers(&self) -> Vec<(TopicPartition, Frontier)> {
        self.feeds()
            .by_partition
            .iter()
            .map(|(partition, feed)| (partition.clone(), feed.frontier.clone()))
            .collect()
    }

    /// Records arrive.
    pub(super) fn note_records(&self) {
        if self.feeds().standing.records_arrive() {
            self.health.set(Lane::Kafka, LaneState::Ready);
        }
    }

    /// Drains partitions and waits until they are, or until the time is up.
    fn drain(
        &self,
        partitions: &[TopicPartition],
        timeout: Duration,
    ) -> Vec<(TopicPartition, Frontier)> {
        let feeds: Vec<(TopicPartition, Feed)> = {
            let mut assigned = self.feeds();
            partitions
                .iter()
                .filter_map(|partition| assigned.by_partition.remove_entry(partition))
                .collect()
        };
        let deadline = Instant::now() + timeout;
        let mut waiting = Vec::with_capacity(feeds.len());
        let mut drained = Vec::with_capacity(feeds.len());
        for (partition, feed) in feeds {
            let (done, stopped) = oneshot::channel();
            // A worker that is gone already needs no draining.
            if feed.drain.send(Drain { deadline, done }).is_ok() {
                waiting.push(stopped);
            }
            drained.push((partition, feed.frontier));
        }
        let latest = deadline + Duration::from_millis(500);
        self.runtime.block_on(async {
            for mut stopped in waiting {
                loop {
                    self.renew_lease();
                    let until = latest.min(Instant::now() + LOOK);
                    // The sender is dropped, not used: an error is the answer.
                    let stopped = tokio::time::timeout_at(until, &mut stopped).await;
                    if stopped.is_ok() || until == latest {
                        break;
                    }
                }
            }
        });
        drained
    }

    /// Commits what has settled; blocks until the brokers answer.
    pub(super) fn commit(
        &self,
        consumer: &BaseConsumer<Self>,
        partitions: &[(TopicPartition, Frontier)],
        which: Which,
    ) -> Committed {
        let _one = self
            .committing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        commit(consumer, partitions, which, &self.metrics)
    }

    /// Whether the client has ended for good.
    pub(super) fn is_fatal(&self) -> bool {
        self.feeds().standing.trouble() == Some(Trouble::Fatal)
    }

    /// Gives up every partition, as at a shutdown: drains within `timeout`, then commits.
    pub(super) fn give_up_all(&self, consumer: &BaseConsumer<Self>, timeout: Duration) {
        let all: Vec<TopicPartition> = self.feeds().by_partition.keys().cloned().collect();
        let drained = self.drain(&all, timeout);
        self.commit(consumer, &drained, Which::Moved);
        self.count_assigned();
    }

    fn count_assigned(&self) {
        let assigned = self.feeds().by_partition.len();
        self.metrics
            .assigned
            .set(i64::try_from(assigned).unwrap_or(i64::MAX));
        self.tell_share();
    }

    /// How many partitions there are to be shared.
    pub(super) fn set_total(&self, total: usize) {
        self.feeds().total = Some(total);
        self.tell_share();
    }

    fn tell_share(&self) {
        let share = {
            let feeds = self.feeds();
            let assigned = feeds.by_partition.len();
            Share::of(assigned, feeds.total.unwrap_or(assigned))
        };
        self.partitions.set_share(share);
    }
}

impl ConsumerContext for Group {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Revoke(list) => {
                let revoked = topic_partitions(list);
                let is_lost = consumer.assignment_lost();
                let event = if is_lost { "lost" } else { "revoke" };
                self.metrics.rebalances.with_label_values(&[event]).inc();
                // What was lost has a new owner already: nothing to wait for, nothing to commit.
                let timeout = if is_lost {
                    Duration::ZERO
                } else {
                    self.drain_timeout
                };
                let drained = self.drain(&revoked, timeout);
                if !is_lost {
                    self.commit(consumer, &drained, Which::Moved);
                }
                if !revoked.is_empty() {
                    info!(
                        partitions = revoked.len(),
                        lost = is_lost,
                        "partitions revoked"
                    );
                }
                self.feeds().rebalances += 1;
                self.count_assigned();
            }
            Rebalance::Assign(_) => {}
            Rebalance::Error(error) => {
                self.metrics.rebalances.with_label_values(&["error"]).inc();
                warn!("a rebalance failed: {error}");
            }
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance {
            self.metrics.rebalances.with_label_values(&["assign"]).inc();
            let assigned = topic_partitions(list);
            // The group has just said so.
            self.lease.confirm();
            {
                let mut feeds = self.feeds();
                for partition in &assigned {
                    let committed = self.errands.last_commit(partition.clone());
                    let feed = self.partitions.assign(partition.clone(), committed);
                    feeds.by_partition.insert(partition.clone(), feed);
                }
                feeds.rebalances += 1;
                feeds.joined = true;
            }
            self.count_assigned();
            self.errands.count_partitions();
            if !assigned.is_empty() {
                info!(partitions = assigned.len(), "partitions assigned");
            }
            if self.feeds().standing.partitions_assigned() {
                self.health.set(Lane::Kafka, LaneState::Ready);
            }
        }
    }
}

fn topic_partitions(list: &TopicPartitionList) -> Vec<TopicPartition> {
    list.elements()
        .iter()
        .map(|element| TopicPartition {
            topic: element.topic().into(),
            partition: element.partition(),
        })
        .collect()
}
