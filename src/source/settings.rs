//! The Kafka client's settings: ours where correctness depends on them, the user's elsewhere.

use std::time::Duration;

use rdkafka::{ClientConfig, config::RDKafkaLogLevel};

use crate::config::{GroupProtocol, KafkaConfig, Secret, SecretError, SecretRef};

use super::oauth;

/// The settings that every client of this cluster shares: brokers, security, and what the user
/// passes through.
pub fn client_config(config: &KafkaConfig, brokers: &str) -> Result<ClientConfig, SecretError> {
    let mut client = ClientConfig::new();
    for (name, value) in &config.properties {
        client.set(name, value);
    }
    for (name, secret) in &config.secret_properties {
        client.set(name, secret.resolve()?.expose());
    }
    if !config.properties.contains_key("client.id") {
        client.set("client.id", "vectide");
    }
    client.set("bootstrap.servers", brokers);
    let security = &config.security;
    client.set("security.protocol", security.protocol.as_str());
    if let Some(mechanism) = security.mechanism {
        client.set("sasl.mechanism", mechanism.as_str());
    }
    let mut set = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            client.set(name, value);
        }
    };
    set("sasl.username", security.username.as_deref());
    for (name, path) in [
        ("ssl.ca.location", &security.ca_file),
        ("ssl.certificate.location", &security.certificate_file),
        ("ssl.key.location", &security.key_file),
    ] {
        set(
            name,
            path.as_ref().map(|path| path.to_string_lossy()).as_deref(),
        );
    }
    for (name, secret) in [
        ("sasl.password", &security.password),
        ("ssl.key.password", &security.key_password),
    ] {
        let secret = secret.as_ref().map(SecretRef::resolve).transpose()?;
        set(name, secret.as_ref().map(Secret::expose));
    }
    if let Some(token) = &security.oauthbearer_token {
        client.set("sasl.oauthbearer.config", oauth::reference(token));
    }
    Ok(client)
}

/// What the consumer needs on top, whatever the user passes through.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn secret_properties_and_the_users_own_client_id_reach_the_client() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, b"hunter2\n").unwrap();
        let secret = SecretRef::File(file.path().to_owned());
        let config = KafkaConfig {
            properties: [("client.id".to_owned(), "shop-7".to_owned())].into(),
            secret_properties: [("ssl.keystore.password".to_owned(), secret)].into(),
            ..KafkaConfig::default()
        };
        let client = client_config(&config, "kafka:9092").unwrap();
        assert_eq!(client.get("client.id"), Some("shop-7"));
        assert_eq!(client.get("ssl.keystore.password"), Some("hunter2"));
        assert_eq!(client.get("bootstrap.servers"), Some("kafka:9092"));
        assert_eq!(client.get("security.protocol"), Some("plaintext"));

        let client = client_config(&KafkaConfig::default(), "kafka:9092").unwrap();
        assert_eq!(client.get("client.id"), Some("vectide"));
    }
}
