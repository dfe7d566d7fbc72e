//! Metrics of the index stage.

use prometheus::{
    Error, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
};

use super::add;

/// What the index stage counts. A clone counts into the same metrics.
#[derive(Debug, Clone)]
pub struct IndexMetrics {
    /// Calls that came to an end, by `kind` (`read`, `read_vectors`, `read_back`,
    /// `lookup`, `write`, `claim`, `sweep`) and `outcome` (`ok`, `error`).
    pub calls: IntCounterVec,
    /// How long calls to Qdrant take, by kind.
    pub duration: HistogramVec,
    /// Points written, by `write`: `upsert`, `patch_payload` or `delete`.
    pub points: IntCounterVec,
    /// Writes that were found not to be applied, by `cause`: `fenced` (a later owner has written) or
    /// `changed` (the point is another than it was thought to be).
    pub rejected: IntCounterVec,
    /// Points in a writing call.
    pub batch_points: Histogram,
    /// Operations in a writing call: what Qdrant charges for.
    pub operations: Histogram,
    /// Requests that wait for a call, by `kind` (`read`, `lookup`, `fast`: deletes and patches, `upsert`).
    pub queued: IntGaugeVec,
}

impl IndexMetrics {
    /// Makes the metrics and registers them. Fails where one of their names is taken.
    pub fn register(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            calls: add(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "vectide_index_calls_total",
                        "Calls to Qdrant that came to an end, by kind and outcome.",
                    ),
                    &["kind", "outcome"],
                ),
            )?,
            duration: add(
                registry,
                HistogramVec::new(
                    HistogramOpts::new(
                        "vectide_index_call_duration_seconds",
                        "How long calls to Qdrant take, by kind.",
                    )
                    .buckets(vec![
                        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
                        10.0,
                    ]),
                    &["kind"],
                ),
            )?,
            points: add(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "vectide_index_points_written_total",
                        "Points written, by kind of write.",
                    ),
                    &["write"],
                ),
            )?,
            rejected: add(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "vectide_index_rejected_writes_total",
                        "Writes that were found not to be applied, by cause: fenced by a later owner, or the point had changed.",
                    ),
                    &["cause"],
                ),
            )?,
            batch_points: add(
                registry,
                Histogram::with_opts(
                    HistogramOpts::new("vectide_index_write_points", "Points in a writing call.")
                        .buckets(prometheus::exponential_buckets(1.0, 2.0, 12)?),
                ),
            )?,
            operations: add(
                registry,
                Histogram::with_opts(
                    HistogramOpts::new(
                        "vectide_index_write_operations",
                        "Operations in a writing call: what Qdrant charges for.",
                    )
                    .buckets(prometheus::exponential_buckets(1.0, 2.0, 12)?),
                ),
            )?,
            queued: add(
                registry,
                IntGaugeVec::new(
                    Opts::new(
                        "vectide_index_queued_requests",
                        "Requests for one point each that wait for a call to Qdrant, by kind: read, lookup, fast (deletes and patches) or upsert.",
                    ),
                    &["kind"],
                ),
            )?,
        })
    }
}

impl IndexMetrics {
    /// Counts a call that came to an end.
    pub(crate) fn count_call(&self, kind: &str, ok: bool) {
        let outcome = if ok { "ok" } else { "error" };
        self.calls.with_label_values(&[kind, outcome]).inc();
    }
}
