//! Which librdkafka properties an operator may not set, and why. Names and defaults follow
//! `CONFIGURATION.md` of librdkafka 2.12.

/// Why `name = value` is refused; `None` where it is passed through.
pub(super) fn refusal(name: &str, value: &str) -> Option<String> {
    if let Some(key) = own_key(name) {
        return Some(format!("is set by {key}"));
    }
    if is_secret(name) {
        return Some("holds a secret: give it by reference in kafka.secret_properties".into());
    }
    if is_javas_secret(name) {
        return Some(
            "is of the Java client, and may hold a secret: see kafka.security for what is instead of it"
                .into(),
        );
    }
    correctness(name, value).map(str::to_owned)
}

/// Properties that librdkafka does not have, and whose value would be shown with the configuration.
fn is_javas_secret(name: &str) -> bool {
    ["jaas", "password", "secret"]
        .iter()
        .any(|word| name.contains(word))
}

/// Properties whose value is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    matches!(
        name,
        "ssl.key.pem"
            | "ssl.keystore.password"
            | "sasl.oauthbearer.client.secret"
            | "sasl.oauthbearer.client.credentials.client.secret"
            | "sasl.oauthbearer.assertion.private.key.passphrase"
            | "sasl.oauthbearer.assertion.private.key.pem"
    )
}

/// The key of the configuration that a property belongs to.
pub(super) fn own_key(name: &str) -> Option<&'static str> {
    Some(match name {
        "bootstrap.servers" | "metadata.broker.list" => "kafka.brokers",
        "group.id" => "kafka.group",
        "group.instance.id" => "kafka.instance_id",
        "group.protocol" => "kafka.group_protocol",
        "session.timeout.ms" => "kafka.session_timeout",
        "security.protocol" => "kafka.security.protocol",
        "sasl.mechanism" | "sasl.mechanisms" => "kafka.security.mechanism",
        "sasl.username" => "kafka.security.username",
        "sasl.password" => "kafka.security.password",
        "sasl.oauthbearer.config" => "kafka.security.oauthbearer_token",
        "ssl.ca.location" => "kafka.security.ca_file",
        "ssl.certificate.location" => "kafka.security.certificate_file",
        "ssl.key.location" => "kafka.security.key_file",
        "ssl.key.password" => "kafka.security.key_password",
        _ => return None,
    })
}

fn correctness(name: &str, value: &str) -> Option<&'static str> {
    Some(match name {
        "enable.auto.commit"
        | "auto.commit.enable"
        | "auto.commit.interval.ms"
        | "enable.auto.offset.store"
        | "offset.store.method"
        | "offset.store.path"
        | "offset.store.sync.interval.ms" => {
            "an offset is committed only behind what was written, never by the client on its own"
        }
        "auto.offset.reset" => {
            "is always earliest: with latest, the first records of a new partition would be lost"
        }
        "partition.assignment.strategy" => {
            "is always cooperative-sticky, which the draining of partitions is built on"
        }
        "group.protocol.type" | "group.remote.assignor" => {
            "is left to the group's protocol, see kafka.group_protocol"
        }
        "isolation.level" if value != "read_committed" => {
            "is always read_committed: rows of aborted transactions would reach the index"
        }
        "enable.partition.eof" => "is part of how the consumer is polled",
        "enable.idempotence"
        | "enable.gapless.guarantee"
        | "max.in.flight"
        | "max.in.flight.requests.per.connection"
        | "queuing.strategy"
        | "retries"
        | "message.send.max.retries" => {
            "the producer of dead letters is idempotent, and this follows from it"
        }
        "acks" | "request.required.acks" => {
            "is always all: the offset moves once the dead letter is safe on every replica"
        }
        "transactional.id" | "transaction.timeout.ms" => {
            "dead letters are written without transactions"
        }
        "delivery.report.only.error" => {
            "the offset moves when the delivery of the dead letter is reported"
        }
        // librdkafka's own switch, which would silently replace the brokers that are named.
        "test.mock.num.brokers" => {
            "an in-process cluster is asked for by kafka.brokers = \"embedded\""
        }
        "sasl.oauthbearer.method" if value != "default" => {
            "librdkafka is built in without an HTTP client, so it can't fetch tokens itself; kafka.security.oauthbearer_token reads them from a file"
        }
        "opaque"
        | "default_topic_conf"
        | "interceptors"
        | "enabled_events"
        | "ssl_engine_callback_data"
        | "ssl_key"
        | "ssl_certificate"
        | "ssl_ca"
        | "msg_order_cmp" => "is set by programs, not by text",
        name if name.ends_with("_cb") => "is set by programs, not by text",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_correctness_depends_on_is_refused_with_its_reason() {
        for name in [
            "enable.auto.commit",
            "auto.commit.enable",
            "enable.auto.offset.store",
            "auto.offset.reset",
            "partition.assignment.strategy",
            "group.protocol",
            "enable.partition.eof",
            "enable.idempotence",
            "acks",
            "request.required.acks",
            "transactional.id",
            "rebalance_cb",
        ] {
            assert!(refusal(name, "").is_some(), "{name}");
        }
    }

    #[test]
    fn a_property_with_a_key_of_its_own_names_that_key() {
        for (name, key) in [
            ("group.id", "kafka.group"),
            ("metadata.broker.list", "kafka.brokers"),
            ("sasl.mechanism", "kafka.security.mechanism"),
        ] {
            assert_eq!(refusal(name, "x"), Some(format!("is set by {key}")));
        }
    }

    #[test]
    fn isolation_may_be_said_but_not_lowered() {
        assert_eq!(refusal("isolation.level", "read_committed"), None);
        assert!(refusal("isolation.level", "read_uncommitted").is_some());
    }

    #[test]
    fn a_secret_is_sent_to_the_references() {
        for java in ["sasl.jaas.config", "ssl.truststore.password"] {
            let reason = refusal(java, "hunter2").unwrap_or_default();
            assert!(reason.contains("kafka.security"), "{reason}");
        }
        let reason = refusal("ssl.keystore.password", "hunter2").unwrap_or_default();
        assert!(reason.contains("kafka.secret_properties"));
        assert!(!reason.contains("hunter2"));
    }

    #[test]
    fn tuning_is_passed_through() {
        for name in [
            "fetch.min.bytes",
            "queued.min.messages",
            "max.poll.interval.ms",
            "client.id",
            "client.rack",
            "debug",
            "compression.type",
            "broker.address.family",
        ] {
            assert_eq!(refusal(name, "1"), None, "{name}");
        }
    }
}
