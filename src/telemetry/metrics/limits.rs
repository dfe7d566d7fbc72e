//! Metrics of the embedding provider's limits.

use prometheus::{Counter, Error, GaugeVec, Opts, Registry};

use super::add;

/// How the limits on requests and on tokens are used. A clone counts into the same metrics.
#[derive(Debug, Clone)]
pub struct LimitMetrics {
    /// What this member may take a minute, by `limit`, one of [`Self::LABELS`]; 0 without a limit.
    pub per_minute: GaugeVec,
    /// The part of that which was taken of late.
    pub used: GaugeVec,
    /// How long requests were kept back, in seconds.
    pub wait: Counter,
}

impl LimitMetrics {
    /// What is limited.
    pub const LABELS: [&'static str; 2] = ["requests", "tokens"];

    /// Makes the metrics and registers them. Fails where one of their names is taken.
    pub(super) fn register(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            per_minute: add(
                registry,
                GaugeVec::new(
                    Opts::new(
                        "vectide_embed_limit_per_minute",
                        "Requests or tokens a minute that this member may use now: its share of what is configured, told or learnt; 0 without a limit.",
                    ),
                    &["limit"],
                ),
            )?,
            used: add(
                registry,
                GaugeVec::new(
                    Opts::new(
                        "vectide_embed_limit_used_ratio",
                        "The part of vectide_embed_limit_per_minute that was used in the last seconds.",
                    ),
                    &["limit"],
                ),
            )?,
            wait: add(
                registry,
                Counter::new(
                    "vectide_embed_limiter_wait_seconds_total",
                    "How long the next embedding request was kept back for limits or at the provider's wish.",
                ),
            )?,
        })
    }
}
