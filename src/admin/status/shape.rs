//! The shape of the status: an interface, whose description in the documentation is made of it.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::ConfigurationStatus;
use crate::telemetry::{AssignedPartition, Warning};

/// What the program is, does and suffers from right now. Rates are of the last 10 seconds; totals are since
/// the start of the process; all of it is about this member of the group alone.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(in crate::admin) struct Status {
    /// The program's version.
    pub(super) version: &'static str,
    /// For how long the endpoint has been up.
    pub(super) uptime_seconds: u64,
    /// Whether every lane is ready, as `/readyz` has it.
    pub(super) ready: bool,
    /// The worst state that a lane is in: `ready`, `waiting` or `blocked`.
    pub(super) state: &'static str,
    /// What it is configured to do.
    pub(super) job: Job,
    /// The parts that can fail on their own, in the order of the flow.
    pub(super) lanes: Vec<LaneStatus>,
    /// What goes through each stage.
    pub(super) flow: Flow,
    /// What embeddings cost.
    pub(super) cost: CostStatus,
    /// How soon changes became visible in the index in the last minute, by what was done.
    pub(super) freshness: Vec<Freshness>,
    /// The last minute.
    pub(super) history: History,
    /// The partitions that this member has. Told by the Kafka client every 2 seconds.
    pub(super) partitions: Vec<AssignedPartition>,
    /// Dead letters, by why they are.
    pub(super) dead_letters: Vec<DeadLetters>,
    /// The log's latest warnings and errors, the last one first.
    pub(super) warnings: Vec<Warning>,
    /// The configuration that is in effect.
    pub(super) configuration: ConfigurationStatus,
    /// What a person may do, or did.
    pub(super) control: ControlStatus,
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
pub(in crate::admin) struct LaneStatus {
    /// Its name.
    pub(super) lane: &'static str,
    /// `ready`, `waiting` (an outage: it tries again by itself) or `blocked` (it needs a person).
    pub(super) state: &'static str,
    /// Why it isn't ready, and what to do.
    pub(super) reason: Option<String>,
}

/// What goes through each stage.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Flow {
    /// What comes in.
    pub(super) kafka: KafkaFlow,
    /// Decoding, collapsing, comparing: one worker a partition.
    pub(super) workers: WorkerFlow,
    /// Deletes and changes of payload, which wait for no vector.
    pub(super) fast_lane: FastFlow,
    /// Vectors that are bought.
    pub(super) embed: EmbedFlow,
    /// What is written.
    pub(super) index: IndexFlow,
    /// What can't be processed.
    pub(super) dead_letters: DeadLetterFlow,
}

/// What comes in.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct KafkaFlow {
    /// Records received.
    pub(super) records_per_second: f64,
    /// Bytes of their keys and values.
    pub(super) bytes_per_second: f64,
    /// Records received.
    pub(super) records: u64,
    /// Records between the end of the assigned partitions and what has settled.
    pub(super) lag_records: u64,
    /// Partitions assigned to this member.
    pub(super) partitions: i64,
    /// Those of them that are paused.
    pub(super) paused_partitions: i64,
}

/// Decoding, collapsing, comparing.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct WorkerFlow {
    /// Records that the index reflected already.
    pub(super) unchanged_per_second: f64,
    /// Records that a later one of the same row made void.
    pub(super) superseded_per_second: f64,
    /// Keys with unsettled news.
    pub(super) pending_keys: i64,
    /// Records held because their table is blocked.
    pub(super) held_records: i64,
    /// Partitions whose records wait for a schema.
    pub(super) stalled_partitions: i64,
    /// The memory budget in use, in bytes.
    pub(super) budget_used_bytes: i64,
    /// The memory budget, in bytes.
    pub(super) budget_limit_bytes: i64,
}

/// Deletes and changes of payload.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct FastFlow {
    /// Points deleted.
    pub(super) deletes_per_second: f64,
    /// Payloads replaced.
    pub(super) patches_per_second: f64,
    /// Points deleted.
    pub(super) deletes: u64,
    /// Payloads replaced.
    pub(super) patches: u64,
}

/// Vectors that are bought.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct EmbedFlow {
    /// Vectors bought.
    pub(super) texts_per_second: f64,
    /// Tokens that the provider charged.
    pub(super) tokens_per_second: f64,
    /// Vectors bought.
    pub(super) texts: u64,
    /// Tokens that the provider charged.
    pub(super) tokens: u64,
    /// Changes that needed no vector, because the text was the same.
    pub(super) texts_unchanged: u64,
    /// Texts that wait for their turn.
    pub(super) queued_texts: i64,
    /// Requests under way.
    pub(super) requests_in_flight: i64,
    /// Rows written to the index as they are, whose vectors are owed since.
    pub(super) parked_rows: u64,
    /// Parked rows that got their vectors.
    pub(super) parked_rows_embedded: u64,
}

/// What is written.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct IndexFlow {
    /// Points upserted, patched or deleted.
    pub(super) points_per_second: f64,
    /// Calls of all kinds.
    pub(super) calls_per_second: f64,
    /// Points upserted, patched or deleted.
    pub(super) points: u64,
    /// Writes that were found not to be applied: a later owner has written, or the point had changed.
    pub(super) rejected_writes: u64,
}

/// What can't be processed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct DeadLetterFlow {
    /// Dead letters sent.
    pub(super) letters: u64,
    /// Dead letters withheld because their table has too many.
    pub(super) withheld: i64,
}

/// What embeddings cost, by days and months of UTC.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct CostStatus {
    /// Whose spending it is: `group` where there is a budget, all members' as they last noted it; else
    /// `member`, this process's since its start.
    pub(super) of: &'static str,
    /// Spent today.
    pub(super) today: SpentStatus,
    /// Spent this month.
    pub(super) month: SpentStatus,
    /// The budgets there are.
    pub(super) budgets: Vec<BudgetStatus>,
    /// The last day on which anything may be bought, if there is one.
    pub(super) until: Option<String>,
}

/// What was spent.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct SpentStatus {
    /// Tokens.
    pub(super) tokens: u64,
    /// US dollars; absent where the model's price is not known.
    pub(super) usd: Option<f64>,
}

/// A budget.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct BudgetStatus {
    /// Its period: `day` or `month`.
    pub(super) period: &'static str,
    /// What may be spent, as it is configured: `$20` or `400000000 tokens`.
    pub(super) allowance: String,
    /// The part of it that is spent; from 1 on nothing is bought.
    pub(super) spent_ratio: f64,
}

/// How soon changes became visible: from the commit in the database, or else from the record in Kafka.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Freshness {
    /// What was done to the point.
    pub(super) change: String,
    /// Changes in the last minute.
    pub(super) changes: u64,
    /// Half of them were visible within this time.
    pub(super) p50_seconds: Option<f64>,
    /// 99 of 100 of them were.
    pub(super) p99_seconds: Option<f64>,
}

/// A value for each second of the last minute, the earliest first.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct History {
    /// Records received.
    pub(super) records_per_second: Vec<f64>,
    /// Points written.
    pub(super) points_per_second: Vec<f64>,
}

/// Dead letters of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct DeadLetters {
    /// Where they arose.
    pub(super) stage: String,
    /// Why.
    pub(super) reason: String,
    /// How many.
    pub(super) letters: u64,
}

/// What a person may do, or did.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct ControlStatus {
    /// Whether `admin.token` is set, so that the control routes may be used.
    pub(super) enabled: bool,
    /// Whether a person paused embedding.
    pub(super) embed_paused: bool,
    /// The topics whose tables a person paused.
    pub(super) paused_tables: Vec<String>,
}
