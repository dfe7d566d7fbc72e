//! What Kafka's errors mean for reading. Pure.

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::error::Failure;

/// What is wrong with Kafka, by what shows that it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A broker that is up shows it.
    Connection,
    /// Only an assignment or a record does.
    Access,
    /// Nothing does: the client has ended.
    Fatal,
}

/// What to do about an error of reading, and what shows that it is over; `None` where the client goes
/// on by itself.
pub(super) fn meaning(code: Code, reason: &str) -> Option<(Trouble, Failure)> {
    Some(match code {
        Code::AllBrokersDown | Code::BrokerTransportFailure => (
            Trouble::Connection,
            Failure::transient(
                "unavailable",
                format!(
                    "no Kafka broker can be reached; trying again ({})",
                    reason.split(" (after ").next().unwrap_or(reason)
                ),
            ),
        ),
        Code::Authentication | Code::SaslAuthenticationFailed => (
            Trouble::Connection,
            Failure::blocked(
                "authentication",
                format!("Kafka refuses the credentials; correct kafka.security ({reason})"),
            ),
        ),
        Code::SSL => (
            Trouble::Connection,
            Failure::blocked(
                "tls",
                format!(
                    "no encrypted connection to Kafka comes about; correct kafka.security ({reason})"
                ),
            ),
        ),
        Code::UnknownTopicOrPartition | Code::UnknownTopic => (
            Trouble::Access,
            Failure::transient(
                "unknown_topic",
                "a topic of kafka.topics does not exist yet; waiting for it",
            ),
        ),
        Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed => (
            Trouble::Access,
            Failure::blocked(
                "authorization",
                "Kafka denies access; grant READ on the topics and on the group",
            ),
        ),
        Code::Fatal => (
            Trouble::Fatal,
            Failure::blocked(
                "fatal",
                format!(
                    "the Kafka client has ended for good ({reason}); if another process uses the same kafka.instance_id, give this one another"
                ),
            ),
        ),
        _ => return None,
    })
}

/// What to do about an error of reading; `None` where the client goes on by itself.
#[cfg(test)]
pub(crate) fn disposition(code: Code) -> Option<Failure> {
    meaning(code, "so it said").map(|(_, failure)| failure)
}
