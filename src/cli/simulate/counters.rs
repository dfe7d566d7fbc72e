//! What the program counts, read at the beginning and the end of an hour.

use std::time::Duration;

use prometheus::core::Metric;

use crate::{
    record::{Settled, WriteKind},
    telemetry::Metrics,
};

/// Counters at one moment, to be subtracted from later ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Counters {
    pub(super) received: u64,
    pub(super) superseded: u64,
    pub(super) unchanged: u64,
    pub(super) settled: u64,
    pub(super) dead_lettered: u64,
    pub(super) parked: u64,
    pub(super) patched: u64,
    pub(super) deleted: u64,
    pub(super) upserted: u64,
    pub(super) requests: u64,
    pub(super) texts: u64,
    pub(super) tokens: u64,
    pub(super) limiter_wait: f64,
    pub(super) fast: Freshness,
    pub(super) text: Freshness,
}

/// How many writes became visible within each bound of the metric, in seconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Freshness {
    /// Bounds and counts, each of which includes those before it.
    within: Vec<(f64, u64)>,
    count: u64,
}

impl Counters {
    pub(super) fn of(metrics: &Metrics) -> Self {
        let settled = |way: Settled| {
            let ways = &metrics.pipeline.settled;
            ways.with_label_values(&[way.label()]).get()
        };
        let of_kind = |kind: WriteKind| Freshness::of(metrics, kind);
        let (patched, deleted) = (of_kind(WriteKind::PatchPayload), of_kind(WriteKind::Delete));
        let upserted = of_kind(WriteKind::Upsert);
        Self {
            received: metrics.pipeline.received.get(),
            superseded: settled(Settled::Superseded),
            unchanged: settled(Settled::Unchanged),
            settled: Settled::ALL.map(settled).iter().sum(),
            dead_lettered: settled(Settled::DeadLettered),
            parked: settled(Settled::Parked),
            patched: patched.count,
            deleted: deleted.count,
            upserted: upserted.count,
            requests: metrics.embed.requests.with_label_values(&["ok"]).get(),
            texts: metrics.embed.inputs.get(),
            tokens: metrics.embed.tokens.get(),
            limiter_wait: metrics.embed.limits.wait.get(),
            fast: patched.and(&deleted),
            text: upserted,
        }
    }

    /// What was counted since `before`.
    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            received: self.received - before.received,
            superseded: self.superseded - before.superseded,
            unchanged: self.unchanged - before.unchanged,
            settled: self.settled - before.settled,
            dead_lettered: self.dead_lettered - before.dead_lettered,
            parked: self.parked - before.parked,
            patched: self.patched - before.patched,
            deleted: self.deleted - before.deleted,
            upserted: self.upserted - before.upserted,
            requests: self.requests - before.requests,
            texts: self.texts - before.texts,
            tokens: self.tokens - before.tokens,
            limiter_wait: self.limiter_wait - before.limiter_wait,
            fast: self.fast.since(&before.fast),
            text: self.text.since(&before.text),
        }
    }
}

impl Freshness {
    fn of(metrics: &Metrics, kind: WriteKind) -> Self {
        let latency = &metrics.pipeline.visible_latency;
        let counted = latency.with_label_values(&[kind.label()]).metric();
        let counted = counted.get_histogram();
        let buckets = counted.get_bucket().iter();
        Self {
            within: buckets
                .map(|it| (it.upper_bound(), it.cumulative_count()))
                .collect(),
            count: counted.get_sample_count(),
        }
    }

    /// Both together.
    fn and(&self, other: &Self) -> Self {
        self.with(other, |one, two| one + two)
    }

    fn since(&self, before: &Self) -> Self {
        if before.within.is_empty() {
            return self.clone();
        }
        self.with(before, |now, before| now - before)
    }

    fn with(&self, other: &Self, what: impl Fn(u64, u64) -> u64) -> Self {
        let pairs = self.within.iter().zip(&other.within);
        Self {
            within: pairs
                .map(|((bound, one), (_, two))| (*bound, what(*one, *two)))
                .collect(),
            count: what(self.count, other.count),
        }
    }

    /// The least bound within which this part of the writes became visible: `None` where there were none, or
    /// where it took longer than the last bound.
    pub(super) fn within(&self, quantile: f64) -> Option<Duration> {
        let wanted = self.count as f64 * quantile;
        let bound = self
            .within
            .iter()
            .find(|(_, count)| *count > 0 && *count as f64 >= wanted)?;
        Duration::try_from_secs_f64(bound.0).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn freshness(counts: [u64; 3], count: u64) -> Freshness {
        Freshness {
            within: [0.01, 0.1, 1.0].into_iter().zip(counts).collect(),
            count,
        }
    }

    #[test]
    fn a_quantile_is_the_bound_within_which_so_many_were_visible() {
        let measured = freshness([50, 99, 100], 100);
        assert_eq!(measured.within(0.5), Some(Duration::from_millis(10)));
        assert_eq!(measured.within(0.51), Some(Duration::from_millis(100)));
        assert_eq!(measured.within(1.0), Some(Duration::from_secs(1)));
        assert_eq!(freshness([0, 0, 0], 0).within(0.5), None);
        assert_eq!(freshness([0, 0, 0], 3).within(0.5), None);
    }

    #[test]
    fn an_hour_counts_what_came_since_the_one_before() {
        let (before, now) = (freshness([1, 2, 2], 2), freshness([1, 2, 5], 6));
        assert_eq!(now.since(&before), freshness([0, 0, 3], 4));
        assert_eq!(now.since(&Freshness::default()), now);
        assert_eq!(now.and(&before), freshness([2, 4, 7], 8));
    }
}
