//! `[dead_letter]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    kafka::KafkaConfig,
    validate::{Report, TOPIC_NAME, is_topic_name},
};

/// Where records go that can't be processed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLetterConfig {
    /// The topic that receives them: key, value, headers and timestamp as they came, and why in
    /// `__connect.errors.*` headers.
    pub topic: String,
    /// Whether to create the topic when absent.
    pub create_topic: bool,
    /// The partitions of a topic created here.
    pub partitions: i32,
    /// The replicas of a topic created here; -1 is the broker's default.
    pub replication_factor: i32,
}

impl Default for DeadLetterConfig {
    fn default() -> Self {
        Self {
            topic: "vectide.dead-letters".into(),
            create_topic: true,
            partitions: 1,
            replication_factor: -1,
        }
    }
}

impl DeadLetterConfig {
    pub(super) fn validate(&self, kafka: &KafkaConfig, report: &mut Report) {
        report.refuse_if(
            !is_topic_name(&self.topic),
            "dead_letter.topic",
            format!("{:?} is no topic name ({TOPIC_NAME})", self.topic),
        );
        // Each dead letter read back would be dead-lettered again, for ever.
        if let Some(topic) = kafka.subscribes_to(&self.topic) {
            report.refuse(
                "dead_letter.topic",
                format!(
                    "{:?} would be read as change events: kafka.topics has {topic:?}",
                    self.topic
                ),
            );
        }
        report.within("dead_letter.partitions", &self.partitions, &(1..=10_000));
        report.refuse_if(
            self.replication_factor == 0 || self.replication_factor < -1,
            "dead_letter.replication_factor",
            "must be 1 or more, or -1 for the broker's default",
        );
    }
}
