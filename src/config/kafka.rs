//! `[kafka]`.

use std::{collections::BTreeMap, time::Duration};

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    EMBEDDED, human_duration,
    kafka_properties::{is_secret, own_key, refusal},
    kafka_security::SecurityConfig,
    secret::SecretRef,
    validate::{Report, TOPIC_NAME, is_topic_name},
};

/// Where change events come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// The brokers to find the cluster by, `host:port`, comma separated; or `embedded` for an
    /// in-process cluster that lives as long as the process.
    pub brokers: String,
    /// The consumer group. All members of one group share the work; its committed offsets are
    /// where a restart goes on.
    pub group: String,
    /// The change topics to read. An entry that starts with `^` is a POSIX extended regular
    /// expression over topic names, so that new topics are found without a restart.
    pub topics: Vec<String>,
    /// A name that this member keeps over restarts (static membership): a restart within the
    /// session timeout then moves no partition. Must differ between members.
    pub instance_id: Option<String>,
    /// How the group shares the partitions among its members.
    pub group_protocol: GroupProtocol,
    /// How long the group waits for a silent member before its partitions go to others; and how long
    /// a member that was stopped trusts that they are still its own. With `group_protocol =
    /// "consumer"` it is only the latter: the brokers' `group.consumer.session.timeout.ms`, 45s by
    /// default, is the former, and must not be shorter.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub session_timeout: Duration,
    /// Encryption and authentication.
    pub security: SecurityConfig,
    /// Further properties for librdkafka, by their own names and as text. Refused are those that
    /// correctness depends on and those that have a key of their own here.
    pub properties: BTreeMap<String, String>,
    /// librdkafka properties whose value is a secret, such as `ssl.keystore.password`.
    pub secret_properties: BTreeMap<String, SecretRef>,
}

/// How a group shares the partitions among its members.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupProtocol {
    /// The members agree on it, which all brokers know.
    #[default]
    Classic,
    /// The brokers tell each member (KIP-848), which needs Kafka 4.0 or later: a rebalance stops
    /// nobody whose partitions stay.
    Consumer,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: "localhost:9092".into(),
            group: "vectide".into(),
            topics: Vec::new(),
            instance_id: None,
            group_protocol: GroupProtocol::default(),
            session_timeout: Duration::from_secs(10),
            security: SecurityConfig::default(),
            properties: BTreeMap::new(),
            secret_properties: BTreeMap::new(),
        }
    }
}

impl KafkaConfig {
    /// Whether the in-process cluster is asked for.
    pub fn is_embedded(&self) -> bool {
        self.brokers == EMBEDDED
    }

    /// The first of `topics` that would also read the topic `name`.
    pub(super) fn subscribes_to(&self, name: &str) -> Option<&str> {
        let mut topics = self.topics.iter().map(String::as_str);
        topics.find(|topic| names_or_matches(topic, name))
    }

    pub(super) fn validate(&self, report: &mut Report) {
        report.embedded("kafka.brokers", self.is_embedded());
        report.refuse_if(
            self.brokers
                .split(',')
                .any(|broker| broker.trim().is_empty()),
            "kafka.brokers",
            "must name the brokers as host:port, comma separated",
        );
        report.not_blank("kafka.group", &self.group);
        report.refuse_if(
            self.topics.is_empty(),
            "kafka.topics",
            "missing: name the change topics to read, such as [\"shop.public.products\"]",
        );
        validate_topics("kafka.topics", &self.topics, report);
        if let Some(id) = &self.instance_id {
            report.not_blank("kafka.instance_id", id);
        }
        report.refuse_if(
            !(Duration::from_secs(1)..=Duration::from_hours(1)).contains(&self.session_timeout),
            "kafka.session_timeout",
            "must be from 1s to 1h (brokers accept 6s to 30m unless set otherwise)",
        );
        self.security.validate(report);
        for (name, value) in &self.properties {
            if let Some(reason) = refusal(name, value) {
                report.refuse(format!("kafka.properties.{name}"), reason);
            }
        }
        for name in self.secret_properties.keys() {
            let key = format!("kafka.secret_properties.{name}");
            match own_key(name) {
                Some(own) => report.refuse(key, format!("is set by {own}")),
                None => report.refuse_if(
                    !is_secret(name),
                    key,
                    "is no property that holds a secret: set it in kafka.properties",
                ),
            }
        }
    }
}

/// Whether an entry of a list of topics is a pattern.
pub(super) fn is_pattern(topic: &str) -> bool {
    topic.starts_with('^')
}

/// Whether `topic`, a name or a pattern, means the topic `name`.
pub(crate) fn names_or_matches(topic: &str, name: &str) -> bool {
    topic == name
        || (is_pattern(topic) && Regex::new(topic).is_ok_and(|pattern| pattern.is_match(name)))
}

/// The rules for a list of topics and patterns.
pub(super) fn validate_topics(key: &str, topics: &[String], report: &mut Report) {
    for (i, topic) in topics.iter().enumerate() {
        let earlier = topics.get(..i).unwrap_or_default();
        report.refuse_if(
            earlier.contains(topic),
            key,
            format!("{topic:?} is named twice"),
        );
        if !is_pattern(topic) {
            report.refuse_if(
                !is_topic_name(topic),
                key,
                format!("{topic:?} is no topic name ({TOPIC_NAME}); a pattern starts with ^"),
            );
        } else if let Some(reason) = pattern_error(topic) {
            report.refuse(key, format!("{topic:?} is no pattern: {reason}"));
        }
    }
}

/// Why librdkafka would not understand a pattern, or not as it is meant: it uses the C library's
/// POSIX extended regular expressions.
fn pattern_error(pattern: &str) -> Option<String> {
    if let Some(foreign) = ["\\d", "\\D", "(?", "*?", "+?"]
        .into_iter()
        .find(|foreign| pattern.contains(foreign))
    {
        return Some(format!(
            "POSIX extended regular expressions have no `{foreign}` (write [0-9] for a digit)"
        ));
    }
    match Regex::new(pattern) {
        Ok(_) => None,
        // The last line says what is wrong; those before it draw where.
        Err(error) => Some(
            error
                .to_string()
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned(),
        ),
    }
}
