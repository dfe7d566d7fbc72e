//! Leaving the group before the client is closed.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use tracing::debug;

use crate::config::{GroupProtocol, KafkaConfig};

/// How long the coordinator may take to answer what it was asked before.
const LAST_ANSWERS: Duration = Duration::from_millis(200);

/// How a member parts from its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parting {
    /// It unsubscribes, takes in what the coordinator still answers, and closes.
    ///
    /// librdkafka dereferences null when an answer to a `SyncGroup` request arrives after the client was
    /// closed while it waited for it (its issue 5347, mended in 2.14.2): as when a member is stopped in the
    /// midst of a rebalance. Unsubscribed first, it takes the answer like any other.
    Unsubscribe,
    /// It closes. A member with a name of its own stays one until its session times out, and where the
    /// brokers assign there are no such requests.
    Close,
}

impl Parting {
    /// That of a member with such a configuration.
    pub(super) fn of(config: &KafkaConfig) -> Self {
        match (config.group_protocol, &config.instance_id) {
            (GroupProtocol::Classic, None) => Self::Unsubscribe,
            (GroupProtocol::Consumer, _) | (_, Some(_)) => Self::Close,
        }
    }

    /// Prepares a client to be closed, of which no partition is processed any more.
    pub(super) fn prepare<C: ConsumerContext>(self, consumer: &BaseConsumer<C>) {
        if self == Self::Close {
            return;
        }
        consumer.unsubscribe();
        let end = Instant::now() + LAST_ANSWERS;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            // Records that arrive now are for the partitions' next owners.
            if let Some(Err(error)) = consumer.poll(left) {
                debug!("Kafka: {error}, while leaving the group");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_member_without_a_name_unsubscribes() {
        let mut config = KafkaConfig::default();
        assert_eq!(Parting::of(&config), Parting::Unsubscribe);
        config.group_protocol = GroupProtocol::Consumer;
        assert_eq!(Parting::of(&config), Parting::Close);
        config.group_protocol = GroupProtocol::Classic;
        config.instance_id = Some("a".to_owned());
        assert_eq!(
            Parting::of(&config),
            Parting::Close,
            "it is a member until it comes back"
        );
    }
}
