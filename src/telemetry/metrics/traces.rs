//! Metrics of traces on their way to the collector.

use prometheus::{Error, IntCounter, IntCounterVec, Opts, Registry};

use super::add;

/// What is counted of traces. A clone counts into the same metrics.
#[derive(Debug, Clone)]
pub struct TraceMetrics {
    /// Traces that the collector has taken.
    pub sent: IntCounter,
    dropped: IntCounterVec,
}

impl TraceMetrics {
    /// Makes the metrics and registers them. Fails where one of their names is taken.
    pub fn register(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            sent: add(
                registry,
                IntCounter::new(
                    "vectide_traces_sent_total",
                    "Traces that the collector has taken.",
                ),
            )?,
            dropped: add(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "vectide_traces_dropped_total",
                        "Traces that were not sent, by reason: queue_full, too_many at a time in one partition, not_sent where the collector did not take them, shutdown once for each shutdown that left some.",
                    ),
                    &["reason"],
                ),
            )?,
        })
    }

    /// Counts a trace that is not sent.
    pub(crate) fn drop_one(&self, reason: &str) {
        self.drop_some(reason, 1);
    }

    /// Traces that were not sent for that reason.
    #[cfg(test)]
    pub(crate) fn dropped(&self, reason: &str) -> u64 {
        self.dropped.with_label_values(&[reason]).get()
    }

    /// Counts traces that are not sent.
    pub(crate) fn drop_some(&self, reason: &str, traces: u64) {
        self.dropped.with_label_values(&[reason]).inc_by(traces);
    }
}
