//! Telemetry: what operators see. Health of the lanes, metrics, how far each partition is, the log
//! with its latest warnings, and traces of single records.

mod assigned;
mod health;
mod logging;
mod metrics;
mod parts;
mod recent;
mod traces;

pub use assigned::{AssignedPartition, AssignedPartitions, Reading};
pub use health::{Health, Lane, LaneState};
pub use logging::{Log, LoggingError, init as init_logging};
pub use metrics::{
    CostMetrics, EmbedMetrics, Exemplar, Exemplars, IndexMetrics, KafkaMetrics, LimitMetrics,
    Metrics, PartitionGauge, PipelineMetrics, TraceMetrics,
};
pub use parts::LanePart;
pub use recent::{Recent, Warning};
pub use traces::{Clock, Exporting, Root, Span, Tracer, TracesError, of_embedding};
