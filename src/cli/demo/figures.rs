//! The demonstration's figures.

use std::time::Duration;

use super::report::{number, quantile, time};
use crate::{record::Settled, telemetry::Metrics};

/// Counters at one moment, to be subtracted from later ones.
#[derive(Clone, Copy)]
pub(super) struct Tally {
    pub(super) received: u64,
    pub(super) superseded: u64,
    pub(super) unchanged: u64,
    pub(super) written: u64,
    pub(super) deleted: u64,
    pub(super) embedded: u64,
    pub(super) requests: u64,
    pub(super) tokens: u64,
}

impl Tally {
    pub(super) fn of(metrics: &Metrics) -> Self {
        let settled = |way: Settled| {
            metrics
                .pipeline
                .settled
                .with_label_values(&[way.label()])
                .get()
        };
        Self {
            received: metrics.pipeline.received.get(),
            superseded: settled(Settled::Superseded),
            unchanged: settled(Settled::Unchanged),
            written: settled(Settled::Written),
            deleted: settled(Settled::Deleted),
            embedded: metrics.embed.inputs.get(),
            requests: metrics.embed.requests.with_label_values(&["ok"]).get(),
            tokens: metrics.embed.tokens.get(),
        }
    }

    pub(super) fn sum(self, other: Self) -> Self {
        Self {
            received: self.received + other.received,
            superseded: self.superseded + other.superseded,
            unchanged: self.unchanged + other.unchanged,
            written: self.written + other.written,
            deleted: self.deleted + other.deleted,
            embedded: self.embedded + other.embedded,
            requests: self.requests + other.requests,
            tokens: self.tokens + other.tokens,
        }
    }
}

/// What the demonstration measured.
pub(super) struct Figures {
    /// Counted over both readings of the topic.
    pub(super) total: Tally,
    /// Counted over the second reading.
    pub(super) replay: Tally,
    /// What a call for each event would have cost.
    pub(super) naive_tokens: u64,
    /// Until the catalogue was searchable.
    pub(super) first: Duration,
    /// From record to invisible.
    pub(super) latencies: Vec<Duration>,
    /// Until the new texts were there, after the stall.
    pub(super) caught_up: Duration,
    /// Records that the group is behind.
    pub(super) lag: i64,
    /// Rows that differ.
    pub(super) differences: usize,
    /// The whole of it.
    pub(super) elapsed: Duration,
}

impl Figures {
    /// As names and figures.
    pub(super) fn rows(&self) -> Vec<(&'static str, String)> {
        let (total, naive) = (self.total, self.naive_tokens);
        let saved = naive.saturating_sub(total.tokens);
        vec![
            (
                "events",
                format!("{} (with the replay)", number(total.received)),
            ),
            (
                "collapsed",
                format!("{} superseded by a later one", number(total.superseded)),
            ),
            (
                "unchanged",
                format!("{} the index had already", number(total.unchanged)),
            ),
            (
                "written, deleted",
                format!("{}, {}", number(total.written), number(total.deleted)),
            ),
            (
                "embedded",
                format!(
                    "{} texts in {} requests",
                    number(total.embedded),
                    number(total.requests)
                ),
            ),
            ("tokens", number(total.tokens)),
            (
                "tokens saved",
                format!(
                    "{} of {} that embedding each event would cost ({:.0} %)",
                    number(saved),
                    number(naive),
                    100.0 * saved as f64 / naive.max(1) as f64
                ),
            ),
            ("first catalogue searchable", time(self.first)),
            (
                "record to invisible",
                format!(
                    "p50 {}, p99 {} (endpoint stalled)",
                    time(quantile(&self.latencies, 0.5)),
                    time(quantile(&self.latencies, 0.99))
                ),
            ),
            ("texts caught up", time(self.caught_up)),
            ("embedding calls of a replay", number(self.replay.requests)),
            ("lag", format!("{} records", self.lag)),
            ("differences", self.differences.to_string()),
            ("the whole demonstration", time(self.elapsed)),
        ]
    }
}
