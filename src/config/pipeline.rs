//! `[pipeline]`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{byte_size::ByteSize, human_duration, validate::Report};

/// Bounds of the whole pipeline: memory, and time to drain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PipelineConfig {
    /// Memory for records in flight, from the poll until they settle: twice their bytes, 2.5 KiB and a
    /// vector each. Over it, partitions are paused. What the process takes beside it is bounded, too.
    pub budget: ByteSize,
    /// What becomes of rows that wait for their vectors while others need the memory.
    pub parking: Parking,
    /// How long a row waits for its vector before it is parked, memory or not, so that its offset can
    /// be committed.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub park_after: Duration,
    /// How long a partition that is taken away may finish what it has begun; the rest is read
    /// again by its next owner.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub drain_timeout: Duration,
    /// How long a shutdown may take to drain, before it commits what is settled and leaves.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub shutdown_timeout: Duration,
}

/// What becomes of rows that wait for their vectors while others need the memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Parking {
    /// They are written to the index as they are, with a note that their vectors are owed, and their
    /// offsets settle: so nothing waits behind them.
    #[default]
    Auto,
    /// They stay in memory; when that is full, partitions are paused until vectors can be bought.
    Never,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            budget: ByteSize::mib(256),
            parking: Parking::default(),
            park_after: Duration::from_mins(10),
            drain_timeout: Duration::from_secs(5),
            shutdown_timeout: Duration::from_secs(8),
        }
    }
}

impl PipelineConfig {
    pub(super) fn validate(&self, report: &mut Report) {
        let least = ByteSize::mib(1);
        report.refuse_if(
            self.budget < least,
            "pipeline.budget",
            format!(
                "is {}; must be {least} or more, so that records fit in",
                self.budget
            ),
        );
        report.refuse_if(
            self.park_after < Duration::from_secs(1),
            "pipeline.park_after",
            "must be 1s or more; pipeline.parking = \"never\" turns parking off",
        );
        // Half of librdkafka's default for max.poll.interval.ms, after which the group would take
        // the member for dead.
        report.refuse_if(
            self.drain_timeout > Duration::from_secs(150),
            "pipeline.drain_timeout",
            "must be 150s or less: the group waits for it in every rebalance",
        );
    }
}
