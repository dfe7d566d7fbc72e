//! What `GET /api/status` answers, and the status page is made of.

mod quantile;
mod samples;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use schemars::JsonSchema;
use serde::Serialize;

pub(super) use self::samples::EVERY;
use self::samples::{Counts, Samples, labelled};
use super::{ConfigurationStatus, Views};
use crate::cost::{Books, Spent};
use crate::telemetry::{AssignedPartition, Health, Log, Metrics, Warning};

/// What the program is, does and suffers from right now. Rates are of the last 10 seconds; totals are since
/// the start of the process; all of it is about this member of the group alone.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Status {
    /// The program's version.
    version: &'static str,
    /// For how long the endpoint has been up.
    uptime_seconds: u64,
    /// Whether every lane is ready, as `/readyz` has it.
    ready: bool,
    /// The worst state that a lane is in: `ready`, `waiting` or `blocked`.
    state: &'static str,
    /// What it is configured to do.
    job: Job,
    /// The parts that can fail on their own, in the order of the flow.
    lanes: Vec<LaneStatus>,
    /// What goes through each stage.
    flow: Flow,
    /// What embeddings cost.
    cost: CostStatus,
    /// How soon changes became visible in the index in the last minute, by what was done.
    freshness: Vec<Freshness>,
    /// The last minute.
    history: History,
    /// The partitions that this member has. Told by the Kafka client every 2 seconds.
    partitions: Vec<AssignedPartition>,
    /// Dead letters, by why they are.
    dead_letters: Vec<DeadLetters>,
    /// The log's latest warnings and errors, the last one first.
    warnings: Vec<Warning>,
    /// The configuration that is in effect.
    configuration: ConfigurationStatus,
    /// What a person may do, or did.
    control: ControlStatus,
}

/// What the program is configured to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Job {
    /// The consumer group.
    pub group: String,
    /// The topics, or patterns of their names.
    pub topics: Vec<String>,
    /// The collections.
    pub collections: Vec<String>,
    /// The embedding model.
    pub model: String,
}

/// A part that can fail on its own.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct LaneStatus {
    /// Its name.
    lane: &'static str,
    /// `ready`, `waiting` (an outage: it tries again by itself) or `blocked` (it needs a person).
    state: &'static str,
    /// Why it isn't ready, and what to do.
    reason: Option<String>,
}

/// What goes through each stage.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Flow {
    /// What comes in.
    kafka: KafkaFlow,
    /// Decoding, collapsing, comparing: one worker a partition.
    workers: WorkerFlow,
    /// Deletes and changes of payload, which wait for no vector.
    fast_lane: FastFlow,
    /// Vectors that are bought.
    embed: EmbedFlow,
    /// What is written.
    index: IndexFlow,
    /// What can't be processed.
    dead_letters: DeadLetterFlow,
}

/// What comes in.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct KafkaFlow {
    /// Records received.
    records_per_second: f64,
    /// Bytes of their keys and values.
    bytes_per_second: f64,
    /// Records received.
    records: u64,
    /// Records between the end of the assigned partitions and what has settled.
    lag_records: u64,
    /// Partitions assigned to this member.
    partitions: i64,
    /// Those of them that are paused.
    paused_partitions: i64,
}

/// Decoding, collapsing, comparing.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct WorkerFlow {
    /// Records that the index reflected already.
    unchanged_per_second: f64,
    /// Records that a later one of the same row made void.
    superseded_per_second: f64,
    /// Keys with unsettled news.
    pending_keys: i64,
    /// Records held because their table is blocked.
    held_records: i64,
    /// Partitions whose records wait for a schema.
    stalled_partitions: i64,
    /// The memory budget in use, in bytes.
    budget_used_bytes: i64,
    /// The memory budget, in bytes.
    budget_limit_bytes: i64,
}

/// Deletes and changes of payload.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct FastFlow {
    /// Points deleted.
    deletes_per_second: f64,
    /// Payloads replaced.
    patches_per_second: f64,
    /// Points deleted.
    deletes: u64,
    /// Payloads replaced.
    patches: u64,
}

/// Vectors that are bought.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct EmbedFlow {
    /// Vectors bought.
    texts_per_second: f64,
    /// Tokens that the provider charged.
    tokens_per_second: f64,
    /// Vectors bought.
    texts: u64,
    /// Tokens that the provider charged.
    tokens: u64,
    /// Changes that needed no vector, because the text was the same.
    texts_unchanged: u64,
    /// Texts that wait for their turn.
    queued_texts: i64,
    /// Requests under way.
    requests_in_flight: i64,
    /// Rows written to the index as they are, whose vectors are owed since.
    parked_rows: u64,
    /// Parked rows that got their vectors.
    parked_rows_embedded: u64,
}

/// What is written.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct IndexFlow {
    /// Points upserted, patched or deleted.
    points_per_second: f64,
    /// Calls of all kinds.
    calls_per_second: f64,
    /// Points upserted, patched or deleted.
    points: u64,
    /// Writes that were found not to be applied: a later owner has written, or the point had changed.
    rejected_writes: u64,
}

/// What can't be processed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct DeadLetterFlow {
    /// Dead letters sent.
    letters: u64,
    /// Dead letters withheld because their table has too many.
    withheld: i64,
}

/// What embeddings cost, by days and months of UTC.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct CostStatus {
    /// Whose spending it is: `group` where there is a budget, all members' as they last noted it; else
    /// `member`, this process's since its start.
    of: &'static str,
    /// Spent today.
    today: SpentStatus,
    /// Spent this month.
    month: SpentStatus,
    /// The budgets there are.
    budgets: Vec<BudgetStatus>,
    /// The last day on which anything may be bought, if there is one.
    until: Option<String>,
}

/// What was spent.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct SpentStatus {
    /// Tokens.
    tokens: u64,
    /// US dollars; absent where the model's price is not known.
    usd: Option<f64>,
}

/// A budget.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct BudgetStatus {
    /// Its period: `day` or `month`.
    period: &'static str,
    /// What may be spent, as it is configured: `$20` or `400000000 tokens`.
    allowance: String,
    /// The part of it that is spent; from 1 on nothing is bought.
    spent_ratio: f64,
}

/// How soon changes became visible: from the commit in the database, or else from the record in Kafka.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Freshness {
    /// What was done to the point.
    change: String,
    /// Changes in the last minute.
    changes: u64,
    /// Half of them were visible within this time.
    p50_seconds: Option<f64>,
    /// 99 of 100 of them were.
    p99_seconds: Option<f64>,
}

/// A value for each second of the last minute, the earliest first.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct History {
    /// Records received.
    records_per_second: Vec<f64>,
    /// Points written.
    points_per_second: Vec<f64>,
}

/// Dead letters of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct DeadLetters {
    /// Where they arose.
    stage: String,
    /// Why.
    reason: String,
    /// How many.
    letters: u64,
}

/// What a person may do, or did.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct ControlStatus {
    /// Whether `admin.token` is set, so that the control routes may be used.
    enabled: bool,
    /// Whether a person paused embedding.
    embed_paused: bool,
    /// The topics whose tables a person paused.
    paused_tables: Vec<String>,
}

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
