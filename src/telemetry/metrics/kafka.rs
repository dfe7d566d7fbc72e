//! Metrics of the consumer group.

use prometheus::{Error, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::add;

/// What the source and the committer count. A clone counts into the same metrics.
#[derive(Debug, Clone)]
pub struct KafkaMetrics {
    /// Partitions assigned to this member.
    pub assigned: IntGauge,
    /// Partitions paused because the memory budget is used up, or because they stand still.
    pub paused: IntGauge,
    /// Rebalances, by `event`: `assign`, `revoke`, `lost` or `error`.
    pub rebalances: IntCounterVec,
    /// Commits, by `outcome`: `ok`, `retried` or `discarded`.
    pub commits: IntCounterVec,
    /// Records between the end of the assigned partitions and what has settled.
    pub lag: IntGauge,
    /// Errors that the Kafka client reported.
    pub errors: IntCounter,
}

impl KafkaMetrics {
    /// Makes the metrics and registers them. Fails where one of their names is taken.
    pub fn register(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            assigned: add(
                registry,
                IntGauge::new(
                    "vectide_kafka_partitions_assigned",
                    "Partitions assigned to this member.",
                ),
            )?,
            paused: add(
                registry,
                IntGauge::new(
                    "vectide_kafka_partitions_paused",
                    "Partitions paused because the memory budget is used up, or because they stand still.",
                ),
            )?,
            rebalances: add(
                registry,
                IntCounterVec::new(
                    Opts::new("vectide_kafka_rebalances_total", "Rebalances, by event."),
                    &["event"],
                ),
            )?,
            commits: add(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "vectide_kafka_commits_total",
                        "Commits of offsets, by outcome.",
                    ),
                    &["outcome"],
                ),
            )?,
            lag: add(
                registry,
                IntGauge::new(
                    "vectide_kafka_lag_records",
                    "Records between the end of the assigned partitions and what has settled.",
                ),
            )?,
            errors: add(
                registry,
                IntCounter::new(
                    "vectide_kafka_errors_total",
                    "Errors that the Kafka client reported.",
                ),
            )?,
        })
    }
}
