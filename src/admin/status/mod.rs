//! What `GET /api/status` answers, and the status page is made of.

mod quantile;
mod samples;
mod shape;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

pub(super) use self::samples::EVERY;
use self::samples::{Counts, Samples, labelled};
pub use self::shape::Job;
use self::shape::{
    BudgetStatus, ControlStatus, CostStatus, DeadLetterFlow, DeadLetters, EmbedFlow, FastFlow,
    Flow, Freshness, History, IndexFlow, KafkaFlow, SpentStatus, WorkerFlow,
};
pub(super) use self::shape::{LaneStatus, Status};
use super::Views;
use crate::cost::{Books, Spent};
use crate::telemetry::{AssignedPartition, Health, Log, Metrics};

/// Watches the metrics, for what is to be said about a stretch of time.
#[derive(Debug)]
pub(super) struct Observer {
    since: Instant,
    samples: Mutex<Samples>,
}

impl Observer {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            samples: Mutex::default(),
        }
    }

    /// Takes a sample; to be called every [`EVERY`].
    pub(super) fn take(&self, metrics: &Metrics, now: Instant) {
        self.samples().take(metrics, now);
    }

    /// How things are.
    pub(super) fn look(&self, views: &Views, now: Instant) -> Status {
        let (metrics, health) = (&views.metrics, &views.health);
        let samples = self.samples();
        let partitions = metrics.kafka.partitions.all();
        Status {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: now.duration_since(self.since).as_secs(),
            ready: health.ready(),
            state: health.worst(),
            job: views.job.clone(),
            lanes: lanes(health),
            flow: flow(metrics, &samples, &partitions),
            cost: cost(&views.books),
            freshness: freshness(&samples),
            history: History {
                records_per_second: samples.history(|it| it.records),
                points_per_second: samples.history(Counts::written),
            },
            partitions,
            dead_letters: dead_letters(metrics),
            warnings: Log::of_process().map_or_else(Vec::new, |log| log.recent().all()),
            configuration: views.configuration.status(),
            control: ControlStatus {
                enabled: views.control.is_some(),
                embed_paused: health.is_embed_paused(),
                paused_tables: health.paused_tables(),
            },
        }
    }

    fn samples(&self) -> MutexGuard<'_, Samples> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn lanes(health: &Health) -> Vec<LaneStatus> {
    let lanes = health.lanes().into_iter();
    let status = lanes.map(|(lane, state)| LaneStatus {
        lane: lane.label(),
        state: state.label(),
        reason: state.reason().map(str::to_owned),
    });
    status.collect()
}

fn flow(metrics: &Metrics, samples: &Samples, partitions: &[AssignedPartition]) -> Flow {
    let total = Counts::of(metrics);
    let letters = labelled(&metrics.pipeline.dead_letters);
    let rejected = labelled(&metrics.index.rejected);
    let pipeline = &metrics.pipeline;
    Flow {
        kafka: KafkaFlow {
            records_per_second: samples.rate(|it| it.records),
            bytes_per_second: samples.rate(|it| it.bytes),
            records: total.records,
            lag_records: partitions.iter().map(|it| it.lag_records).sum(),
            partitions: metrics.kafka.assigned.get(),
            paused_partitions: metrics.kafka.paused.get(),
        },
        workers: WorkerFlow {
            unchanged_per_second: samples.rate(|it| it.unchanged),
            superseded_per_second: samples.rate(|it| it.superseded),
            pending_keys: pipeline.pending_keys.get(),
            held_records: pipeline.held.get(),
            stalled_partitions: pipeline.stalled_partitions.get(),
            budget_used_bytes: pipeline.budget_used.get(),
            budget_limit_bytes: pipeline.budget_limit.get(),
        },
        fast_lane: FastFlow {
            deletes_per_second: samples.rate(|it| it.deletes),
            patches_per_second: samples.rate(|it| it.patches),
            deletes: total.deletes,
            patches: total.patches,
        },
        embed: EmbedFlow {
            texts_per_second: samples.rate(|it| it.texts),
            tokens_per_second: samples.rate(|it| it.tokens),
            texts: total.texts,
            tokens: total.tokens,
            texts_unchanged: pipeline.texts_unchanged.get(),
            queued_texts: metrics.embed.queue.get(),
            requests_in_flight: metrics.embed.in_flight.get(),
            parked_rows: total.parked,
            parked_rows_embedded: pipeline.debts_paid.get(),
        },
        index: IndexFlow {
            points_per_second: samples.rate(Counts::written),
            calls_per_second: samples.rate(|it| it.calls),
            points: total.written(),
            rejected_writes: rejected.iter().map(|(_, count)| count).sum(),
        },
        dead_letters: DeadLetterFlow {
            letters: letters.iter().map(|(_, count)| count).sum(),
            withheld: pipeline.withheld.get(),
        },
    }
}

fn cost(books: &Books) -> CostStatus {
    let overview = books.overview();
    let spent = |spent: Spent| SpentStatus {
        tokens: spent.tokens,
        usd: overview.is_priced.then(|| spent.money.dollars()),
    };
    let budgets = overview.budgets.iter();
    let budgets = budgets.map(|(period, allowance, share)| BudgetStatus {
        period: period.label(),
        allowance: allowance.to_string(),
        spent_ratio: *share,
    });
    CostStatus {
        of: if overview.is_of_group {
            "group"
        } else {
            "member"
        },
        today: spent(overview.day),
        month: spent(overview.month),
        budgets: budgets.collect(),
        until: overview.until.map(|day| day.to_string()),
    }
}

fn freshness(samples: &Samples) -> Vec<Freshness> {
    let latency = samples.latency().into_iter();
    let freshness = latency.map(|(change, buckets)| Freshness {
        change,
        changes: buckets.count,
        p50_seconds: buckets.quantile(0.5),
        p99_seconds: buckets.quantile(0.99),
    });
    freshness.collect()
}

fn dead_letters(metrics: &Metrics) -> Vec<DeadLetters> {
    let counted = labelled(&metrics.pipeline.dead_letters).into_iter();
    // Labels come in the order of their names.
    let letters = counted.filter_map(|(labels, letters)| {
        let [reason, stage] = <[String; 2]>::try_from(labels).ok()?;
        Some(DeadLetters {
            stage,
            reason,
            letters,
        })
    });
    let mut letters: Vec<_> = letters.collect();
    letters.sort_by_key(|it| std::cmp::Reverse(it.letters));
    letters
}

#[cfg(test)]
mod tests;
