//! Membership in the consumer group: what happens on a rebalance, on an error, and on the client's
//! own statistics.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rdkafka::{
    ClientContext, Statistics, TopicPartitionList,
    client::OAuthToken,
    consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance},
    error::{KafkaError, RDKafkaErrorCode},
};
use tokio::{runtime::Handle, sync::oneshot, time::Instant};
use tracing::{debug, info, warn};

use crate::{
    commit::{Committed, Frontier, Which, commit},
    error::{Disposition, Failure},
    kafka::oauth,
    lease::Lease,
    record::{Share, TopicPartition},
    telemetry::{AssignedPartition, Health, KafkaMetrics, Lane, LaneState, Reading},
};

use super::{
    Drain, Feed, Partitions,
    committer::Wishes,
    gate::{Change, Pauses},
    progress::Progress,
    trouble::{Standing, Trouble, meaning},
};

/// How often the lease is renewed while partitions are drained.
const LOOK: Duration = Duration::from_millis(200);

/// The state that the client's callbacks share with the polling loop.
pub(super) struct Group {
    partitions: Box<dyn Partitions>,
    wishes: Wishes,
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
        wishes: Wishes,
        lease: Lease,
        drain_timeout: Duration,
        runtime: Handle,
        metrics: KafkaMetrics,
        health: Health,
    ) -> Self {
        Self {
            partitions,
            wishes,
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

    /// Shows how far the assigned partitions are behind, at `now_ms` (milliseconds since 1970).
    fn show_lag(&self, statistics: &Statistics, now_ms: i64) {
        let (mut records, mut seconds) = (Vec::new(), Vec::new());
        for (partition, frontier) in self.frontiers() {
            seconds.push((partition.clone(), frontier.unsettled_seconds(now_ms)));
            if let Some(left) = progress(&partition, &frontier, statistics).left {
                records.push((partition, left as f64));
            }
        }
        self.metrics.lag_records.replace(records);
        self.metrics.lag_seconds.replace(seconds);
        for topic in statistics.topics.values() {
            // The client keeps one more, of the number -1, for messages that have no partition yet.
            let partitions = topic.partitions.keys().filter(|number| **number >= 0);
            let partitions = i64::try_from(partitions.count()).unwrap_or(i64::MAX);
            let shown = &self.metrics.topic_partitions;
            shown.with_label_values(&[&topic.topic]).set(partitions);
        }
    }

    /// How far each assigned partition is.
    fn look(&self, statistics: &Statistics, now_ms: i64) -> Vec<AssignedPartition> {
        let feeds = self.feeds();
        let look = |(partition, feed): (&TopicPartition, &Feed)| {
            let progress = progress(partition, &feed.frontier, statistics);
            AssignedPartition {
                topic: partition.topic.to_string(),
                partition: partition.partition,
                reading: if feed.frontier.epoch().is_none() {
                    Reading::Starting
                } else if self.health.is_table_paused(&partition.topic) {
                    Reading::Paused
                } else if feed.gate.is_closed() {
                    Reading::Held
                } else if feeds.over_budget {
                    Reading::OverBudget
                } else {
                    Reading::Reading
                },
                settled_offset: progress.settled,
                end_offset: progress.end,
                lag_records: progress.left.unwrap_or(0),
                lag_seconds: Duration::try_from_secs_f64(feed.frontier.unsettled_seconds(now_ms))
                    .map_or(0, |lag| lag.as_secs()),
            }
        };
        feeds.by_partition.iter().map(look).collect()
    }

    fn on_error(&self, error: &KafkaError, reason: &str) {
        self.metrics.errors.inc();
        let meaning = error
            .rdkafka_error_code()
            .and_then(|code| meaning(code, reason));
        let Some((trouble, failure)) = meaning else {
            // While no broker can be reached, much else goes wrong for that.
            if self.feeds().standing.trouble() == Some(Trouble::Connection) {
                return debug!("Kafka: {error}: {reason}");
            }
            return warn!("Kafka: {error}: {reason}");
        };
        debug!("Kafka: {failure}");
        let told = self.feeds().standing.meet(trouble, failure);
        if let Some(told) = told {
            self.tell(told);
        }
    }

    /// Says in the lane's state what is wrong.
    fn tell(&self, failure: Failure) {
        let state = match failure.disposition {
            Disposition::Blocked => LaneState::Blocked(failure.message),
            _ => LaneState::Waiting(failure.message),
        };
        self.health.set(Lane::Kafka, state);
    }

    /// An error that polling returned. The client has told most of them, with the reason, just before.
    pub(super) fn on_poll_error(&self, error: &KafkaError) {
        let said = self.feeds().said.take();
        let said = said.filter(|(code, _)| Some(*code) == error.rdkafka_error_code());
        match (error, said) {
            (KafkaError::MessageConsumptionFatal(_), said) => {
                let reason = said.map_or_else(|| error.to_string(), |(_, reason)| reason);
                self.on_error(&KafkaError::Global(RDKafkaErrorCode::Fatal), &reason);
            }
            (_, Some(_)) => {}
            (_, None) => self.on_error(error, "while polling"),
        }
    }
}

impl ClientContext for Group {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(
        &self,
        reference: Option<&str>,
    ) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        oauth::token(reference)
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.on_error(&error, reason);
        let code = error.rdkafka_error_code();
        self.feeds().said = code.map(|code| (code, reason.to_owned()));
    }

    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        use rdkafka::config::RDKafkaLogLevel as Level;
        if is_offset_reset(facility, message) {
            self.metrics.offset_resets.inc();
            return warn!(
                "the committed offset is gone, records may have been lost to retention: {message}"
            );
        }
        match level {
            Level::Emerg | Level::Alert | Level::Critical | Level::Error | Level::Warning => {
                tracing::debug!(facility, "{message}");
            }
            _ => tracing::trace!(facility, "{message}"),
        }
    }

    fn stats(&self, statistics: Statistics) {
        let is_up = statistics
            .brokers
            .values()
            .any(|broker| broker.state == "UP");
        let (is_over, trouble) = {
            let mut feeds = self.feeds();
            if is_up {
                feeds.standing.others_stand();
                let is_over = feeds.joined && feeds.standing.broker_is_up();
                (is_over, None)
            } else {
                (false, feeds.standing.no_broker_is_up())
            }
        };
        if is_over {
            self.health.set(Lane::Kafka, LaneState::Ready);
        }
        if let Some(trouble) = trouble {
            self.tell(trouble);
        }
        self.show_lag(&statistics, now_ms());
        let shown = self.look(&statistics, now_ms());
        self.metrics.partitions.replace(shown);
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
                    let committed = self.wishes.last_commit(partition.clone());
                    let feed = self.partitions.assign(partition.clone(), committed);
                    feeds.by_partition.insert(partition.clone(), feed);
                }
                feeds.rebalances += 1;
                feeds.joined = true;
            }
            self.count_assigned();
            self.wishes.count_partitions();
            if !assigned.is_empty() {
                info!(partitions = assigned.len(), "partitions assigned");
            }
            if self.feeds().standing.partitions_assigned() {
                self.health.set(Lane::Kafka, LaneState::Ready);
            }
        }
    }
}

fn progress(partition: &TopicPartition, frontier: &Frontier, statistics: &Statistics) -> Progress {
    let topic = statistics.topics.get(&*partition.topic);
    let known = topic.and_then(|topic| topic.partitions.get(&partition.partition));
    Progress::of(frontier.get(), known)
}

/// Whether the client says that it goes on elsewhere, because Kafka does not have the offset that it
/// was to go on from. It says so in its log alone; see `rd_kafka_offset_reset` in librdkafka. That a
/// group has never committed anything is not told this way.
fn is_offset_reset(facility: &str, message: &str) -> bool {
    facility == "OFFSET" && message.contains(": offset reset (")
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_that_kafka_does_not_have_any_more_is_told_from_other_words_of_the_client() {
        let reset = "[thrd:main]: shop.public.products [2]: offset reset (at offset 41 (leader epoch 0), broker 1) to BEGINNING: fetch failed due to requested offset not available on the broker: Broker: Offset out of range";
        assert!(is_offset_reset("OFFSET", reset));
        let other = "[thrd:main]: shop.public.products [2]: Invalid offset metadata";
        assert!(!is_offset_reset("OFFSET", other));
        assert!(!is_offset_reset("FAIL", reset));
    }
}
