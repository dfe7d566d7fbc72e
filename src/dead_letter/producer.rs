//! Delivers one dead letter, and makes the topic.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    error::{KafkaResult, RDKafkaErrorCode},
    message::{Header as KafkaHeader, OwnedHeaders},
    producer::{FutureProducer, FutureRecord, Producer as _},
};
use tokio::runtime::Handle;
use tracing::{debug, info, warn};

use super::{
    envelope::Envelope,
    failure::{code, is_unknown_topic, of_connection, of_delivery, text},
    reports::Reports,
    topic,
};
use crate::{
    config::DeadLetterConfig,
    error::{Disposition, Failure},
};

/// A producer for the dead-letter topic.
pub(super) struct Producer {
    client: Mutex<FutureProducer<Reports>>,
    client_config: ClientConfig,
    base: ClientConfig,
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
            base: base.clone(),
            topic: topic.clone(),
            creation: tokio::sync::Mutex::new(creation),
            reports,
        })
    }

    /// Delivers a letter: returns when every in-sync replica has it, or with what is in the way.
    /// As long as the brokers can't be reached it does not return; see
    /// [`complaint`](Self::complaint).
    pub(super) async fn deliver(&self, envelope: &Envelope) -> Result<(), Failure> {
        self.deliver_to(None, envelope).await
    }

    /// The same, to one partition of the topic.
    pub(super) async fn deliver_to(
        &self,
        partition: Option<i32>,
        envelope: &Envelope,
    ) -> Result<(), Failure> {
        let obstacle = self.make_topic().await?;
        let client = self.client();
        let record = FutureRecord {
            topic: &self.topic.topic,
            partition,
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
        // A topic that is absent, or not to be seen, is refused like one that may not be written.
        let is_absent = is_unknown_topic(code)
            || (obstacle.is_some() && code == Some(RDKafkaErrorCode::TopicAuthorizationFailed));
        if !is_absent || !self.topic.create_topic {
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
        let made = topic::make(&self.base, &self.topic, self.reports.clone()).await;
        let failure = match made {
            Ok(is_new) => {
                if is_new {
                    info!(topic = self.topic.topic, "made the dead-letter topic");
                }
                None
            }
            Err(error) => error.failure(&self.topic.topic),
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
