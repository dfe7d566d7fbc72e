//! Finds out what the brokers let a consumer group do, without joining it: a member that comes
//! and goes would move partitions.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext, Offset, TopicPartitionList,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode as Code},
    metadata::MetadataBroker,
};
use regex::Regex;
use tracing::debug;

use crate::{
    error::Failure,
    kafka::{encryption, oauth, once},
};

/// How long the brokers may take for each answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// How long one look for a token takes at most.
const POLL: Duration = Duration::from_millis(100);

/// How many errors may be told of one outage.
const ERRORS: usize = 20;

/// A connection to a cluster, to ask with. Every method blocks.
pub struct Probe {
    pub(super) consumer: BaseConsumer<Complaints>,
    complaints: Complaints,
    group: String,
    brokers: Vec<i32>,
    topics: Vec<String>,
}

impl Probe {
    /// Connects, with what every client of the cluster shares. The error says what to do.
    pub fn connect(base: &ClientConfig, group: &str) -> Result<Self, Failure> {
        let complaints = Complaints::default();
        let consumer: BaseConsumer<Complaints> = base
            .clone()
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("allow.auto.create.topics", "false")
            .set("enable.partition.eof", "true")
            .create_with_context(complaints.clone())
            .map_err(|error| {
                Failure::blocked("client", format!("the Kafka client can't be made: {error}"))
            })?;
        let mut probe = Self {
            consumer,
            complaints,
            group: group.to_owned(),
            brokers: Vec::new(),
            topics: Vec::new(),
        };
        if oauth::is_used(base) {
            probe.wait_for_token();
        }
        let metadata = probe
            .consumer
            .fetch_metadata(None, TIMEOUT)
            .map_err(|error| probe.failure(&error, None))?;
        let brokers = metadata.brokers().iter();
        probe.brokers = brokers.map(MetadataBroker::id).collect();
        let names = metadata
            .topics()
            .iter()
            .map(|topic| topic.name().to_owned());
        probe.topics = names.collect();
        Ok(probe)
    }

    /// The client asks for its token when it is polled, and only then. Without one, whatever is asked
    /// next fails, and says why.
    fn wait_for_token(&self) {
        let deadline = Instant::now() + TIMEOUT;
        let has_token = || self.complaints.has_token.load(Ordering::Relaxed);
        while !has_token() && self.complaints.first().is_none() && Instant::now() < deadline {
            // No topic is assigned yet, so no record can come.
            self.consumer.poll(POLL);
        }
    }

    /// The brokers that the cluster has, by their ids.
    pub fn brokers(&self) -> &[i32] {
        &self.brokers
    }

    /// The topics that `pattern` (of `kafka.topics`, beginning with `^`) matches.
    pub fn matching(&self, pattern: &str) -> Vec<&str> {
        let pattern = Regex::new(pattern);
        let matches = |topic: &&str| pattern.as_ref().is_ok_and(|it| it.is_match(topic));
        self.topics
            .iter()
            .map(String::as_str)
            .filter(matches)
            .collect()
    }

    /// How many partitions a topic has; `None` if it does not exist.
    pub fn partitions(&self, topic: &str) -> Result<Option<usize>, Failure> {
        let metadata = self
            .consumer
            .fetch_metadata(Some(topic), TIMEOUT)
            .map_err(|error| self.failure(&error, Some(topic)))?;
        let found = metadata.topics().iter().find(|it| it.name() == topic);
        let Some(found) = found else {
            return Ok(None);
        };
        match found.error().map(Code::from) {
            None => Ok(Some(found.partitions().len())),
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Ok(None),
            Some(code) => Err(self.failure(&KafkaError::MetadataFetch(code), Some(topic))),
        }
    }

    /// Reads at the end of a topic that exists.
    pub fn read(&self, topic: &str) -> Result<(), Failure> {
        let fail = |error: KafkaError| self.failure(&error, Some(topic));
        let mut end = TopicPartitionList::new();
        end.add_partition_offset(topic, 0, Offset::End)
            .map_err(fail)?;
        self.consumer.assign(&end).map_err(fail)?;
        let deadline = Instant::now() + TIMEOUT;
        let read = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.consumer.poll(left) {
                Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => break Ok(()),
                Some(Err(error)) if is_beside_the_point(&error) => {}
                Some(Err(error)) => break Err(fail(error)),
                None => {
                    break Err(fail(KafkaError::MessageConsumption(
                        Code::OperationTimedOut,
                    )));
                }
            }
        };
        self.consumer
            .assign(&TopicPartitionList::new())
            .map_err(fail)?;
        read
    }

    /// Asks what the group has committed for a topic. That the group may be joined can only be
    /// found out by joining it.
    pub fn ask_group(&self, topic: &str) -> Result<(), Failure> {
        let fail = |error: KafkaError| self.failure(&error, Some(topic));
        let mut first = TopicPartitionList::new();
        first.add_partition(topic, 0);
        let committed = self
            .consumer
            .committed_offsets(first, TIMEOUT)
            .map_err(fail)?;
        for partition in committed.elements() {
            partition.error().map_err(fail)?;
        }
        Ok(())
    }

    /// What to do about an error.
    pub(super) fn failure(&self, error: &KafkaError, topic: Option<&str>) -> Failure {
        // Why connections failed is told while polling, among other things.
        for _ in 0..ERRORS {
            if self.consumer.poll(Duration::from_millis(50)).is_none() {
                break;
            }
        }
        let code = error.rdkafka_error_code();
        let (code, said) = match self.complaints.first() {
            Some((complaint, said)) if code.is_none_or(is_silence) => {
                (complaint.rdkafka_error_code(), said)
            }
            _ => {
                let said = code.map_or_else(|| error.to_string(), |code| code.to_string());
                (code, said)
            }
        };
        meaning(code, &said, topic, &self.group)
    }
}

/// Whether an error says nothing of the topic that is read: an outage that may pass, or that the
/// group may not be used, which the client finds out by the way.
pub(super) fn is_beside_the_point(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::AllBrokersDown
                | Code::BrokerTransportFailure
                | Code::OperationTimedOut
                | Code::GroupAuthorizationFailed
        )
    )
}

/// Whether a code says no more than that there was no answer.
fn is_silence(code: Code) -> bool {
    matches!(
        code,
        Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::OperationTimedOut
            | Code::WaitingForCoordinator
            | Code::Resolve
    )
}

/// What to do about an error.
fn meaning(code: Option<Code>, said: &str, topic: Option<&str>, group: &str) -> Failure {
    if let Some(failure) = encryption::blocked(code, said) {
        return failure;
    }
    match (code, topic) {
        (Some(Code::TopicAuthorizationFailed), Some(topic)) => Failure::blocked(
            "topic_authorization",
            format!("grant READ on the topic {topic} ({said})"),
        ),
        (Some(Code::GroupAuthorizationFailed), _) => Failure::blocked(
            "group_authorization",
            format!("grant READ on the group {group} ({said})"),
        ),
        (Some(Code::Authentication | Code::SaslAuthenticationFailed), _) => Failure::blocked(
            "authentication",
            format!("the brokers refuse the credentials: correct kafka.security ({said})"),
        ),
        _ => Failure::transient(
            "unavailable",
            format!(
                "Kafka does not answer: are kafka.brokers and kafka.security right, and the brokers up? ({said})"
            ),
        ),
    }
}

/// Keeps the first of what the client complains of, and whether it has a token.
#[derive(Debug, Clone, Default)]
pub(super) struct Complaints {
    first: Arc<Mutex<Option<(KafkaError, String)>>>,
    has_token: Arc<AtomicBool>,
}

impl Complaints {
    fn first(&self) -> Option<(KafkaError, String)> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.clone()
    }
}

impl ClientContext for Complaints {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(
        &self,
        reference: Option<&str>,
    ) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let token = oauth::token(reference)?;
        self.has_token.store(true, Ordering::Relaxed);
        Ok(token)
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!("{error}: {reason}");
        // That all brokers are down follows from what was said of each.
        if error.rdkafka_error_code() == Some(Code::AllBrokersDown) {
            return;
        }
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| (error, once(reason).to_owned()));
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        debug!(?level, facility, "{message}");
    }
}

impl ConsumerContext for Complaints {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Disposition;

    #[test]
    fn a_right_that_is_missing_is_named_with_what_it_is_missing_on() {
        for (code, advice) in [
            (
                Code::TopicAuthorizationFailed,
                "grant READ on the topic shop",
            ),
            (
                Code::GroupAuthorizationFailed,
                "grant READ on the group vectide",
            ),
            (Code::SaslAuthenticationFailed, "correct kafka.security"),
        ] {
            let failure = meaning(Some(code), "so it said", Some("shop"), "vectide");
            assert_eq!(failure.disposition, Disposition::Blocked);
            assert!(failure.message.contains(advice), "{failure}");
        }
        let failure = meaning(None, "so it said", None, "vectide");
        assert_eq!(failure.disposition, Disposition::Transient);
    }
}

#[cfg(all(test, feature = "embedded"))]
mod cluster_tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use vectide_embedded::kafka::{EmbeddedKafka, KafkaOptions, Request, ResponseError};

    use super::*;

    fn cluster() -> (EmbeddedKafka, ClientConfig) {
        let kafka = EmbeddedKafka::start(KafkaOptions { brokers: 2 }).unwrap();
        kafka.create_topic("shop.products", 3).unwrap();
        kafka.create_topic("shop.orders", 1).unwrap();
        let mut base = ClientConfig::new();
        base.set("bootstrap.servers", kafka.bootstrap_servers());
        (kafka, base)
    }

    #[test]
    fn a_cluster_tells_its_brokers_topics_and_partitions() {
        let (_kafka, base) = cluster();
        let probe = Probe::connect(&base, "vectide").unwrap();
        assert_eq!(probe.brokers().len(), 2);
        assert_eq!(probe.partitions("shop.products"), Ok(Some(3)));
        assert_eq!(probe.partitions("shop.absent"), Ok(None));
        assert_eq!(probe.matching("^shop\\.").len(), 2);
        assert_eq!(probe.matching("^stock\\.").len(), 0);
        assert_eq!(probe.read("shop.products"), Ok(()));
        assert_eq!(probe.ask_group("shop.products"), Ok(()));
    }

    #[test]
    fn a_group_that_may_not_be_used_is_told_apart() {
        let (kafka, base) = cluster();
        let probe = Probe::connect(&base, "vectide").unwrap();
        let refused = ResponseError::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
        kafka
            .fail_requests(Request::OffsetFetch, &[refused])
            .unwrap();
        let failure = probe.ask_group("shop.products").unwrap_err();
        assert_eq!(failure.reason, "group_authorization");
    }

    #[test]
    fn a_topic_that_may_not_be_read_is_told_apart() {
        let (kafka, base) = cluster();
        let probe = Probe::connect(&base, "vectide").unwrap();
        let refused = ResponseError::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        kafka
            .fail_requests(Request::ListOffsets, &[refused; 20])
            .unwrap();
        let failure = probe.read("shop.products").unwrap_err();
        assert_eq!(failure.reason, "topic_authorization");
    }
}
