//! What the counters said each second of the last minute: rates and latencies are made of it.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use prometheus::{core::Collector, proto::MetricFamily};

use super::quantile::Buckets;
use crate::{record::Settled, telemetry::Metrics};

/// How long after one sample the next is taken.
pub(in crate::admin) const EVERY: Duration = Duration::from_secs(1);

/// Samples that are kept: a minute.
const KEPT: usize = 61;

/// Rates are of as many of the last seconds.
const RATE_OVER: usize = 10;

/// Counters at one time.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) unchanged: u64,
    pub(super) superseded: u64,
    pub(super) parked: u64,
    pub(super) deletes: u64,
    pub(super) patches: u64,
    pub(super) upserts: u64,
    pub(super) texts: u64,
    pub(super) tokens: u64,
    pub(super) calls: u64,
}

impl Counts {
    pub(super) fn of(metrics: &Metrics) -> Self {
        let settled = |way: Settled| {
            let settled = &metrics.pipeline.settled;
            settled.with_label_values(&[way.label()]).get()
        };
        let points = |write| metrics.index.points.with_label_values(&[write]).get();
        let calls = labelled(&metrics.index.calls);
        Self {
            records: metrics.pipeline.received.get(),
            bytes: metrics.pipeline.received_bytes.get(),
            unchanged: settled(Settled::Unchanged),
            superseded: settled(Settled::Superseded),
            parked: settled(Settled::Parked),
            deletes: points("delete"),
            patches: points("patch_payload"),
            upserts: points("upsert"),
            texts: metrics.embed.inputs.get(),
            tokens: metrics.embed.tokens.get(),
            calls: calls.iter().map(|(_, count)| count).sum(),
        }
    }

    /// Points written in whatever way.
    pub(super) fn written(&self) -> u64 {
        self.deletes + self.patches + self.upserts
    }
}

/// A counter with labels: the values of these, in the order of their names, and how much was counted.
pub(super) fn labelled(counter: &impl Collector) -> Vec<(Vec<String>, u64)> {
    let families = counter.collect();
    let metrics = families.iter().flat_map(MetricFamily::get_metric);
    let values = metrics.map(|metric| {
        let labels = metric.get_label().iter();
        // Counters of whole numbers, shown as floats.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let count = metric.get_counter().get_value() as u64;
        (labels.map(|it| it.value().to_owned()).collect(), count)
    });
    values.collect()
}

/// The buckets of a histogram with one label, by its value.
fn buckets(histogram: &impl Collector) -> BTreeMap<String, Buckets> {
    let families = histogram.collect();
    let metrics = families.iter().flat_map(MetricFamily::get_metric);
    let counted = metrics.filter_map(|metric| {
        let counted = metric.get_histogram();
        let buckets = counted.get_bucket().iter();
        let buckets = Buckets {
            cumulative: buckets
                .map(|it| (it.upper_bound(), it.cumulative_count()))
                .collect(),
            count: counted.get_sample_count(),
        };
        Some((metric.get_label().first()?.value().to_owned(), buckets))
    });
    counted.collect()
}

#[derive(Debug)]
struct Sample {
    at: Instant,
    counts: Counts,
    latency: BTreeMap<String, Buckets>,
}

/// The samples of the last minute.
#[derive(Debug, Default)]
pub(super) struct Samples {
    kept: VecDeque<Sample>,
}

impl Samples {
    /// Takes one more; to be called every [`EVERY`].
    pub(super) fn take(&mut self, metrics: &Metrics, now: Instant) {
        self.push(Sample {
            at: now,
            counts: Counts::of(metrics),
            latency: buckets(&metrics.pipeline.visible_latency),
        });
    }

    fn push(&mut self, sample: Sample) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(sample);
    }

    /// How fast a counter went up in the last seconds, a second.
    pub(super) fn rate(&self, of: impl Fn(&Counts) -> u64) -> f64 {
        let first = self.kept.len().saturating_sub(RATE_OVER + 1);
        match (self.kept.get(first), self.kept.back()) {
            (Some(first), Some(last)) => per_second(first, last, &of),
            _ => 0.0,
        }
    }

    /// How fast it went up in each second, the earliest first.
    pub(super) fn history(&self, of: impl Fn(&Counts) -> u64) -> Vec<f64> {
        let pairs = self.kept.iter().zip(self.kept.iter().skip(1));
        let rates = pairs.map(|(first, last)| per_second(first, last, &of));
        rates.map(|rate| (rate * 10.0).round() / 10.0).collect()
    }

    /// How long changes took in the last minute, by what was done.
    pub(super) fn latency(&self) -> BTreeMap<String, Buckets> {
        let (Some(first), Some(last)) = (self.kept.front(), self.kept.back()) else {
            return BTreeMap::new();
        };
        let since = |(label, buckets): (&String, &Buckets)| {
            let none = Buckets::default();
            let before = first.latency.get(label).unwrap_or(&none);
            (label.clone(), buckets.since(before))
        };
        last.latency.iter().map(since).collect()
    }
}

fn per_second(first: &Sample, last: &Sample, of: &impl Fn(&Counts) -> u64) -> f64 {
    let seconds = last.at.duration_since(first.at).as_secs_f64();
    let more = of(&last.counts).saturating_sub(of(&first.counts));
    if seconds > 0.0 {
        more as f64 / seconds
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::float_cmp,
        reason = "a test fails by panicking"
    )]

    use super::*;

    /// A sample a second, with so many records received until then.
    fn samples(records: impl IntoIterator<Item = u64>) -> Samples {
        let start = Instant::now();
        let mut samples = Samples::default();
        for (second, records) in records.into_iter().enumerate() {
            samples.push(Sample {
                at: start + EVERY * u32::try_from(second).unwrap(),
                counts: Counts {
                    records,
                    ..Counts::default()
                },
                latency: BTreeMap::new(),
            });
        }
        samples
    }

    #[test]
    fn a_rate_is_that_of_the_last_ten_seconds() {
        let rose_then_stood = (0..100).map(|second: u64| second.min(95) * 100);
        assert_eq!(samples(rose_then_stood).rate(|it| it.records), 60.0);
        assert_eq!(samples([0, 500]).rate(|it| it.records), 500.0);
        assert_eq!(samples([7]).rate(|it| it.records), 0.0);
        assert_eq!(samples([]).rate(|it| it.records), 0.0);
    }

    #[test]
    fn the_history_is_a_minute_long() {
        let history = samples((0..200).map(|second| second * 3)).history(|it| it.records);
        assert_eq!(history, [3.0; KEPT - 1]);
    }

    #[test]
    fn latencies_are_of_the_last_minute() {
        let metrics = Metrics::new().unwrap();
        let latency = &metrics.pipeline.visible_latency;
        let (start, mut samples) = (Instant::now(), Samples::default());
        latency.with_label_values(&["delete"]).observe(100.0);
        samples.take(&metrics, start);
        latency.with_label_values(&["delete"]).observe(0.004);
        samples.take(&metrics, start + EVERY);
        let deleted = samples.latency().remove("delete").unwrap();
        assert_eq!(deleted.count, 1);
        assert!(deleted.quantile(0.99).unwrap() <= 0.005);
    }
}
