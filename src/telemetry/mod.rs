//! Telemetry: what operators see. Health of the lanes, metrics, how far each partition is, and the
//! log with its latest warnings.

mod assigned;
mod health;
mod logging;
mod metrics;
mod parts;
mod recent;

pub use assigned::{AssignedPartition, AssignedPartitions, Reading};
pub use health::{Health, Lane, LaneState};
pub use logging::{Log, LoggingError, init as init_logging};
pub use metrics::{
    CostMetrics, EmbedMetrics, IndexMetrics, KafkaMetrics, LimitMetrics, Metrics, PartitionGauge,
    PipelineMetrics,
};
pub use parts::LanePart;
pub use recent::{Recent, Warning};
