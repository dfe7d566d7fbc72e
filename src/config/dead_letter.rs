//! `[dead_letter]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
