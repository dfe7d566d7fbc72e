//! What Kafka's errors mean for a dead letter. None is the letter's own fault: it is tried again
//! until it is delivered.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::{error::Failure, kafka::encryption};

/// The code in an error; also where `rdkafka_error_code` leaves it out.
pub(super) fn code(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        error => error.rdkafka_error_code(),
    }
}

/// What an error says, without the name of the call that it came from.
pub(super) fn text(error: &KafkaError) -> String {
    code(error).map_or_else(|| error.to_string(), |code| code.to_string())
}

/// Whether the error says that the topic does not exist.
pub(super) fn is_unknown_topic(code: Option<Code>) -> bool {
    matches!(
        code,
        Some(Code::UnknownTopic | Code::UnknownTopicOrPartition)
    )
}

/// What to do about an error of writing a letter of so many `bytes` to `topic`.
pub(super) fn of_delivery(code: Option<Code>, said: &str, topic: &str, bytes: usize) -> Failure {
    match code {
        Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => Failure::blocked(
            "too_large",
            format!(
                "the dead-letter topic `{topic}` does not take a record of {bytes} bytes: raise the topic's max.message.bytes ({said})"
            ),
        ),
        Some(Code::UnknownTopic | Code::UnknownTopicOrPartition) => Failure::blocked(
            "unknown_topic",
            format!(
                "the dead-letter topic `{topic}` does not exist: create it, or set dead_letter.create_topic = true"
            ),
        ),
        Some(Code::TopicAuthorizationFailed) => Failure::blocked(
            "topic_authorization",
            format!(
                "dead letters can't be written: grant WRITE on the topic `{topic}`, and create it if it does not exist ({said})"
            ),
        ),
        Some(Code::ClusterAuthorizationFailed) => Failure::blocked(
            "cluster_authorization",
            format!(
                "dead letters can't be written: grant WRITE on the topic `{topic}`; brokers before 2.8 also want IDEMPOTENT_WRITE on the cluster ({said})"
            ),
        ),
        Some(Code::InvalidTimestamp) => Failure::blocked(
            "invalid_timestamp",
            format!(
                "the dead-letter topic `{topic}` does not take a record with a timestamp that far from now: raise the topic's message.timestamp.before.max.ms and message.timestamp.after.max.ms ({said})"
            ),
        ),
        // Brokers say this where a compacted topic gets a record without key.
        Some(Code::InvalidRecord) => Failure::blocked(
            "invalid_record",
            format!(
                "the dead-letter topic `{topic}` does not take the record; if the topic is compacted, set its cleanup.policy to delete ({said})"
            ),
        ),
        Some(Code::PolicyViolation) => Failure::blocked(
            "policy_violation",
            format!("a policy of the brokers forbids writing to the topic `{topic}` ({said})"),
        ),
        Some(Code::UnsupportedCompressionType) => Failure::blocked(
            "unsupported_compression",
            format!(
                "the brokers do not take the compression of dead letters: set kafka.properties.\"compression.type\" ({said})"
            ),
        ),
        _ => of_connection(code, said),
    }
}

/// What to do where `topic` isn't there and a client that logs in by a token can't make it.
pub(super) fn by_token(topic: &str) -> Failure {
    Failure::blocked(
        "unknown_topic",
        format!(
            "the dead-letter topic `{topic}` does not exist, and can't be created by who logs in by OAUTHBEARER: create it"
        ),
    )
}

/// What to do about an error of looking for `topic` and making it; `None` where it isn't in the way
/// of writing to it.
pub(super) fn of_creation(error: &KafkaError, topic: &str) -> Option<Failure> {
    let (code, said) = (code(error), text(error));
    if matches!(error, KafkaError::MetadataFetch(_)) {
        return Some(of_connection(code, &said));
    }
    Some(match code {
        // It is there. Or these brokers don't know how to make a topic when asked to, or know no
        // controller that would, as librdkafka's mock cluster; they make one that is written to.
        Some(
            Code::TopicAlreadyExists
            | Code::UnsupportedFeature
            | Code::OperationTimedOut
            | Code::RequestTimedOut,
        ) => return None,
        Some(Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed) => {
            Failure::blocked(
                "topic_authorization",
                format!(
                    "the dead-letter topic `{topic}` does not exist, or may not be seen, and can't be created: create it or grant CREATE on it, and grant WRITE on it ({said})"
                ),
            )
        }
        Some(
            Code::InvalidReplicationFactor
            | Code::InvalidPartitions
            | Code::InvalidReplicaAssignment
            | Code::InvalidTopic
            | Code::PolicyViolation
            | Code::UnsupportedVersion
            | Code::InvalidRequest
            | Code::InvalidConfig,
        ) => Failure::blocked(
            "topic_refused",
            format!(
                "the brokers refuse to create the dead-letter topic `{topic}`: create it, or correct dead_letter.partitions and dead_letter.replication_factor ({said})"
            ),
        ),
        _ => of_connection(code, &said),
    })
}

/// What to do about an error of the connection, or any other.
pub(super) fn of_connection(code: Option<Code>, said: &str) -> Failure {
    if let Some(failure) = encryption::blocked(code, said) {
        return failure;
    }
    match code {
        Some(Code::Authentication | Code::SaslAuthenticationFailed) => Failure::blocked(
            "authentication",
            format!("Kafka refuses the credentials: correct kafka.security ({said})"),
        ),
        _ => Failure::transient(
            "unavailable",
            format!("dead letters can't be delivered; trying again ({said})"),
        ),
    }
}

/// What to do about an error of delivering a letter; `None` is any other.
#[cfg(test)]
pub(crate) fn disposition_of_delivery(code: Option<Code>) -> Failure {
    of_delivery(code, "so it said", "dead", 17)
}

/// What to do about an error of making the topic of letters; `None` where it is in nobody's way.
#[cfg(test)]
pub(crate) fn disposition_of_creation(code: Code) -> Option<Failure> {
    of_creation(&KafkaError::AdminOp(code), "dead")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Disposition::{Blocked, Transient};

    #[test]
    fn what_only_a_person_can_mend_blocks_and_says_what_to_do() {
        for (code, disposition, advice) in [
            (
                Code::MessageSizeTooLarge,
                Blocked,
                "raise the topic's max.message.bytes",
            ),
            (
                Code::TopicAuthorizationFailed,
                Blocked,
                "grant WRITE on the topic `dead`",
            ),
            (
                Code::ClusterAuthorizationFailed,
                Blocked,
                "want IDEMPOTENT_WRITE",
            ),
            (Code::UnknownTopic, Blocked, "create it"),
            (Code::UnknownTopicOrPartition, Blocked, "create it"),
            (
                Code::InvalidTimestamp,
                Blocked,
                "message.timestamp.before.max.ms",
            ),
            (Code::InvalidRecord, Blocked, "cleanup.policy"),
            (
                Code::UnsupportedCompressionType,
                Blocked,
                "compression.type",
            ),
            (Code::SaslAuthenticationFailed, Blocked, "kafka.security"),
            (Code::BrokerTransportFailure, Transient, "trying again"),
            (Code::MessageTimedOut, Transient, "trying again"),
            (Code::QueueFull, Transient, "trying again"),
            (Code::NotEnoughReplicas, Transient, "trying again"),
            (Code::PurgeQueue, Transient, "trying again"),
        ] {
            let failure = of_delivery(Some(code), "so it said", "dead", 17);
            assert_eq!(failure.disposition, disposition, "{code:?}");
            assert!(failure.message.contains(advice), "{code:?}: {failure}");
        }
        assert_eq!(of_delivery(None, "?", "dead", 17).disposition, Transient);
    }

    #[test]
    fn a_connection_whose_encryption_fails_says_which_key_to_correct() {
        let verify = "SSL handshake failed: certificate verify failed";
        let alert = "Receive failed: ssl/tls alert bad certificate: SSL alert number 42";
        for (code, said, key) in [
            (Code::SSL, verify, "kafka.security.ca_file"),
            (Code::SSL, "so it said", "kafka.security"),
            (
                Code::BrokerTransportFailure,
                alert,
                "kafka.security.certificate_file",
            ),
        ] {
            let failure = of_connection(Some(code), said);
            assert_eq!((failure.disposition, failure.reason), (Blocked, "tls"));
            assert!(failure.message.contains(key), "{failure}");
        }
    }

    #[test]
    fn a_topic_that_is_there_or_makes_itself_is_no_failure() {
        for code in [
            Code::TopicAlreadyExists,
            Code::UnsupportedFeature,
            Code::OperationTimedOut,
        ] {
            let error = KafkaError::AdminOp(code);
            assert_eq!(of_creation(&error, "dead"), None, "{code:?}");
        }
    }

    #[test]
    fn a_topic_that_may_not_be_made_blocks_and_an_outage_does_not() {
        for (code, disposition) in [
            (Code::TopicAuthorizationFailed, Blocked),
            (Code::InvalidReplicationFactor, Blocked),
            (Code::PolicyViolation, Blocked),
            (Code::Authentication, Blocked),
            (Code::BrokerTransportFailure, Transient),
            (Code::NotController, Transient),
        ] {
            let failure = of_creation(&KafkaError::AdminOp(code), "dead");
            let found = failure.map(|failure| failure.disposition);
            assert_eq!(found, Some(disposition), "{code:?}");
        }
        let silence = KafkaError::MetadataFetch(Code::OperationTimedOut);
        let failure = of_creation(&silence, "dead");
        assert_eq!(failure.map(|failure| failure.disposition), Some(Transient));
    }
}
