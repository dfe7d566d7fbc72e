//! Delivers one dead letter, and makes the topic.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    config::RDKafkaLogLevel,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::{Header as KafkaHeader, OwnedHeaders},
    producer::{FutureProducer, FutureRecord, Producer as _},
};
use tokio::{runtime::Handle, task::spawn_blocking};
use tracing::{debug, info, trace, warn};

use super::{
    envelope::Envelope,
    failure::{code, is_unknown_topic, of_connection, of_creation, of_delivery, text},
};
use crate::{
    config::DeadLetterConfig,
    error::{Disposition, Failure},
};

/// How long the brokers may take to list their topics.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the brokers may take to create the topic.
const CREATE_TIMEOUT: Duration = Duration::from_secs(5);

/// A producer for the dead-letter topic.
pub(super) struct Producer {
    client: Mutex<FutureProducer<Reports>>,
    client_config: ClientConfig,
    admin_config: ClientConfig,
    topic: DeadLetterConfig,
    creation: tokio::sync::Mutex<Creation>,
    reports: Reports,
}

/// Whether the topic was made.
#[derive(Debug, Clone)]
enum Creation {
    /// It has to be tried.
    Due,
    /// It is there, as far as is known.
    Done,
    /// It could not be made; perhaps it is there all the same.
    Refused(Failure),
}

impl Producer {
    pub(super) fn new(base: &ClientConfig, topic: &DeadLetterConfig) -> KafkaResult<Self> {
        let reports = Reports::default();
        let client_config = producer_config(base);
        let client = client_config.create_with_context(reports.clone())?;
        let creation = if topic.create_topic {
            Creation::Due
        } else {
            Creation::Done
        };
        Ok(Self {
            client: Mutex::new(client),
            client_config,
            admin_config: base.clone(),
            topic: topic.clone(),
            creation: tokio::sync::Mutex::new(creation),
            reports,
        })
    }

    /// Delivers a letter: returns when every in-sync replica has it, or with what is in the way.
    /// As long as the brokers can't be reached it does not return; see
    /// [`complaint`](Self::complaint).
    pub(super) async fn deliver(&self, envelope: &Envelope) -> Result<(), Failure> {
        let obstacle = self.make_topic().await?;
        let client = self.client();
        let record = FutureRecord {
            topic: &self.topic.topic,
            partition: None,
            payload: envelope.value.as_deref(),
            key: envelope.key.as_deref(),
            timestamp: envelope.timestamp_ms,
            headers: Some(headers(envelope)),
        };
        let Err((error, _)) = client.send(record, Duration::ZERO).await else {
            self.reports.clear();
            return Ok(());
        };
        let (code, said) = match client.client().fatal_error() {
            Some((code, said)) => {
                self.replace_client(client);
                (Some(code), said)
            }
            None => (code(&error), text(&error)),
        };
        let failure = of_delivery(code, &said, &self.topic.topic, envelope.bytes());
        if !is_unknown_topic(code) || !self.topic.create_topic {
            return Err(failure);
        }
        *self.creation.lock().await = Creation::Due;
        Err(obstacle.unwrap_or_else(|| of_connection(None, &said)))
    }

    /// What the client complains of, if it does and no letter was delivered since.
    pub(super) fn complaint(&self) -> Option<Failure> {
        let (error, reason) = self.reports.get()?;
        Some(of_connection(code(&error), &reason))
    }

    fn client(&self) -> FutureProducer<Reports> {
        let client = self.client.lock();
        client.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// After a fatal error an idempotent producer takes nothing any more: makes a new one, unless
    /// another letter has done so already.
    fn replace_client(&self, broken: FutureProducer<Reports>) {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let mut retired = vec![broken];
        if client.client().fatal_error().is_some() {
            let made = self.client_config.create_with_context(self.reports.clone());
            match made {
                Ok(made) => retired.push(std::mem::replace(&mut *client, made)),
                Err(error) => warn!("can't make another producer of dead letters: {error}"),
            }
        }
        drop_aside(retired);
    }

    /// Makes the topic where that is due. Returns what was in the way of it.
    async fn make_topic(&self) -> Result<Option<Failure>, Failure> {
        let mut creation = self.creation.lock().await;
        match &*creation {
            Creation::Done => return Ok(None),
            Creation::Refused(failure) => return Ok(Some(failure.clone())),
            Creation::Due => {}
        }
        let (config, topic) = (self.admin_config.clone(), self.topic.clone());
        let reports = self.reports.clone();
        // The admin client waits for its thread when it is dropped.
        let runtime = Handle::current();
        let made = spawn_blocking(move || create_topic(&config, &topic, reports, &runtime))
            .await
            .unwrap_or(Err(KafkaError::Canceled));
        let failure = match made {
            Ok(is_new) => {
                if is_new {
                    info!(topic = self.topic.topic, "made the dead-letter topic");
                }
                None
            }
            Err(error) => of_creation(code(&error), &text(&error), &self.topic.topic),
        };
        match failure {
            None => *creation = Creation::Done,
            Some(failure) if failure.disposition == Disposition::Blocked => {
                debug!("{failure}");
                *creation = Creation::Refused(failure.clone());
                return Ok(Some(failure));
            }
            Some(failure) => return Err(failure),
        }
        Ok(None)
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        drop_aside(vec![self.client()]);
    }
}

/// A producer waits for its thread when its last clone is dropped: not on a runtime's thread.
fn drop_aside(clients: Vec<FutureProducer<Reports>>) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn_blocking(move || drop(clients));
    }
}

/// Makes the topic; says whether it wasn't there. Blocks.
fn create_topic(
    config: &ClientConfig,
    topic: &DeadLetterConfig,
    reports: Reports,
    runtime: &Handle,
) -> KafkaResult<bool> {
    let admin: AdminClient<Reports> = config.create_with_context(reports)?;
    // Asked for by name, a topic might be made by the brokers, with their own defaults.
    let metadata = admin.inner().fetch_metadata(None, ASK_TIMEOUT)?;
    if metadata.topics().iter().any(|t| t.name() == topic.topic) {
        return Ok(false);
    }
    let new = NewTopic::new(
        &topic.topic,
        topic.partitions,
        TopicReplication::Fixed(topic.replication_factor),
    );
    let options = AdminOptions::new()
        .request_timeout(Some(CREATE_TIMEOUT))
        .operation_timeout(Some(CREATE_TIMEOUT));
    for result in runtime.block_on(admin.create_topics([&new], &options))? {
        result.map_err(|(_, code)| KafkaError::AdminOp(code))?;
    }
    Ok(true)
}

fn producer_config(base: &ClientConfig) -> ClientConfig {
    let mut config = base.clone();
    let mut default = |name: &str, value: &str| {
        if base.get(name).is_none() {
            config.set(name, value);
        }
    };
    // The brokers and the topic have their own limits; this client shall not be the narrowest.
    default("message.max.bytes", "134217728");
    default("compression.type", "lz4");
    // A topic that is not there is told after this long.
    default("topic.metadata.propagation.max.ms", "10000");
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // Without end: giving up and sending anew would lose the order, and write twice what
        // was only slow.
        .set("message.timeout.ms", "0");
    config
}

fn headers(envelope: &Envelope) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(envelope.headers.len());
    envelope.headers.iter().fold(headers, |headers, header| {
        headers.insert(KafkaHeader {
            key: &header.name,
            value: header.value.as_deref(),
        })
    })
}

/// Keeps what the client complains of: the first of its kind.
#[derive(Debug, Clone, Default)]
struct Reports(Arc<Mutex<Option<(KafkaError, String)>>>);

impl Reports {
    fn get(&self) -> Option<(KafkaError, String)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        debug!("dead letters: {error}: {reason}");
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // That all brokers are down is said after each of them has said why; and what is said
        // again and again differs in what need not be told, such as how often.
        let is_summary = code(&error) == Some(RDKafkaErrorCode::AllBrokersDown);
        let is_known = first.as_ref().is_some_and(|(known, _)| *known == error);
        if first.is_none() || !(is_summary || is_known) {
            let reason = reason.split(" (after ").next().unwrap_or(reason);
            *first = Some((error, reason.to_owned()));
        }
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if level as i32 <= RDKafkaLogLevel::Warning as i32 {
            debug!(facility, "{message}");
        } else {
            trace!(facility, "{message}");
        }
    }
}
