//! Index: [`Write`]s and reads by point id come in, answers go out; behind
//! it is a Qdrant collection.
//!
//! [`Index::connect`] waits for the server, makes the collection or checks it, and starts four
//! services shared by all partitions, so that none waits for another: one reads what the reconciler
//! compares with, one looks whole points up, one writes deletes and patches, and one upserts. All
//! batch what has queued up while their calls are under way, so a lone request goes out at once
//! and a crowd goes out together. Every write waits until Qdrant has applied it (`wait=true`), and
//! changes nothing where a later owner of the partition has written: see [`Fence`]. A partition's
//! owner makes a [`Claim`] first. [`Accounts`] of what embeddings cost lie there, too.

mod accounts;
pub mod alias;
mod batch;
mod bookkeeper;
mod check;
mod claim;
mod client;
mod collection;
mod conditions;
pub(crate) mod failure;
mod fence;
mod filter;
mod lookup;
mod mark;
mod operations;
mod page;
mod parked;
mod patches;
mod points;
mod read_back;
mod reader;
mod recheck;
mod search;
mod service;
mod settings;
mod stored;
mod survey;
mod value;
mod wire;
mod writer;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use qdrant_client::qdrant::{Condition, Filter, ScrollPointsBuilder};
use tokio::{runtime::Handle, sync::mpsc::UnboundedSender};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use lookup::LookupRequest;
use service::{Outages, Queue};

use crate::{
    error::Failure,
    lease::Lease,
    record::{Epoch, PointId, PointState, Ticket, TopicPartition, Write, WriteOutcome},
    telemetry::{IndexMetrics, LanePart},
};

pub use accounts::{Accounts, KeptAccount, ProcessId};
pub use batch::update_message;
pub use bookkeeper::Bookkeeper;
pub use check::{Found, look, server_version};
pub use claim::{Claim, Predecessor};
pub use client::Client;
pub use collection::{CollectionError, CollectionSpec};
pub use fence::Fence;
pub use filter::{Comparison, FieldFilter, Test};
pub use lookup::LookedUp;
pub use mark::{Mark, MarkState};
pub use page::{OfTable, Page};
pub use parked::ParkedRows;
pub use recheck::{RecheckDesk, Rechecks};
pub use search::{Bookkeeping, FoundPoint, Hit, Searcher, as_stored};
pub use settings::connect_client;
pub(crate) use settings::is_readable_on_the_way;
pub use stored::from_payload as stored_from_payload;
pub use survey::Survey;
pub use value::{point_id as to_point_id, value as to_payload_value};

/// How the services call Qdrant.
#[derive(Debug, Clone, Copy)]
pub struct Calls {
    /// At most this many points a call.
    pub batch_points: usize,
    /// At most this many calls at a time, for reads and for writes each.
    pub concurrency: usize,
    /// The first pause after an outage.
    pub retry_initial: Duration,
    /// The longest pause after an outage.
    pub retry_max: Duration,
}

/// An answer from the index to a partition worker.
#[derive(Debug)]
pub enum IndexReply {
    /// What a point says about its making.
    Read {
        /// The request's ticket.
        ticket: Ticket,
        /// The point.
        point: PointState,
    },
    /// A write came to its end.
    Written {
        /// The request's ticket.
        ticket: Ticket,
        /// What became of it.
        outcome: WriteOutcome,
    },
}

/// A request to read one point's bookkeeping.
#[derive(Debug)]
pub(crate) struct ReadRequest {
    ticket: Ticket,
    point: PointId,
    reply: UnboundedSender<IndexReply>,
}

/// A request to write one point.
#[derive(Debug)]
pub(crate) struct WriteRequest {
    ticket: Ticket,
    write: Write,
    fence: Fence,
    reply: UnboundedSender<IndexReply>,
}

impl WriteRequest {
    /// Whether it is not enough that the server says `Ok`: the point may have changed since it was
    /// looked at.
    fn is_doubtful(&self) -> bool {
        self.write.expected().is_some()
    }
}

/// What the services share.
struct Connection {
    client: Client,
    collection: String,
    vector: String,
    calls: Calls,
    metrics: IndexMetrics,
    outages: Outages,
    lease: Lease,
    /// Writing calls so far.
    calls_made: AtomicU64,
    shutdown: CancellationToken,
    /// Cancelled when a call panicked.
    broken: CancellationToken,
}

impl Connection {
    /// What to do about an error of a call.
    fn failure(&self, error: &Status) -> Failure {
        self.client.failure(error, &self.collection)
    }

    /// The same for a call that is made for no record; see [`Client::failure_of_no_record`].
    fn failure_of_no_record(&self, error: &Status, reason: &'static str, refuses: &str) -> Failure {
        self.client
            .failure_of_no_record(error, &self.collection, reason, refuses)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("collection", &self.collection)
            .finish_non_exhaustive()
    }
}

/// One collection, ready to be read and written. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Index {
    reads: Queue<ReadRequest>,
    /// Deletes, and patches but for those that park a row.
    fast: Queue<WriteRequest>,
    /// Upserts, and rows that are parked.
    upserts: Queue<WriteRequest>,
    lookups: Queue<LookupRequest>,
    marks: Arc<Mutex<HashMap<Arc<str>, Mark>>>,
    rechecks: Arc<Mutex<HashMap<Arc<str>, Rechecks>>>,
    runtime: Handle,
    connection: Arc<Connection>,
}

impl Index {
    /// Waits until the server answers, makes the collection if it is absent and may be made,
    /// refuses it if its vectors are of another size or distance, and starts the services, which
    /// stop with `shutdown` and cancel `broken` if one of them panics. `health` is the collection's
    /// part of the lane; nothing is written while `lease` is in doubt.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is something else, and there is one caller"
    )]
    pub async fn connect(
        client: Client,
        spec: &CollectionSpec,
        calls: Calls,
        metrics: IndexMetrics,
        health: LanePart,
        lease: Lease,
        shutdown: CancellationToken,
        broken: CancellationToken,
    ) -> Result<Self, CollectionError> {
        collection::ensure(&client, spec, calls, &health, &shutdown).await?;
        let connection = Arc::new(Connection {
            client,
            collection: spec.name.clone(),
            vector: spec.vector.clone(),
            calls,
            metrics,
            outages: Outages::new(health),
            lease,
            calls_made: AtomicU64::new(0),
            shutdown,
            broken,
        });
        Ok(Self {
            reads: service::start(connection.clone(), "read", points::get::<ReadRequest>),
            fast: service::start(connection.clone(), "fast", writer::write),
            upserts: service::start(connection.clone(), "upsert", writer::write),
            lookups: service::start(connection.clone(), "lookup", points::get::<LookupRequest>),
            marks: Arc::default(),
            rechecks: Arc::default(),
            runtime: Handle::current(),
            connection,
        })
    }

    /// The collection's name.
    pub fn collection(&self) -> &str {
        &self.connection.collection
    }

    /// Takes a partition over, above every epoch that was used for it, in the collection or, as
    /// `committed` says, with the group's offsets. Says what the former owner left; `None` when there
    /// was none. `now_ms` tells the time in milliseconds since 1970.
    ///
    /// Tries until it is done, or until `until` is cancelled: then `None`.
    pub async fn claim(
        &self,
        partition: TopicPartition,
        committed: Option<Epoch>,
        now_ms: impl Fn() -> i64,
        until: &CancellationToken,
    ) -> Option<(Claim, Option<Predecessor>)> {
        Claim::make(self.connection.clone(), partition, committed, now_ms, until).await
    }

    /// Whether the collection holds no row and no tombstone right now; `false` when that can't be
    /// told.
    pub async fn is_empty(&self) -> bool {
        let connection = &self.connection;
        let deleted = stored::field(stored::DELETED_MS);
        let is_tombstone = Filter::must_not([Condition::is_empty(deleted)]);
        let any = ScrollPointsBuilder::new(&connection.collection)
            .filter(Filter::should([
                Condition::has_vector(&connection.vector),
                is_tombstone.into(),
            ]))
            .limit(1)
            .with_payload(false)
            .with_vectors(false);
        let answer = connection.client.points().scroll(any.build()).await;
        answer.is_ok_and(|page| page.get_ref().result.is_empty())
    }

    /// The mark of a table's last truncate, by the table's topic.
    pub fn mark(&self, topic: &Arc<str>) -> Mark {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        marks
            .entry(topic.clone())
            .or_insert_with(|| Mark::follow(self.connection.clone(), topic.clone(), &self.runtime))
            .clone()
    }

    /// The requests to recheck rows of a table, by the table's topic.
    pub fn rechecks(&self, topic: &Arc<str>) -> Rechecks {
        let mut rechecks = self.rechecks.lock().unwrap_or_else(PoisonError::into_inner);
        let follow = || Rechecks::follow(self.connection.clone(), topic.clone(), &self.runtime);
        rechecks.entry(topic.clone()).or_insert_with(follow).clone()
    }

    /// The accounts of what embeddings cost that are kept in the collection.
    pub fn accounts(&self) -> Accounts {
        Accounts::new(self.connection.client.clone(), &self.connection.collection)
    }

    /// Asks for a point's bookkeeping. Never blocks; what is in flight is bounded by the
    /// pipeline's budget.
    pub fn read(&self, ticket: Ticket, point: PointId, reply: UnboundedSender<IndexReply>) {
        self.reads.push(ReadRequest {
            ticket,
            point,
            reply,
        });
    }

    /// Asks for a point with these fields of its payload. Never blocks.
    pub fn look_up(
        &self,
        ticket: Ticket,
        point: PointId,
        fields: Vec<Arc<str>>,
        reply: UnboundedSender<LookedUp>,
    ) {
        self.lookups.push(LookupRequest {
            ticket,
            point,
            fields,
            reply,
        });
    }

    /// Asks for a write. Never blocks.
    pub fn write(
        &self,
        ticket: Ticket,
        write: Write,
        fence: &Fence,
        reply: UnboundedSender<IndexReply>,
    ) {
        let is_urgent = match &write {
            Write::Upsert { .. } => false,
            // Rows are parked by the thousand, so that others need not wait.
            Write::PatchPayload { stored, .. } => stored.parked.is_none(),
            Write::Delete { .. } => true,
        };
        let service = if is_urgent { &self.fast } else { &self.upserts };
        service.push(WriteRequest {
            ticket,
            write,
            fence: fence.clone(),
            reply,
        });
    }
}

#[cfg(all(test, feature = "embedded"))]
mod tests;
