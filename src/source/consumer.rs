//! The polling thread.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use rdkafka::{
    ClientConfig, Message, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::{BorrowedMessage, Headers},
};
use tokio::{runtime::Handle, sync::mpsc::UnboundedSender};
use tracing::{error, info, warn};

use crate::{
    config::Config,
    lease::Lease,
    record::{Header, Offset, RawRecord, TopicPartition},
    telemetry::{Health, Lane, LaneState, Metrics},
};

use super::{
    Budget, Partitions,
    committer::{Committer, ErrandList, Errands},
    gate::{Change, Pauses},
    group::Group,
    leaving::Parting,
    settings,
    subscription::Subscription,
};

/// Records handed over together, at most; fewer when no more are at hand.
const HAND_OVER: usize = 1_024;

/// Their memory, at most, before the budget is looked at.
const HAND_OVER_BYTES: u64 = 4 << 20;

/// How long a poll waits for a record, and so how late a pause or a stop may be noticed.
const POLL: Duration = Duration::from_millis(100);

/// The source can't be started.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The Kafka client refuses its settings.
    #[error("the Kafka client can't be made: {0}")]
    Client(KafkaError),
    /// A topic's name or pattern is refused.
    #[error("can't subscribe to kafka.topics: {0}")]
    Subscribe(KafkaError),
    /// A thread can't be started.
    #[error("can't start a thread: {0}")]
    Thread(std::io::Error),
}

/// A running member of the consumer group.
#[derive(Debug)]
pub struct Source {
    stop: Arc<AtomicBool>,
    poller: JoinHandle<()>,
}

impl Source {
    /// Joins the group and starts polling. Must be called inside a tokio runtime.
    pub fn start(
        base: &ClientConfig,
        config: &Config,
        partitions: Box<dyn Partitions>,
        budget: Budget,
        lease: Lease,
        metrics: &Metrics,
        health: &Health,
    ) -> Result<Self, SourceError> {
        let Config {
            kafka,
            commit,
            pipeline,
            ..
        } = config;
        let (errands, arriving) = Errands::channel();
        let group = Group::new(
            partitions,
            errands.clone(),
            lease,
            pipeline.drain_timeout,
            Handle::current(),
            metrics.kafka.clone(),
            health.clone(),
        );
        let consumer: BaseConsumer<Group> = settings::consumer_config(base, kafka)
            .create_with_context(group)
            .map_err(SourceError::Client)?;
        let topics: Vec<&str> = kafka.topics.iter().map(String::as_str).collect();
        consumer
            .subscribe(&topics)
            .map_err(SourceError::Subscribe)?;
        info!(
            group = kafka.group,
            topics = topics.join(","),
            "joining the consumer group"
        );
        health.set(
            Lane::Kafka,
            LaneState::Waiting(
                "joining the consumer group; a member that was killed is waited for until kafka.session_timeout"
                    .to_owned(),
            ),
        );
        let stop = Arc::new(AtomicBool::new(false));
        let loop_ = PollLoop {
            consumer: Arc::new(consumer),
            stop: stop.clone(),
            errands,
            subscription: Subscription::new(&kafka.topics),
            budget,
            metrics: metrics.clone(),
            commit_interval: commit.interval,
            shutdown_timeout: pipeline.shutdown_timeout,
            parting: Parting::of(kafka),
        };
        let poller = std::thread::Builder::new()
            .name("kafka-poll".to_owned())
            .spawn(move || loop_.run(arriving))
            .map_err(SourceError::Thread)?;
        Ok(Self { stop, poller })
    }

    /// Whether the polling thread has ended.
    pub fn is_finished(&self) -> bool {
        self.poller.is_finished()
    }

    /// Drains all partitions, commits, leaves the group. Blocks; see `pipeline.shutdown_timeout`.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        if self.poller.join().is_err() {
            warn!("the polling thread panicked");
        }
    }
}

struct PollLoop {
    consumer: Arc<BaseConsumer<Group>>,
    stop: Arc<AtomicBool>,
    errands: Errands,
    subscription: Subscription,
    budget: Budget,
    metrics: Metrics,
    commit_interval: Duration,
    shutdown_timeout: Duration,
    parting: Parting,
}

impl PollLoop {
    fn run(mut self, arriving: ErrandList) {
        let committer = Committer::start(
            &self.consumer,
            self.errands.clone(),
            arriving,
            std::mem::take(&mut self.subscription),
            self.commit_interval,
        );
        let committer = match committer {
            Ok(committer) => committer,
            Err(error) => return error!("can't start the committing thread: {error}"),
        };
        self.poll_until_stopped();
        let group = self.consumer.context();
        group.give_up_all(&self.consumer, self.shutdown_timeout);
        committer.stop();
        self.parting.prepare(&self.consumer);
        // Dropping the consumer leaves the group.
        drop(self.consumer);
        info!("left the consumer group");
    }

    fn poll_until_stopped(&self) {
        let group = self.consumer.context();
        let mut intake = Intake::default();
        let mut pauses = Pauses::default();
        while !self.stop.load(Ordering::Acquire) && !group.is_fatal() {
            group.renew_lease();
            let wait = if intake.is_empty() {
                POLL
            } else {
                Duration::ZERO
            };
            match self.consumer.poll(wait) {
                Some(Ok(message)) => {
                    intake.take(&message, group, &self.budget);
                    if !intake.is_full() {
                        continue;
                    }
                    intake.hand_over(&self.budget, &self.metrics);
                }
                Some(Err(error)) => group.on_poll_error(&error),
                None => intake.hand_over(&self.budget, &self.metrics),
            }
            let over_budget = self.budget.wants_pause(pauses.over_budget());
            if let Some(change) = group.plan_pauses(&pauses, over_budget) {
                self.pause_and_resume(&mut pauses, change);
            }
        }
        intake.hand_over(&self.budget, &self.metrics);
    }

    fn pause_and_resume(&self, pauses: &mut Pauses, change: Change) {
        let told = self
            .consumer
            .pause(&list(&change.pause))
            .and_then(|()| self.consumer.resume(&list(&change.resume)));
        if let Err(error) = told {
            return warn!("can't pause or resume: {error}");
        }
        if change.over_budget != pauses.over_budget() {
            let used = self.budget.used();
            info!(used, paused = change.over_budget, "memory budget");
        }
        pauses.note(change);
        let count = i64::try_from(pauses.len()).unwrap_or(i64::MAX);
        self.metrics.kafka.paused.set(count);
    }
}

fn list(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(&partition.topic, partition.partition);
    }
    list
}

/// Records polled and not handed over yet, by partition. They are charged and counted together.
#[derive(Default)]
struct Intake {
    batches: Vec<Batch>,
    records: usize,
    /// Of keys and values.
    bytes: usize,
    charge: u64,
}

struct Batch {
    partition: TopicPartition,
    /// The queue at the time of polling: after a rebalance another worker has the partition, and
    /// these records are not for it.
    queue: Option<UnboundedSender<Vec<RawRecord>>>,
    records: Vec<RawRecord>,
}

impl Intake {
    fn is_empty(&self) -> bool {
        self.records == 0
    }

    fn is_full(&self) -> bool {
        self.records >= HAND_OVER || self.charge >= HAND_OVER_BYTES
    }

    fn take(&mut self, message: &BorrowedMessage<'_>, group: &Group, budget: &Budget) {
        if self.is_empty() {
            group.note_records();
        }
        let (topic, number) = (message.topic(), message.partition());
        let known = self.batches.iter().rposition(|batch| {
            batch.partition.partition == number && *batch.partition.topic == *topic
        });
        let index = known.unwrap_or_else(|| {
            let partition = TopicPartition {
                topic: topic.into(),
                partition: number,
            };
            let queue = group.records(&partition);
            self.batches.push(Batch {
                partition,
                queue,
                records: Vec::new(),
            });
            self.batches.len() - 1
        });
        let Some(batch) = self.batches.get_mut(index) else {
            return;
        };
        let raw = raw_record(message, &batch.partition.topic);
        self.charge += budget.cost(&raw);
        self.bytes += message.payload_len() + message.key_len();
        self.records += 1;
        batch.records.push(raw);
    }

    fn hand_over(&mut self, budget: &Budget, metrics: &Metrics) {
        // Before anybody can settle one.
        budget.charge(std::mem::take(&mut self.charge));
        let received = &metrics.pipeline;
        received
            .received
            .inc_by(std::mem::take(&mut self.records) as u64);
        received
            .received_bytes
            .inc_by(std::mem::take(&mut self.bytes) as u64);
        for batch in self.batches.drain(..) {
            let refused = match batch.queue {
                Some(queue) => queue.send(batch.records).err().map(|error| error.0),
                None => Some(batch.records),
            };
            // The partition was given up meanwhile: its next owner reads them.
            if let Some(records) = refused {
                budget.refund_all(&records);
            }
        }
    }
}

/// A message, byte for byte; `topic` is its topic's name, which many share.
pub(super) fn raw_record(message: &BorrowedMessage<'_>, topic: &Arc<str>) -> RawRecord {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers
            .iter()
            .map(|header| Header {
                name: header.key.into(),
                value: header.value.map(Into::into),
            })
            .collect()
    });
    RawRecord {
        topic: topic.clone(),
        partition: message.partition(),
        offset: Offset(message.offset()),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key().map(Into::into),
        value: message.payload().map(Into::into),
        headers,
    }
}
