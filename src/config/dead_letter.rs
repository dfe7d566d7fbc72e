//! `[dead_letter]`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    human_duration,
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
    /// When dead letters are too many to be the fault of their records.
    pub breaker: BreakerConfig,
}

/// Withholds the dead letters of a table when they are too many to be the fault of their records:
/// they stay unsettled, and nothing of them is lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerConfig {
    /// How many of a hundred records of a table may be dead-lettered; 0 switches the breaker off.
    pub percent: u8,
    /// Over how long that is counted.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub window: Duration,
    /// Of fewer records in that time nothing is concluded.
    pub min_records: u64,
    /// Nor of fewer letters. So many go out before the breaker can open.
    pub min_letters: u64,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            percent: 10,
            window: Duration::from_mins(1),
            min_records: 100,
            min_letters: 20,
        }
    }
}

impl Default for DeadLetterConfig {
    fn default() -> Self {
        Self {
            topic: "vectide.dead-letters".into(),
            create_topic: true,
            partitions: 1,
            replication_factor: -1,
            breaker: BreakerConfig::default(),
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
        report.within(
            "dead_letter.breaker.percent",
            &self.breaker.percent,
            &(0..=99),
        );
        report.not_zero("dead_letter.breaker.window", self.breaker.window);
    }
}
