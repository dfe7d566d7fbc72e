//! Metrics of the embed stage.

use prometheus::{
    Error, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

use super::{add, limits::LimitMetrics};

/// What the embed stage counts. A clone counts into the same metrics.
#[derive(Debug, Clone)]
pub struct EmbedMetrics {
    /// Requests that came to an end, by `outcome`: `ok`, `transient`, `throttled`, `refused`
    /// (the provider refused some input), `blocked`, or `cancelled` (another for the same texts was answered).
    pub requests: IntCounterVec,
    /// Texts that were answered with a vector.
    pub inputs: IntCounter,
    /// Tokens the provider says it charged.
    pub tokens: IntCounter,
    /// Requests that were sent a second time because the first was late, by `outcome`: `won` where the second
    /// was answered first, else `lost`.
    pub hedges: IntCounterVec,
    /// Requests that have to be sent again, by `reason`.
    pub retries: IntCounterVec,
    /// Requests under way.
    pub in_flight: IntGauge,
    /// Texts that wait for their turn, each counted once however many ask for it.
    pub queue: IntGauge,
    /// How long requests take, in seconds, reading the answer included.
    pub duration: Histogram,
    /// Texts in a request.
    pub batch_inputs: Histogram,
    /// Texts that nobody wanted any more when their turn came, and that were not sent.
    pub skipped: IntCounter,
    /// Texts that were too long for the model, and of which the beginning was embedded.
    pub truncated: IntCounter,
    /// Texts that were too long for the model, and were split.
    pub chunked: IntCounter,
    /// How the provider's limits are used.
    pub limits: LimitMetrics,
}

impl EmbedMetrics {
    /// Makes the metrics and registers them. Fails where one of their names is taken.
    #[expect(clippy::too_many_lines, reason = "a list, one metric after the other")]
    pub fn register(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            requests: add(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "vectide_embed_requests_total",
                        "Embedding requests that came to an end, by outcome.",
                    ),
                    &["outcome"],
                ),
            )?,
            inputs: add(
                registry,
                IntCounter::new(
                    "vectide_embed_inputs_total",
                    "Texts that were answered with a vector.",
                ),
            )?,
            tokens: add(
                registry,
                IntCounter::new(
                    "vectide_embed_tokens_total",
                    "Tokens the embedding provider says it charged.",
                ),
            )?,
            hedges: add(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "vectide_embed_hedges_total",
                        "Late embedding requests that were sent a second time, by whether the second was answered first (won) or not (lost).",
                    ),
                    &["outcome"],
                ),
            )?,
            retries: add(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "vectide_embed_retries_total",
                        "Embedding requests that have to be sent again, by reason.",
                    ),
                    &["reason"],
                ),
            )?,
            in_flight: add(
                registry,
                IntGauge::new(
                    "vectide_embed_requests_in_flight",
                    "Embedding requests under way.",
                ),
            )?,
            queue: add(
                registry,
                IntGauge::new(
                    "vectide_embed_queued_texts",
                    "Texts that wait for their turn to be embedded.",
                ),
            )?,
            duration: add(
                registry,
                Histogram::with_opts(
                    HistogramOpts::new(
                        "vectide_embed_request_duration_seconds",
                        "How long embedding requests take, reading the answer included.",
                    )
                    .buckets(vec![
                        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
                    ]),
                ),
            )?,
            batch_inputs: add(
                registry,
                Histogram::with_opts(
                    HistogramOpts::new(
                        "vectide_embed_request_inputs",
                        "Texts in an embedding request.",
                    )
                    .buckets(prometheus::exponential_buckets(1.0, 2.0, 12)?),
                ),
            )?,
            skipped: add(
                registry,
                IntCounter::new(
                    "vectide_embed_skipped_texts_total",
                    "Texts nobody wanted any more when their turn came, and that were not sent.",
                ),
            )?,
            truncated: add(
                registry,
                IntCounter::new(
                    "vectide_embed_truncated_texts_total",
                    "Texts too long for the model, of which the beginning was embedded.",
                ),
            )?,
            chunked: add(
                registry,
                IntCounter::new(
                    "vectide_embed_chunked_texts_total",
                    "Texts too long for the model, split into several inputs.",
                ),
            )?,
            limits: LimitMetrics::register(registry)?,
        })
    }

    /// Counts a request that was sent a second time, and whether its answer was the one that counted.
    pub fn count_hedge(&self, won: bool) {
        let outcome = if won { "won" } else { "lost" };
        self.hedges.with_label_values(&[outcome]).inc();
    }
}
