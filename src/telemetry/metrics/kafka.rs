//! Metrics of the consumer group.

use prometheus::{Error, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::{PartitionGauge, add};
use crate::telemetry::AssignedPartitions;

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
    /// Records between the end of each assigned partition and what has settled.
    pub lag_records: PartitionGauge,
    /// For how long the oldest record of each assigned partition that was received and has not settled is
    /// in Kafka.
    pub lag_seconds: PartitionGauge,
    /// The partitions that each topic has, whoever they are assigned to.
    pub topic_partitions: IntGaugeVec,
    /// Errors that the Kafka client reported.
    pub errors: IntCounter,
    /// Partitions of which Kafka did not have the offset to go on from any more.
    pub offset_resets: IntCounter,
    /// How far each assigned partition is: for the status, no metric.
    pub partitions: AssignedPartitions,
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
            lag_records: add(
                registry,
                PartitionGauge::new(
                    "vectide_kafka_lag_records",
                    "Records between the end of an assigned partition and what has settled.",
                ),
            )?,
            lag_seconds: add(
                registry,
                PartitionGauge::new(
                    "vectide_kafka_lag_seconds",
                    "For how long the oldest record of an assigned partition that was received and has not settled is in Kafka; 0 when all have settled.",
                ),
            )?,
            topic_partitions: add(
                registry,
                IntGaugeVec::new(
                    Opts::new(
                        "vectide_kafka_topic_partitions",
                        "The partitions that a topic has, whoever they are assigned to.",
                    ),
                    &["topic"],
                ),
            )?,
            errors: add(
                registry,
                IntCounter::new(
                    "vectide_kafka_errors_total",
                    "Errors that the Kafka client reported.",
                ),
            )?,
            offset_resets: add(
                registry,
                IntCounter::new(
                    "vectide_kafka_offset_resets_total",
                    "Partitions of which Kafka did not have the offset to go on from any more: records may have been lost to retention.",
                ),
            )?,
            partitions: AssignedPartitions::default(),
        })
    }
}
