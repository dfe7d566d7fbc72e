//! `[commit]`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{human_duration, validate::Report};

/// When offsets are committed to Kafka.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CommitConfig {
    /// How often what is settled is committed; also on every rebalance and on shutdown. A crash
    /// reads again what was settled since, and finds it unchanged.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub interval: Duration,
}

impl Default for CommitConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
        }
    }
}

impl CommitConfig {
    pub(super) fn validate(&self, report: &mut Report) {
        report.not_zero("commit.interval", self.interval);
    }
}
