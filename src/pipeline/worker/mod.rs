//! One partition: records come in, its frontier goes out.
//!
//! An [`Assignment`] takes the partition over; then its [`State`] waits for whatever comes next and lets its state take it in; each file has one
//! kind of news: [`records`], [`rows`] and [`truncate`]s on the way in, [`answers`] of the services,
//! what is [held](hold) or dead-lettered, and what somebody asked to be [rechecked](recheck).

mod answers;
mod hold;
mod parking;
mod recheck;
mod records;
mod rows;
mod show;
mod truncate;

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot, watch,
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    commit::{Frontier, OffsetLedger},
    config::TruncatePolicy,
    dead_letter::Delivered,
    decode::{Decoder, RowSettings},
    document::{DocumentBuilder, PointIds},
    embed::EmbedReply,
    index::{Index, IndexReply, LookedUp, MarkState, ParkedRows},
    reconcile::{Action, ObservedCache, Reconciler, TakeOver},
    record::{
        Ack, Offset, RawRecord, Recheck, Reflected, Ticket, TopicPartition, TruncateMark,
        Watermark, Write,
    },
    source::{Drain, Gate, LastCommitted},
    window::Window,
};

use super::{
    Services, Settings, TableSettings,
    debts::Debts,
    held::{Cause, Held},
    incomplete::IncompleteRows,
    recheck::{Rechecks, Scanned},
    stall::Stall,
    tally::Tally,
    traced::TracedRecords,
    truncates::Truncates,
    upkeep::{Keeper, Kept},
    withheld::Withheld,
};

use show::now_ms;

pub use parking::ParkAfter;

/// How long a partition that is given up waits for vectors on their way. They are paid for, but
/// while the endpoint stalls, waiting would hold up the partitions that this member keeps.
const LAST_VECTORS: Duration = Duration::from_secs(1);

/// After this time without an answer of the index, a partition that begins stops fetching.
const SLOW_INDEX: Duration = Duration::from_millis(500);

/// All state of one assigned partition.
struct State {
    partition: TopicPartition,
    rows: RowSettings,
    decoder: Decoder,
    /// Everything before this offset was received.
    received: Offset,
    stall: Stall,
    documents: DocumentBuilder,
    point_ids: PointIds,
    index: Index,
    /// The table's last truncate that is known.
    truncated: Option<TruncateMark>,
    truncates: Truncates,
    incomplete: IncompleteRows,
    rechecks: Rechecks,
    window: Window,
    linger: Duration,
    on_truncate: TruncatePolicy,
    reconciler: Reconciler,
    ledger: OffsetLedger,
    reflected: Reflected,
    keeper: Keeper,
    park_after: Option<ParkAfter>,
    log_row_values: bool,
    next_park: Instant,
    debts: Debts,
    /// Writes that wait, because another member seems to have owned the partition meanwhile.
    suspended: Option<Vec<(Ticket, Write)>>,
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
    traced: TracedRecords,
    /// When the records at hand were handed over.
    came: Instant,
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
    rechecks: watch::Receiver<Arc<[Recheck]>>,
    scanned: UnboundedReceiver<Scanned>,
    swept: UnboundedReceiver<TruncateMark>,
    kept: UnboundedReceiver<Kept>,
    parked: UnboundedReceiver<ParkedRows>,
    lookup: UnboundedReceiver<LookedUp>,
    index: UnboundedReceiver<IndexReply>,
    embed: UnboundedReceiver<EmbedReply>,
    dead: UnboundedReceiver<Delivered>,
}

/// One assigned partition, to be processed.
pub(super) struct Assignment {
    pub(super) partition: TopicPartition,
    pub(super) settings: Arc<Settings>,
    pub(super) table: TableSettings,
    pub(super) services: Services,
    pub(super) frontier: Frontier,
    pub(super) gate: Gate,
}

impl Assignment {
    /// Takes the partition over, then processes records until it is given up.
    pub(super) async fn process(
        self,
        committed: LastCommitted,
        mut queue: UnboundedReceiver<Vec<RawRecord>>,
        mut drain: oneshot::Receiver<Drain>,
    ) {
        let (gate, budget) = (self.gate.clone(), self.services.budget.clone());
        let until = CancellationToken::new();
        let _given_up = until.clone().drop_guard();
        let begun = tokio::select! {
            drain = &mut drain => Err(drain),
            never = close_when_slow(&gate) => match never {},
            begun = self.begin(committed, &until) => Ok(begun),
        };
        let drain = match begun {
            Ok((mut state, mut receivers)) => {
                gate.set_closed(false);
                let drain = state.process(&mut queue, &mut receivers, &mut drain).await;
                queue.close();
                if let Some(drain) = drain {
                    state.drain(&mut receivers, drain).await;
                }
                None
            }
            Err(drain) => drain.ok(),
        };
        queue.close();
        while let Ok(records) = queue.try_recv() {
            budget.refund_all(&records);
        }
        drop(drain);
    }

    /// Makes the partition's state, once it is known what the index holds of it and nobody else can
    /// write it any more.
    async fn begin(
        self,
        committed: LastCommitted,
        until: &CancellationToken,
    ) -> (State, Receivers) {
        let Ok(committed) = committed.await else {
            // Nobody will answer: the partition is about to be given up.
            return std::future::pending().await;
        };
        let index = self.table.index.clone();
        let partition = self.partition.clone();
        let claimed = index.claim(partition, committed.epoch, now_ms, until);
        let Some((claim, predecessor)) = claimed.await else {
            return std::future::pending().await;
        };
        // What a former owner has under way may still arrive in an empty collection.
        let is_empty = predecessor.is_none() && index.is_empty().await;
        // A row from before a truncate must not be written, so none is before this is known.
        let kept = index.mark(&self.partition.topic);
        kept.read_now().await;
        let truncated = kept.watch().borrow().clone();

        let watermark = predecessor.and_then(|found| found.watermark);
        let epoch = claim.fence().epoch();
        self.frontier.set_epoch(epoch);
        let now = Instant::now();
        let mut reconciler = Reconciler::new(
            self.partition.clone(),
            self.settings.fingerprint.clone(),
            self.settings.delays,
            self.settings.replay,
            ObservedCache::new(self.settings.cache_keys),
            TakeOver {
                since: epoch,
                at: now,
                at_ms: now_ms(),
                had_owner: predecessor.is_some(),
                watermark,
            },
        );
        if is_empty {
            reconciler.assume_empty_index();
        }
        let reflected = Reflected::new(watermark, committed.offset);
        let (keeper, kept) = Keeper::new(claim, watermark, self.settings.upkeep, now);
        let (mut state, receivers) = State::new(self, reconciler, reflected, keeper, kept);
        state.received = committed.offset.unwrap_or(Offset(0));
        state.index_was_empty = is_empty;
        state.begin_with(&truncated);
        (state, receivers)
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
    fn new(
        assignment: Assignment,
        reconciler: Reconciler,
        reflected: Reflected,
        keeper: Keeper,
        kept: UnboundedReceiver<Kept>,
    ) -> (Self, Receivers) {
        let Assignment {
            partition,
            settings,
            table,
            services,
            frontier,
            gate,
        } = assignment;
        let (index, index_answers) = unbounded_channel();
        let (embed, embed_answers) = unbounded_channel();
        let (dead, dead_answers) = unbounded_channel();
        let (lookup, lookup_answers) = unbounded_channel();
        let (truncates, swept) = Truncates::new(
            table.index.mark(&partition.topic),
            partition.partition,
            settings.upkeep,
        );
        let (rechecks, scanned) = Rechecks::new(
            table.index.rechecks(&partition.topic),
            partition.partition,
            services.past_records.clone(),
        );
        services.breakers.assign(&partition.topic);
        let now = Instant::now();
        let (debts, parked) = Debts::new(services.budget.clone(), now);
        let receivers = Receivers {
            mark: truncates.watch(),
            rechecks: rechecks.watch(),
            scanned,
            swept,
            kept,
            parked,
            lookup: lookup_answers,
            index: index_answers,
            embed: embed_answers,
            dead: dead_answers,
        };
        let traced = TracedRecords::new(services.tracing.clone(), table.index.collection());
        let state = Self {
            partition,
            decoder: Decoder::new(table.rows.clone()),
            rows: table.rows,
            received: Offset(0),
            stall: Stall::default(),
            documents: table.documents,
            point_ids: table.point_ids,
            index: table.index,
            truncated: None,
            truncates,
            on_truncate: table.on_truncate,
            incomplete: IncompleteRows::default(),
            rechecks,
            window: Window::default(),
            linger: settings.linger,
            reconciler,
            ledger: OffsetLedger::default(),
            reflected,
            keeper,
            park_after: settings.park_after,
            log_row_values: settings.log_row_values,
            next_park: now,
            debts,
            suspended: None,
            frontier,
            gate,
            held: Held::default(),
            told: None,
            withheld: Withheld::default(),
            dead: HashMap::new(),
            index_was_empty: false,
            next_dead: 0,
            tally: Tally::new(services.budget.clone(), &services.metrics),
            traced,
            came: now,
            services,
            actions: Vec::new(),
            shown: Shown::default(),
            answers: Senders {
                lookup,
                index,
                embed,
                dead,
            },
        };
        (state, receivers)
    }

    /// What the index reflects now.
    fn watermark(&self) -> Option<Watermark> {
        self.reflected.watermark(self.ledger.frontier()?)
    }

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
                Some(kept) = receivers.kept.recv() => self.on_kept(kept),
                Some(rows) = receivers.parked.recv() => self.on_parked_rows(rows),
                Ok(()) = receivers.rechecks.changed() => {
                    let open = receivers.rechecks.borrow_and_update().clone();
                    self.on_rechecks(open);
                }
                Some(scanned) = receivers.scanned.recv() => self.on_scanned(scanned),
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
            self.keeper.due(self.ledger.frontier()),
            self.truncates.due(),
            closes_gate,
            self.parks_at(),
            self.debts.due(),
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
        if drain.deadline > start
            && let Some(noted) = self
                .keeper
                .finish(self.watermark(), self.ledger.frontier(), drain.deadline)
                .await
        {
            self.frontier.note(noted);
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
