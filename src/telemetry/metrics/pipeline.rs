//! Metrics of records on their way.

use prometheus::{
    Error, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

use crate::record::Recheck;

use super::{Exemplars, add};

/// The upper bounds of the buckets of the time until a write is visible, in seconds.
const LATENCIES: [f64; 17] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0,
    1800.0,
];

/// What the partition workers count. A clone counts into the same metrics.
#[derive(Debug, Clone)]
pub struct PipelineMetrics {
    /// Records received from Kafka.
    pub received: IntCounter,
    /// Bytes of keys and values received from Kafka.
    pub received_bytes: IntCounter,
    /// Records settled, by way; see [`Settled`](crate::record::Settled).
    pub settled: IntCounterVec,
    /// Records that carry no row, by kind; see [`Skip`](crate::decode::Skip).
    pub skipped: IntCounterVec,
    /// Records sent to the dead-letter topic, by stage and reason.
    pub dead_letters: IntCounterVec,
    /// Rows that were looked at again on request, by outcome; see [`Receipt`](crate::record::Receipt).
    pub rechecked: IntCounterVec,
    /// Dead letters withheld because their table has too many.
    pub withheld: IntGauge,
    /// Rows that came with the version the index has, but with other content.
    pub version_conflicts: IntCounter,
    /// Rows that came through another partition before, of which nothing but the clock could tell
    /// whether they are the later ones.
    pub ordered_by_clock: IntCounter,
    /// Changes applied without buying a vector, because the text was the same.
    pub texts_unchanged: IntCounter,
    /// From the commit in the database (else the record in Kafka) until the write is visible in the
    /// index, by [`WriteKind`](crate::record::WriteKind).
    pub visible_latency: HistogramVec,
    /// Observations of it whose records were traced.
    pub visible_exemplars: Exemplars,
    /// Records held because their table is blocked.
    pub held: IntGauge,
    /// Parked rows that got their vectors.
    pub debts_paid: IntCounter,
    /// Keys with unsettled news.
    pub pending_keys: IntGauge,
    /// Keys whose hashes are remembered, so that the index needs not be read.
    pub remembered_keys: IntGauge,
    /// Keys with news, by `outcome`: `hit` where they were remembered, `miss` where the index was read.
    pub cache_lookups: IntCounterVec,
    /// Partitions whose records wait for a schema.
    pub stalled_partitions: IntGauge,
    /// Bytes of the memory budget in use by records in flight, and by parked rows that are worked off.
    pub budget_used: IntGauge,
    /// The memory budget for records in flight.
    pub budget_limit: IntGauge,
}

impl PipelineMetrics {
    /// Makes the metrics and registers them. Fails where one of their names is taken.
    pub fn register(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            received: add(registry, IntCounter::new("vectide_records_received_total", "Records received from Kafka."))?,
            received_bytes: add(registry, IntCounter::new("vectide_records_received_bytes_total", "Bytes of keys and values received from Kafka."))?,
            settled: add(registry, IntCounterVec::new(Opts::new("vectide_records_settled_total", "Records settled, by the way they settled."), &["as"]))?,
            skipped: add(registry, IntCounterVec::new(Opts::new("vectide_records_skipped_total", "Records that carry no row, by kind."), &["kind"]))?,
            dead_letters: add(registry, IntCounterVec::new(Opts::new("vectide_dead_letters_total", "Records sent to the dead-letter topic, by stage and reason."), &["stage", "reason"]))?,
            ordered_by_clock: add(registry, IntCounter::new("vectide_ordered_by_clock_total", "Rows that came through another partition before, of which nothing but the clock could tell whether they are the later ones."))?,
            rechecked: add(registry, IntCounterVec::new(Opts::new("vectide_rechecked_rows_total", "Rows that were looked at again on request, by outcome."), &["outcome"]))?,
            withheld: add(registry, IntGauge::new("vectide_withheld_letters", "Dead letters withheld because their table has too many; see dead_letter.breaker."))?,
            version_conflicts: add(registry, IntCounter::new("vectide_version_conflicts_total", "Rows that came with the version the index has, but with other content."))?,
            texts_unchanged: add(registry, IntCounter::new("vectide_texts_unchanged_total", "Changes applied without buying a vector, because the text was the same."))?,
            visible_latency: add(registry, HistogramVec::new(HistogramOpts::new("vectide_visible_latency_seconds", "From the commit in the database (else the record in Kafka) until the write is visible in the index, by kind of write. Patches and deletes are the fast lane.").buckets(LATENCIES.to_vec()), &["write"]))?,
            visible_exemplars: Exemplars::new("vectide_visible_latency_seconds", "write", &LATENCIES),
            held: add(registry, IntGauge::new("vectide_held_records", "Records held because their table is blocked: it lacks a needed column, or a key."))?,
            debts_paid: add(registry, IntCounter::new("vectide_parked_rows_embedded_total", "Parked rows that got their vectors; those that were parked are settled as parked."))?,
            pending_keys: add(registry, IntGauge::new("vectide_pending_keys", "Keys with unsettled news."))?,
            remembered_keys: add(registry, IntGauge::new("vectide_remembered_keys", "Keys whose hashes are remembered, so that the index needs not be read."))?,
            cache_lookups: add(registry, IntCounterVec::new(Opts::new("vectide_index_cache_lookups_total", "Keys with news, by whether they were remembered (hit) or the index had to be read (miss)."), &["outcome"]))?,
            stalled_partitions: add(registry, IntGauge::new("vectide_stalled_partitions", "Partitions whose records wait for a schema."))?,
            budget_used: add(registry, IntGauge::new("vectide_budget_used_bytes", "Bytes of the memory budget in use by records in flight, and by parked rows that are worked off."))?,
            budget_limit: add(registry, IntGauge::new("vectide_budget_limit_bytes", "The memory budget for records in flight."))?,
        })
    }

    /// Counts the rows of an answered request.
    pub(crate) fn count_rechecked(&self, answered: &Recheck) {
        for (_, receipt) in answered.receipts() {
            self.rechecked.with_label_values(&[receipt.label()]).inc();
        }
    }
}
