//! The consumer's settings: ours where correctness depends on them, the user's elsewhere.

use std::time::Duration;

use rdkafka::{ClientConfig, config::RDKafkaLogLevel};

use crate::config::{GroupProtocol, KafkaConfig};

/// What the consumer needs beyond what [every client](crate::kafka::client_config) shares, whatever the user
/// passes through.
pub(super) fn consumer_config(base: &ClientConfig, config: &KafkaConfig) -> ClientConfig {
    let mut client = base.clone();
    let mut default = |name: &str, value: &str| {
        if !config.properties.contains_key(name) {
            client.set(name, value);
        }
    };
    // Memory beside the budget: what the client fetches ahead. Bytes are what counts; once they
    // are there, fetching rests for a moment, which is a whole second where nothing is said.
    default("queued.max.messages.kbytes", "32768");
    default("queued.min.messages", "100000");
    default("fetch.queue.backoff.ms", "10");
    default("fetch.wait.max.ms", "50");
    // A topic that does not exist yet is found within seconds of being made.
    default("topic.metadata.refresh.interval.ms", "10000");
    default("statistics.interval.ms", "2000");
    // A commit on a connection that hangs must not outlast a shutdown by a minute.
    default("socket.timeout.ms", "10000");
    // The brokers say both to members of the newer protocol, and the client refuses them.
    if config.group_protocol == GroupProtocol::Classic {
        default(
            "heartbeat.interval.ms",
            &(config.session_timeout.as_millis() / 5).to_string(),
        );
    }
    match config.group_protocol {
        GroupProtocol::Classic => client
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", milliseconds(config.session_timeout)),
        GroupProtocol::Consumer => client.set("group.protocol", "consumer"),
    };
    client
        .set("group.id", &config.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // With `latest`, records of partitions found later would be lost.
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "false")
        .set("allow.auto.create.topics", "false");
    // That an offset is gone is a warning in the client's log, and nowhere else.
    if (client.log_level as i32) < RDKafkaLogLevel::Warning as i32 {
        client.set_log_level(RDKafkaLogLevel::Warning);
    }
    if let Some(instance) = &config.instance_id {
        client.set("group.instance.id", instance);
    }
    client
}

fn milliseconds(duration: Duration) -> String {
    duration.as_millis().to_string()
}
