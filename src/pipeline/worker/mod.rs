//! One partition: records come in, its frontier goes out.
//!
//! The [`Worker`] waits for whatever comes next and lets its state take it in; each file has one
//! kind of news: [`records`], [`rows`] and [`truncate`]s on the way in, [`answers`] of the services,
//! and what is [held](hold) or dead-lettered.

mod answers;
mod hold;
mod records;
mod rows;
mod show;
mod truncate;

use std::{
    collections::HashMap,
    convert::Infallible,
    time::{Duration, Instant},
};

use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot, watch,
};
use tracing::debug;

use crate::{
    commit::{Frontier, OffsetLedger},
    config::TruncatePolicy,
    dead_letter::Delivered,
    decode::Decoder,
    document::{DocumentBuilder, PointIds},
    embed::EmbedReply,
    index::{Index, IndexReply, LookedUp, MarkState},
    reconcile::{Action, Reconciler},
    record::{Ack, RawRecord, Ticket, TopicPartition, TruncateMark},
    source::{Drain, Gate},
    window::Window,
};

use super::{
    Services, TableSettings,
    held::{Cause, Held},
    incomplete::IncompleteRows,
    stall::Stall,
    tally::Tally,
    truncates::Truncates,
    withheld::Withheld,
};

/// How long a partition that is given up waits for vectors on their way. They are paid for, but
/// while the endpoint stalls, waiting would hold up the partitions that this member keeps.
const LAST_VECTORS: Duration = Duration::from_secs(1);

/// After this time without an answer of the index, a partition that begins stops fetching.
const SLOW_INDEX: Duration = Duration::from_millis(500);

/// All state of one assigned partition.
struct State {
    partition: TopicPartition,
    decoder: Decoder,
    stall: Stall,
    documents: DocumentBuilder,
    point_ids: PointIds,
    index: Index,
    /// The table's last truncate that is known.
    truncated: Option<TruncateMark>,
    truncates: Truncates,
    incomplete: IncompleteRows,
    window: Window,
    linger: Duration,
    on_truncate: TruncatePolicy,
    reconciler: Reconciler,
    ledger: OffsetLedger,
    frontier: Frontier,
    gate: Gate,
    held: Held,
    /// Why records are held, as last told.
    told: Option<Cause>,
    withheld: Withheld,
    /// Records on their way to the dead-letter topic, and the earlier ones that settle with them.
    dead: HashMap<Ticket, (Ack, Vec<Ack>)>,
    /// The index was empty at the assignment, and no record has come since.
    index_was_empty: bool,
    next_dead: u64,
    tally: Tally,
    services: Services,
    actions: Vec<Action>,
    shown: Shown,
    answers: Senders,
}

/// What this worker has added to the gauges that all partitions share.
#[derive(Default)]
struct Shown {
    pending: i64,
    remembered: i64,
    held: i64,
    withheld: i64,
    stalled: i64,
}

/// Where the services answer to.
struct Senders {
    lookup: UnboundedSender<LookedUp>,
    index: UnboundedSender<IndexReply>,
    embed: UnboundedSender<EmbedReply>,
    dead: UnboundedSender<Delivered>,
}

struct Receivers {
    mark: watch::Receiver<MarkState>,
    swept: UnboundedReceiver<TruncateMark>,
    lookup: UnboundedReceiver<LookedUp>,
    index: UnboundedReceiver<IndexReply>,
    embed: UnboundedReceiver<EmbedReply>,
    dead: UnboundedReceiver<Delivered>,
}

/// Processes one assigned partition.
pub(super) struct Worker {
    state: State,
    receivers: Receivers,
}

impl Worker {
    pub(super) fn new(
        partition: TopicPartition,
        linger: Duration,
        table: TableSettings,
        services: Services,
        reconciler: Reconciler,
        frontier: Frontier,
        gate: Gate,
    ) -> Self {
        let (index, index_answers) = unbounded_channel();
        let (embed, embed_answers) = unbounded_channel();
        let (dead, dead_answers) = unbounded_channel();
        let (lookup, lookup_answers) = unbounded_channel();
        let (truncates, swept) =
            Truncates::new(table.index.mark(&partition.topic), partition.partition);
        let mark = truncates.watch();
        services.breakers.assign(&partition.topic);
        Self {
            state: State {
                partition,
                decoder: Decoder::new(table.rows),
                stall: Stall::default(),
                documents: table.documents,
                point_ids: table.point_ids,
                index: table.index,
                truncated: None,
                truncates,
                on_truncate: table.on_truncate,
                incomplete: IncompleteRows::default(),
                window: Window::default(),
                linger,
                reconciler,
                ledger: OffsetLedger::default(),
                frontier,
                gate,
                held: Held::default(),
                told: None,
                withheld: Withheld::default(),
                dead: HashMap::new(),
                index_was_empty: false,
                next_dead: 0,
                tally: Tally::new(services.budget.clone(), &services.metrics),
                services,
                actions: Vec::new(),
                shown: Shown::default(),
                answers: Senders {
                    lookup,
                    index,
                    embed,
                    dead,
                },
            },
            receivers: Receivers {
                lookup: lookup_answers,
                mark,
                swept,
                index: index_answers,
                embed: embed_answers,
                dead: dead_answers,
            },
        }
    }

    /// Processes records until the partition is given up.
    pub(super) async fn run(
        self,
        mut queue: UnboundedReceiver<Vec<RawRecord>>,
        mut drain: oneshot::Receiver<Drain>,
    ) {
        let Self {
            mut state,
            mut receivers,
        } = self;
        // Asked anew for each assignment: while another member had the partition, it wrote.
        let index = state.index.clone();
        let kept = index.mark(&state.partition.topic);
        let mark = &mut receivers.mark;
        let read = async {
            let empty = index.is_empty().await;
            // A row from before a truncate must not be written, so none is before this is known.
            kept.read_now().await;
            let mark = mark.wait_for(|mark| *mark != MarkState::Unread).await;
            (empty, mark.map(|mark| mark.clone()))
        };
        let gate = state.gate.clone();
        let early = tokio::select! {
            drain = &mut drain => Some(drain.ok()),
            never = close_when_slow(&gate) => match never {},
            (empty, mark) = read => {
                gate.set_closed(false);
                if empty {
                    state.reconciler.assume_empty_index();
                    state.index_was_empty = true;
                }
                if let Ok(mark) = mark {
                    state.begin_with(&mark);
                }
                None
            }
        };
        let drain = if let Some(drain) = early {
            drain
        } else {
            state.process(&mut queue, &mut receivers, &mut drain).await
        };
        queue.close();
        if let Some(drain) = drain {
            state.drain(&mut receivers, drain).await;
        }
        while let Ok(records) = queue.try_recv() {
            state.services.budget.refund_all(&records);
        }
    }
}

/// A partition whose collection does not answer must not fetch on: the budget is everybody's.
async fn close_when_slow(gate: &Gate) -> Infallible {
    tokio::time::sleep(SLOW_INDEX).await;
    gate.set_closed(true);
    std::future::pending().await
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

impl State {
    /// Processes records and answers until the partition is to be given up. `None` when the source
    /// is gone without a word: then nobody will commit.
    async fn process(
        &mut self,
        queue: &mut UnboundedReceiver<Vec<RawRecord>>,
        receivers: &mut Receivers,
        drain: &mut oneshot::Receiver<Drain>,
    ) -> Option<Drain> {
        loop {
            let due = self.due();
            tokio::select! {
                biased;
                drain = &mut *drain => return drain.ok(),
                Some(reply) = receivers.index.recv() => self.on_index(reply, &mut receivers.index),
                Some(reply) = receivers.embed.recv() => self.on_embedded(reply, &mut receivers.embed),
                Some(delivered) = receivers.dead.recv() => self.on_delivered(delivered),
                Some(looked_up) = receivers.lookup.recv() => self.on_looked_up(looked_up),
                Ok(()) = receivers.mark.changed() => {
                    let state = receivers.mark.borrow_and_update().clone();
                    self.on_mark(&state);
                }
                Some(mark) = receivers.swept.recv() => self.on_swept(mark),
                (id, found) = self.stall.answer() => self.on_schema(id, found),
                records = queue.recv(), if !self.stall.is_stalled() => match records {
                    Some(records) => self.on_records(records, queue.is_empty()),
                    None => return None,
                },
                () = sleep_until(due) => {}
            }
            self.on_time();
        }
    }

    /// When something is to be done although nothing arrives.
    fn due(&self) -> Option<Instant> {
        let closes_gate = self.stall.closes_gate_at();
        let closes_gate = closes_gate.filter(|_| !self.gate.is_closed());
        [
            self.window.due(self.linger),
            self.reconciler.due(),
            closes_gate,
            self.withheld.due(Instant::now()),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Finishes what is in flight, until the deadline, and buys nothing more.
    async fn drain(&mut self, receivers: &mut Receivers, drain: Drain) {
        let start = tokio::time::Instant::now();
        // A partition that was lost has a new owner already: nothing more may be written.
        if drain.deadline > start {
            self.reconciler.drain();
            self.close_window(Instant::now());
            self.on_time();
        }
        let last_vectors = drain.deadline.min(start + LAST_VECTORS);
        while drain.deadline > tokio::time::Instant::now() {
            let is_buying = self.reconciler.is_buying();
            let deadline = if !self.reconciler.is_idle() || !self.dead.is_empty() {
                drain.deadline
            } else if is_buying && last_vectors > tokio::time::Instant::now() {
                last_vectors
            } else {
                break;
            };
            tokio::select! {
                biased;
                Some(reply) = receivers.index.recv() => self.on_index(reply, &mut receivers.index),
                Some(reply) = receivers.embed.recv() => self.on_embedded(reply, &mut receivers.embed),
                Some(delivered) = receivers.dead.recv() => self.on_delivered(delivered),
                () = tokio::time::sleep_until(deadline) => {}
            }
            self.on_time();
        }
        debug!(
            partition = %self.partition,
            left = self.reconciler.len(),
            frontier = ?self.ledger.frontier(),
            "drained"
        );
        drop(drain.done);
    }
}
