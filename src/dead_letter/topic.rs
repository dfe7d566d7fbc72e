//! The dead-letter topic: made, or asked for.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    error::{KafkaError, RDKafkaErrorCode},
    producer::{FutureProducer, Producer as _},
};
use tokio::{runtime::Handle, task::spawn_blocking};

use super::{
    failure::{by_token, of_creation, of_delivery},
    reports::Reports,
};
use crate::{config::DeadLetterConfig, error::Failure, kafka::oauth};

/// How long the brokers may take to list their topics.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the brokers may take to create the topic.
const CREATE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the topic was not made.
#[derive(Debug)]
pub(super) enum NotMade {
    /// The brokers, or the client, said so.
    Kafka(KafkaError),
    /// The client that makes topics can't log in by OAUTHBEARER: nobody asks it for its events, by
    /// which it would ask for a token ([rust-rdkafka 757]).
    ///
    /// [rust-rdkafka 757]: https://github.com/fede1024/rust-rdkafka/issues/757
    ByToken,
}

impl NotMade {
    /// What to do about it; `None` where it isn't in the way of writing to `topic`.
    pub(super) fn failure(&self, topic: &str) -> Option<Failure> {
        match self {
            Self::Kafka(error) => of_creation(error, topic),
            Self::ByToken => Some(by_token(topic)),
        }
    }
}

impl From<KafkaError> for NotMade {
    fn from(error: KafkaError) -> Self {
        Self::Kafka(error)
    }
}

/// Makes the topic, if it isn't there; says whether it was made.
pub(super) async fn make(
    base: &ClientConfig,
    config: &DeadLetterConfig,
    reports: Reports,
) -> Result<bool, NotMade> {
    aside(base, config, reports, |asking| {
        if asking.exists()? {
            return Ok(false);
        }
        asking.create(false)?;
        Ok(true)
    })
    .await
}

/// What was found out about the dead-letter topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// It is there.
    Exists,
    /// It isn't, and the brokers would make it.
    CanBeMade,
}

/// Looks for the topic and, if it isn't there and is to be made, asks the brokers whether they
/// would. Makes nothing. The error says what to do.
///
/// Whether the topic may be written to it can't tell: brokers say so of their own accord only to who
/// writes, and the client has no safe call that asks for the operations that are allowed.
///
/// # Panics
/// Outside a Tokio runtime.
pub async fn check(base: &ClientConfig, config: &DeadLetterConfig) -> Result<Topic, Failure> {
    let found = aside(base, config, Reports::default(), |asking| {
        if asking.exists()? {
            return Ok(Topic::Exists);
        }
        if !asking.config.create_topic {
            return Err(KafkaError::AdminOp(RDKafkaErrorCode::UnknownTopic).into());
        }
        asking.create(true)?;
        Ok(Topic::CanBeMade)
    })
    .await;
    match found {
        Err(NotMade::Kafka(KafkaError::AdminOp(code @ RDKafkaErrorCode::UnknownTopic))) => {
            Err(of_delivery(Some(code), "", &config.topic, 0))
        }
        Err(error) => error
            .failure(&config.topic)
            .map_or(Ok(Topic::CanBeMade), Err),
        Ok(found) => Ok(found),
    }
}

/// Asks the cluster on a thread that may block: a client waits for its own thread when it is
/// dropped.
async fn aside<T: Send + 'static>(
    base: &ClientConfig,
    config: &DeadLetterConfig,
    reports: Reports,
    ask: impl FnOnce(&Asking) -> Result<T, NotMade> + Send + 'static,
) -> Result<T, NotMade> {
    let asking = Asking {
        base: base.clone(),
        config: config.clone(),
        reports,
        runtime: Handle::current(),
    };
    spawn_blocking(move || ask(&asking))
        .await
        .unwrap_or(Err(KafkaError::Canceled.into()))
}

/// What the cluster is asked with. Its methods block.
struct Asking {
    base: ClientConfig,
    config: DeadLetterConfig,
    reports: Reports,
    runtime: Handle,
}

impl Asking {
    /// Asked of a producer, whose thread sees to its login; see [`NotMade::ByToken`].
    fn exists(&self) -> Result<bool, NotMade> {
        let producer: FutureProducer<Reports> =
            self.base.create_with_context(self.reports.clone())?;
        // Asked for by name, a topic might be made by the brokers, with their own defaults.
        let metadata = producer.client().fetch_metadata(None, ASK_TIMEOUT)?;
        let mut topics = metadata.topics().iter();
        Ok(topics.any(|it| it.name() == self.config.topic))
    }

    fn create(&self, validate_only: bool) -> Result<(), NotMade> {
        if oauth::is_used(&self.base) {
            return Err(NotMade::ByToken);
        }
        let admin: AdminClient<Reports> = self.base.create_with_context(self.reports.clone())?;
        let new = NewTopic::new(
            &self.config.topic,
            self.config.partitions,
            TopicReplication::Fixed(self.config.replication_factor),
        );
        let options = AdminOptions::new()
            .request_timeout(Some(CREATE_TIMEOUT))
            .operation_timeout(Some(CREATE_TIMEOUT))
            .validate_only(validate_only);
        let created = self.runtime.block_on(admin.create_topics([&new], &options));
        for result in created? {
            result.map_err(|(_, code)| KafkaError::AdminOp(code))?;
        }
        Ok(())
    }
}
