//! The dead-letter topic: made, or asked for.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
};
use tokio::{runtime::Handle, task::spawn_blocking};

use super::{
    failure::{of_creation, of_delivery},
    reports::Reports,
};
use crate::{config::DeadLetterConfig, error::Failure};

/// How long the brokers may take to list their topics.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the brokers may take to create the topic.
const CREATE_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes the topic, if it isn't there; says whether it was made.
pub(super) async fn make(
    base: &ClientConfig,
    config: &DeadLetterConfig,
    reports: Reports,
) -> KafkaResult<bool> {
    aside(base, config, reports, |admin, config, runtime| {
        if exists(admin, &config.topic)? {
            return Ok(false);
        }
        create(admin, config, runtime, false)?;
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
    let found = aside(
        base,
        config,
        Reports::default(),
        |admin, config, runtime| {
            if exists(admin, &config.topic)? {
                return Ok(Topic::Exists);
            }
            if !config.create_topic {
                return Err(KafkaError::AdminOp(RDKafkaErrorCode::UnknownTopic));
            }
            create(admin, config, runtime, true)?;
            Ok(Topic::CanBeMade)
        },
    )
    .await;
    match found {
        Err(KafkaError::AdminOp(code @ RDKafkaErrorCode::UnknownTopic)) => {
            Err(of_delivery(Some(code), "", &config.topic, 0))
        }
        Err(error) => of_creation(&error, &config.topic).map_or(Ok(Topic::CanBeMade), Err),
        Ok(found) => Ok(found),
    }
}

/// Asks the cluster on a thread that may block: the client waits for its own thread when it is
/// dropped.
async fn aside<T: Send + 'static>(
    base: &ClientConfig,
    config: &DeadLetterConfig,
    reports: Reports,
    ask: impl FnOnce(&AdminClient<Reports>, &DeadLetterConfig, &Handle) -> KafkaResult<T>
    + Send
    + 'static,
) -> KafkaResult<T> {
    let (base, config, runtime) = (base.clone(), config.clone(), Handle::current());
    spawn_blocking(move || {
        let admin = base.create_with_context(reports)?;
        ask(&admin, &config, &runtime)
    })
    .await
    .unwrap_or(Err(KafkaError::Canceled))
}

fn exists(admin: &AdminClient<Reports>, topic: &str) -> KafkaResult<bool> {
    // Asked for by name, a topic might be made by the brokers, with their own defaults.
    let metadata = admin.inner().fetch_metadata(None, ASK_TIMEOUT)?;
    Ok(metadata.topics().iter().any(|it| it.name() == topic))
}

fn create(
    admin: &AdminClient<Reports>,
    config: &DeadLetterConfig,
    runtime: &Handle,
    validate_only: bool,
) -> KafkaResult<()> {
    let new = NewTopic::new(
        &config.topic,
        config.partitions,
        TopicReplication::Fixed(config.replication_factor),
    );
    let options = AdminOptions::new()
        .request_timeout(Some(CREATE_TIMEOUT))
        .operation_timeout(Some(CREATE_TIMEOUT))
        .validate_only(validate_only);
    for result in runtime.block_on(admin.create_topics([&new], &options))? {
        result.map_err(|(_, code)| KafkaError::AdminOp(code))?;
    }
    Ok(())
}
