//! Pipeline: the stages, wired up for each assigned partition.
//!
//! ```text
//! source ─> [ decode ─> document ─> window ─> reconcile ─ ledger ] ─> frontier ─> commit
//!              │                                 │   ▲
//!              ▼                                 ▼   │ answers
//!         dead letters                     embed, index
//! ```
//!
//! What is in brackets is one task a partition, the `worker`: it owns all state of the
//! partition, so nothing is shared and nothing is locked. Embedding, index and dead letters are
//! services shared by all partitions.

mod blocked;
mod breakers;
mod debts;
mod held;
mod incomplete;
mod recheck;
mod repeats;
mod routes;
mod row_reader;
mod stall;
mod tally;
mod traced;
mod truncates;
mod upkeep;
mod withheld;
mod worker;

use std::sync::Arc;

use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::{
    commit::Frontier,
    config::TruncatePolicy,
    cost::Books,
    dead_letter::DeadLetters,
    decode::RowSettings,
    document::{DocumentBuilder, PointIds},
    embed::Embedder,
    index::Index,
    reconcile::{Delays, Replay},
    record::{Fingerprint, Share, TopicPartition},
    registry::Registry,
    source::{Budget, Feed, Gate, LastCommitted, Partitions, PastRecords},
    telemetry::PipelineMetrics,
};

pub use blocked::BlockedTables;
pub use breakers::Breakers;
pub use routes::Routes;
pub use row_reader::{RowNews, RowReader};
pub use traced::Tracing;
pub use upkeep::Upkeep;
pub use worker::ParkAfter;

use worker::Assignment;

/// How every partition is processed.
#[derive(Debug)]
pub struct Settings {
    /// How long changes at hand are collapsed before deletes and patches go out.
    pub linger: std::time::Duration,
    /// How long texts are held back.
    pub delays: Delays,
    /// What makes the vectors.
    pub fingerprint: Fingerprint,
    /// What becomes of records that the index reflects already.
    pub replay: Replay,
    /// How many keys' hashes a partition remembers.
    pub cache_keys: usize,
    /// When a partition's bookkeeping is kept up.
    pub upkeep: Upkeep,
    /// When rows are parked that wait for their vectors, if ever.
    pub park_after: Option<ParkAfter>,
    /// Whether the log may quote what is in a row.
    pub log_row_values: bool,
    /// What each table has of its own.
    pub tables: Routes<TableSettings>,
}

/// How the partitions of one table are processed.
#[derive(Debug, Clone)]
pub struct TableSettings {
    /// How rows are read; cloned for each partition.
    pub rows: RowSettings,
    /// What to do about truncates.
    pub on_truncate: TruncatePolicy,
    /// Makes documents; cloned for each partition.
    pub documents: DocumentBuilder,
    /// Makes point ids.
    pub point_ids: PointIds,
    /// Reads and writes the points of its collection.
    pub index: Index,
}

/// The services that all partitions share.
#[derive(Debug, Clone)]
pub struct Services {
    /// Buys vectors.
    pub embedder: Embedder,
    /// Takes note of what need not be bought.
    pub books: Books,
    /// Has the schemas that records were written with.
    pub registry: Registry,
    /// Takes what can't be processed.
    pub dead_letters: DeadLetters,
    /// Tells which tables are blocked.
    pub blocked: BlockedTables,
    /// Says when letters are too many to go out.
    pub breakers: Breakers,
    /// Takes back what settled records were charged.
    pub budget: Budget,
    /// Reads records again, where rows are to be rechecked.
    pub past_records: PastRecords,
    /// Takes the traces of records, if any are traced.
    pub tracing: Option<Arc<Tracing>>,
    /// Counts.
    pub metrics: PipelineMetrics,
}

/// Starts a worker for each partition that is assigned.
#[derive(Debug)]
pub struct Pipeline {
    settings: Arc<Settings>,
    services: Services,
    /// Cancelled when a worker panicked: its partition would stand still for ever.
    broken: CancellationToken,
    runtime: Handle,
}

impl Pipeline {
    /// A pipeline whose workers run on the current tokio runtime. It cancels `broken` when one of
    /// them panics: then the program has to be started anew.
    pub fn new(settings: Settings, services: Services, broken: CancellationToken) -> Self {
        Self {
            settings: Arc::new(settings),
            services,
            broken,
            runtime: Handle::current(),
        }
    }
}

impl Partitions for Pipeline {
    fn assign(&self, partition: TopicPartition, committed: LastCommitted) -> Feed {
        let (records, queue) = mpsc::unbounded_channel();
        let (drain, drained) = oneshot::channel();
        let (frontier, gate) = (Frontier::default(), Gate::default());
        let feed = Feed {
            records,
            frontier: frontier.clone(),
            gate,
            drain,
        };
        let settings = &self.settings;
        let Some(table) = settings.tables.of(&partition.topic) else {
            // The configuration names all it subscribes to, or this would not be subscribed to.
            error!(%partition, "no entry of tables matches this topic");
            self.broken.cancel();
            return feed;
        };
        let name = partition.clone();
        let assignment = Assignment {
            partition,
            settings: settings.clone(),
            table: table.clone(),
            services: self.services.clone(),
            frontier,
            gate: feed.gate.clone(),
        };
        let processing = assignment.process(committed, queue, drained);
        let running = self.runtime.spawn(processing);
        let broken = self.broken.clone();
        self.runtime.spawn(async move {
            if let Err(error) = running.await
                && error.is_panic()
            {
                error!(%name, "a partition's worker panicked: {error}");
                broken.cancel();
            }
        });
        feed
    }

    fn set_share(&self, share: Share) {
        self.services.embedder.set_share(share);
    }
}
