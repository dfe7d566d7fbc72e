//! The metrics, one file a stage. Names follow Prometheus' conventions: base units, `_total` for
//! counters; labels are bounded. A test pins the full list.

mod cost;
mod embed;
mod exemplars;
mod index;
mod kafka;
mod limits;
mod open_metrics;
mod partitions;
mod pipeline;
#[cfg(test)]
mod queries;
#[cfg(test)]
mod tests;
mod traces;

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{
    Error, Gauge, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
    proto::MetricFamily,
};

pub use cost::CostMetrics;
pub use embed::EmbedMetrics;
pub use exemplars::{Exemplar, Exemplars};
pub use index::IndexMetrics;
pub use kafka::KafkaMetrics;
pub use limits::LimitMetrics;
pub use partitions::PartitionGauge;
pub use pipeline::PipelineMetrics;
pub use traces::TraceMetrics;

use super::health::{Health, LaneState};

/// All metrics of one running program.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// Records, from receiving to settling.
    pub pipeline: PipelineMetrics,
    /// The consumer group.
    pub kafka: KafkaMetrics,
    /// Embedding.
    pub embed: EmbedMetrics,
    /// Money.
    pub cost: CostMetrics,
    /// The index.
    pub index: IndexMetrics,
    /// Traces on their way to the collector.
    pub traces: TraceMetrics,
    /// Whether what is configured is not in effect, because reading it again failed.
    reload_failed: IntGauge,
    lanes: IntGaugeVec,
    paused_tables: IntGaugeVec,
}

impl Metrics {
    /// Makes and registers every metric.
    pub fn new() -> Result<Self, Error> {
        let registry = Registry::new();
        let build = add(
            &registry,
            IntGaugeVec::new(
                Opts::new("vectide_build_info", "Always 1; the label is the version."),
                &["version"],
            ),
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let started = add(
            &registry,
            Gauge::new(
                "vectide_start_time_seconds",
                "When the program was started, in seconds since 1970.",
            ),
        )?;
        if let Ok(since) = SystemTime::now().duration_since(UNIX_EPOCH) {
            started.set(since.as_secs_f64());
        }
        Ok(Self {
            pipeline: PipelineMetrics::register(&registry)?,
            kafka: KafkaMetrics::register(&registry)?,
            embed: EmbedMetrics::register(&registry)?,
            cost: CostMetrics::register(&registry)?,
            index: IndexMetrics::register(&registry)?,
            traces: TraceMetrics::register(&registry)?,
            reload_failed: add(
                &registry,
                IntGauge::new(
                    "vectide_configuration_reload_failed",
                    "1 while the last reload of the configuration has failed, so that what was in effect before still is; 0 before the first and after one that went well.",
                ),
            )?,
            lanes: add(
                &registry,
                IntGaugeVec::new(
                    Opts::new(
                        "vectide_lane_state",
                        "1 for the state that a lane is in, 0 for the others.",
                    ),
                    &["lane", "state"],
                ),
            )?,
            paused_tables: add(
                &registry,
                IntGaugeVec::new(
                    Opts::new(
                        "vectide_table_paused",
                        "1 while a person has paused a table, by topic; 0 once it goes on.",
                    ),
                    &["topic"],
                ),
            )?,
            registry,
        })
    }

    /// The configuration was read again, or could not be.
    pub fn reloaded(&self, is_in_effect: bool) {
        self.reload_failed.set(i64::from(!is_in_effect));
    }

    /// Everything, in Prometheus' text format.
    pub fn encode(&self, health: &Health) -> Result<String, Error> {
        TextEncoder::new().encode_to_string(&self.gather(health))
    }

    /// Everything, in the OpenMetrics text format 1.0.0, with exemplars.
    pub fn encode_open(&self, health: &Health) -> String {
        open_metrics::encode(&self.gather(health), &self.pipeline.visible_exemplars)
    }

    fn gather(&self, health: &Health) -> Vec<MetricFamily> {
        for (lane, state) in health.lanes() {
            for label in LaneState::LABELS {
                let here = i64::from(label == state.label());
                self.lanes
                    .with_label_values(&[lane.label(), label])
                    .set(here);
            }
        }
        for (topic, paused) in health.table_pauses() {
            let shown = self.paused_tables.with_label_values(&[&*topic]);
            shown.set(i64::from(paused));
        }
        self.registry.gather()
    }
}

fn add<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: Result<C, Error>,
) -> Result<C, Error> {
    let metric = metric?;
    #[cfg(test)]
    tests::note(&metric);
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
