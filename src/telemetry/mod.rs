//! Telemetry: what operators see. Health of the lanes, metrics, and the log.

mod health;
mod logging;
mod metrics;
mod parts;

pub use health::{Health, Lane, LaneState};
pub use logging::{LoggingError, init as init_logging};
pub use metrics::{
    CostMetrics, EmbedMetrics, IndexMetrics, KafkaMetrics, LimitMetrics, Metrics, PartitionGauge,
    PipelineMetrics,
};
pub use parts::LanePart;
