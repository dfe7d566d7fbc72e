//! A Kafka cluster in this process: librdkafka's mock brokers, on TCP ports of the loopback interface.
//!
//! Clients see ordinary brokers, so consumers of other processes can join a group here. It produces (also idempotently and
//! in transactions), fetches, runs classic and KIP-848 groups with session timeouts and generation checks, and keeps
//! committed offsets with their metadata. Nothing is written to disk.
//!
//! # Limits
//! These are librdkafka's (2.12.1); what needs more needs a real broker.
//! - A partition keeps its last 5 MiB. Older records vanish without a word, and a consumer behind them is told that its
//!   offset is out of range: produce no further ahead of the committed offsets than that.
//! - A topic that a client asks for and nobody created gets 4 partitions.
//! - The first assignment of a group takes 3 seconds; a cooperative rebalance onto a new member takes about 5 to
//!   revoke and 10 to assign.
//! - No CreateTopics request (use [`create_topic`](EmbeddedKafka::create_topic)), no other admin request, no topic deletion, no
//!   new partitions, no compaction, no control records, no lookup of offsets by time, no TLS, no authentication.
//! - The ports are those that were free; a fixed one cannot be asked for.
//! - A broker that is down keeps its partitions: leaders do not move by themselves.

mod control;
#[cfg(test)]
mod tests;

use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;
use std::{fmt, io};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::mocking::{MockCluster, MockCoordinator};
use rdkafka::producer::DefaultProducerContext;

pub use control::{Behaviour, serve_control};
pub use rdkafka::types::{RDKafkaApiKey as Request, RDKafkaRespErr as ResponseError};

/// The size of the cluster.
#[derive(Debug, Clone, Copy)]
pub struct KafkaOptions {
    /// Brokers, numbered from 1.
    pub brokers: i32,
}

impl Default for KafkaOptions {
    fn default() -> Self {
        Self { brokers: 1 }
    }
}

/// Why the cluster did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The cluster needs a thread of its own, and the system gave none.
    #[error("cannot start the thread of the embedded Kafka")]
    Thread(#[source] io::Error),
    /// librdkafka could not make the brokers.
    #[error("cannot start {brokers} embedded Kafka broker(s)")]
    Cluster {
        /// The number asked for.
        brokers: i32,
        /// What librdkafka said.
        source: KafkaError,
    },
    /// The thread ended without saying why.
    #[error("the embedded Kafka ended while starting")]
    Ended,
}

/// Why the cluster did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// librdkafka refused: no such broker, a topic that exists.
    #[error("the embedded Kafka cannot {action}")]
    Refused {
        /// What was asked.
        action: &'static str,
        /// What librdkafka said.
        source: KafkaError,
    },
    /// The thread of the cluster is gone.
    #[error("the embedded Kafka has ended")]
    Ended,
}

/// Which brokers something concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brokers {
    /// All of them.
    All,
    /// The one with this number.
    One(i32),
}

impl Brokers {
    fn id(self) -> i32 {
        match self {
            Self::All => -1,
            Self::One(id) => id,
        }
    }
}

type Cluster = MockCluster<'static, DefaultProducerContext>;
type Task = Box<dyn FnOnce(&Cluster) + Send>;

/// A running cluster, for as long as this value lives.
///
/// librdkafka's handle must stay on one thread, so it has one of its own and is asked through a channel. Each
/// method waits for its answer, which takes microseconds.
pub struct EmbeddedKafka {
    bootstrap_servers: String,
    tasks: Sender<Task>,
}

impl fmt::Debug for EmbeddedKafka {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EmbeddedKafka")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .finish_non_exhaustive()
    }
}

impl EmbeddedKafka {
    /// Starts the brokers; they accept connections when this returns.
    pub fn start(options: KafkaOptions) -> Result<Self, StartError> {
        let brokers = options.brokers;
        if brokers < 1 {
            // librdkafka would start, and divide by zero at the first topic.
            let source = KafkaError::MockCluster(RDKafkaErrorCode::InvalidArgument);
            return Err(StartError::Cluster { brokers, source });
        }
        let (tasks, inbox) = mpsc::channel::<Task>();
        let (started, start) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("embedded-kafka".to_owned())
            .spawn(move || {
                let cluster = match Cluster::new(brokers) {
                    Ok(cluster) => cluster,
                    Err(error) => {
                        let _ = started.send(Err(error));
                        return;
                    }
                };
                let _ = started.send(Ok(cluster.bootstrap_servers()));
                for task in inbox {
                    task(&cluster);
                }
            })
            .map_err(StartError::Thread)?;
        let bootstrap_servers = start
            .recv()
            .map_err(|_| StartError::Ended)?
            .map_err(|source| StartError::Cluster { brokers, source })?;
        tracing::debug!(%bootstrap_servers, "embedded Kafka listening");
        Ok(Self {
            bootstrap_servers,
            tasks,
        })
    }

    /// The addresses of the brokers, as clients take them: `127.0.0.1:40001,127.0.0.1:40002`.
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    /// Creates a topic, on up to three brokers. One that exists is an error.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<(), ClusterError> {
        let name = name.to_owned();
        let replicas = self.broker_count().min(3);
        self.ask("create the topic", move |cluster| {
            cluster.create_topic(&name, partitions, replicas)
        })
    }

    /// Closes the brokers' connections and takes no new ones until [`broker_up`](Self::broker_up).
    pub fn broker_down(&self, brokers: Brokers) -> Result<(), ClusterError> {
        self.ask("take the broker down", move |cluster| {
            cluster.broker_down(brokers.id())
        })
    }

    /// Lets the brokers take connections again, at their old addresses.
    pub fn broker_up(&self, brokers: Brokers) -> Result<(), ClusterError> {
        self.ask("bring the broker up", move |cluster| {
            cluster.broker_up(brokers.id())
        })
    }

    /// Delays every response of the brokers by `delay` (whole milliseconds).
    pub fn round_trip_time(&self, brokers: Brokers, delay: Duration) -> Result<(), ClusterError> {
        self.ask("set the round-trip time", move |cluster| {
            cluster.broker_round_trip_time(brokers.id(), delay)
        })
    }

    /// Moves the coordinator of a consumer group to a broker; members find out by the errors of the old one.
    pub fn move_coordinator(&self, group: &str, broker: i32) -> Result<(), ClusterError> {
        let group = group.to_owned();
        self.ask("move the coordinator", move |cluster| {
            cluster.coordinator(MockCoordinator::Group(group), broker)
        })
    }

    /// Moves the leader of a partition to a broker, or to none. A topic that does not exist is created.
    pub fn move_leader(
        &self,
        topic: &str,
        partition: i32,
        broker: Option<i32>,
    ) -> Result<(), ClusterError> {
        let topic = topic.to_owned();
        self.ask("move the leader", move |cluster| {
            cluster.partition_leader(&topic, partition, broker)
        })
    }

    /// Answers the next requests of this kind with these errors, one each, in this order and after those still pending.
    /// `RD_KAFKA_RESP_ERR__TRANSPORT` closes the client's connection instead.
    pub fn fail_requests(
        &self,
        request: Request,
        errors: &[ResponseError],
    ) -> Result<(), ClusterError> {
        let errors = errors.to_vec();
        self.ask("inject errors", move |cluster| {
            cluster.request_errors(request, &errors);
            Ok(())
        })
    }

    /// Forgets the pending errors of this kind of request.
    pub fn clear_failures(&self, request: Request) -> Result<(), ClusterError> {
        self.ask("clear errors", move |cluster| {
            cluster.clear_request_errors(request);
            Ok(())
        })
    }

    /// How many brokers there are.
    fn broker_count(&self) -> i32 {
        let count = self.bootstrap_servers.split(',').count();
        i32::try_from(count).unwrap_or(i32::MAX)
    }

    fn ask(
        &self,
        action: &'static str,
        task: impl FnOnce(&Cluster) -> Result<(), KafkaError> + Send + 'static,
    ) -> Result<(), ClusterError> {
        let (answer, answered) = mpsc::sync_channel(1);
        let task: Task = Box::new(move |cluster| {
            let _ = answer.send(task(cluster));
        });
        self.tasks.send(task).map_err(|_| ClusterError::Ended)?;
        let result = answered.recv().map_err(|_| ClusterError::Ended)?;
        result.map_err(|source| ClusterError::Refused { action, source })
    }
}
