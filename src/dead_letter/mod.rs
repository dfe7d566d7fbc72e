//! Dead letters: records that can't be processed come in, acknowledgements of their delivery to
//! the dead-letter topic go out.
//!
//! [`DeadLetters::submit`] never waits. A letter is answered once the brokers have acknowledged it
//! on every in-sync replica, however long that takes; a letter that is not answered was perhaps
//! not delivered, and its record must stay unsettled.
//!
//! - `envelope` writes the letter: the record as it came, and why it is here.
//! - `letter` reads it back; `done` knows which letters somebody is done with.
//! - `producer` delivers one letter; `topic` makes the topic; `reports` keeps what the client says.
//! - `failure` knows what Kafka's errors mean for that.
//! - `breaker` says when letters are too many to be the fault of their records.
//! - `service` keeps the letters under way, tries again, and says how the lane is.

mod breaker;
mod done;
mod envelope;
pub(crate) mod failure;
mod letter;
mod producer;
mod reports;
mod service;
#[cfg(all(test, feature = "embedded"))]
mod tests;
mod topic;

use std::time::Duration;

use rdkafka::{ClientConfig, error::KafkaError};
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio_util::sync::CancellationToken;

pub(crate) use self::breaker::{Breaker, Limits};
pub use self::{
    done::Done,
    letter::{Letter, NoPlace, Place},
    topic::{Topic, check},
};
use self::{producer::Producer, service::Service};
use crate::{
    config::DeadLetterConfig,
    error::Failure,
    record::{RawRecord, Ticket},
    telemetry::Health,
};

/// A record that can't be processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The record.
    pub raw: RawRecord,
    /// Where it failed: `decode`, `document`, `embed` or `index`.
    pub stage: &'static str,
    /// Why.
    pub failure: Failure,
}

/// A dead letter is safe: the brokers have acknowledged it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// The submission's.
    pub ticket: Ticket,
}

/// Dead letters can't be written.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// The Kafka client refuses its settings.
    #[error("the Kafka client for dead letters can't be made: {0}")]
    Client(KafkaError),
}

/// How long the brokers may take to acknowledge a mark.
const MARK_TIMEOUT: Duration = Duration::from_secs(30);

/// Marks letters as done with, in the dead-letter topic itself. The error says what to do.
///
/// # Panics
/// Outside a Tokio runtime.
pub async fn mark_done(
    base: &ClientConfig,
    config: &DeadLetterConfig,
    done: &Done,
) -> Result<(), Failure> {
    let config = DeadLetterConfig {
        create_topic: false,
        ..config.clone()
    };
    let producer = Producer::new(base, &config).map_err(|error| {
        Failure::blocked("client", format!("the Kafka client can't be made: {error}"))
    })?;
    for (partition, mark) in done.marks() {
        let delivery = producer.deliver_to(Some(partition), &mark);
        match tokio::time::timeout(MARK_TIMEOUT, delivery).await {
            Ok(delivered) => delivered?,
            Err(_) => {
                return Err(producer.complaint().unwrap_or_else(|| {
                    Failure::transient("unacknowledged", "the brokers do not acknowledge")
                }));
            }
        }
    }
    Ok(())
}

/// A letter on its way to the service.
#[derive(Debug)]
struct Submission {
    ticket: Ticket,
    letter: DeadLetter,
    reply: UnboundedSender<Delivered>,
}

/// A handle of the service that writes dead letters. Clones are handles of the same one.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    submissions: UnboundedSender<Submission>,
}

impl DeadLetters {
    /// Starts the service on the current Tokio runtime. `base` is what every client of the cluster
    /// shares (see [`client_config`](crate::kafka::client_config)), `group` the consumer group
    /// that the letters name. It ends when `shutdown` is cancelled, and what is under way then
    /// stays unanswered; or when every handle is dropped and every letter delivered.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn start(
        base: &ClientConfig,
        config: &DeadLetterConfig,
        group: &str,
        health: Health,
        shutdown: CancellationToken,
    ) -> Result<Self, DeadLetterError> {
        let producer = Producer::new(base, config).map_err(DeadLetterError::Client)?;
        let (submissions, submitted) = mpsc::unbounded_channel();
        Service::start(producer, group, submitted, health, shutdown);
        Ok(Self { submissions })
    }

    /// Hands a letter over for delivery. Never waits: what is under way is bounded by whoever
    /// submits. A letter is dropped, undelivered and unanswered, when the other side of `reply` is.
    pub fn submit(&self, ticket: Ticket, letter: DeadLetter, reply: UnboundedSender<Delivered>) {
        // Fails only once the service has been shut down, when nobody is promised an answer.
        let _ = self.submissions.send(Submission {
            ticket,
            letter,
            reply,
        });
    }
}
