//! One partition: records come in, its frontier goes out.
//!
//! An [`Assignment`] takes the partition over and makes its [`State`]. The state then waits for the next
//! event and handles it; each file has one kind of event: [`records`], [`rows`] and [`truncate`]s on the
//! way in, [`answers`] of the services, what is [held](hold) or dead-lettered, and what somebody asked to
//! be [rechecked](recheck).

mod answers;
mod assignment;
mod hold;
mod parking;
mod recheck;
mod records;
mod rows;
mod show;
mod truncate;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc::UnboundedReceiver, oneshot};
use tracing::debug;

use crate::{
    commit::{Frontier, OffsetLedger},
    config::TruncatePolicy,
    decode::{Decoder, RowSettings},
    document::{DocumentBuilder, PointIds},
    index::Index,
    reconcile::{Action, Reconciler},
    record::{
        Ack, Offset, RawRecord, Reflected, Ticket, TopicPartition, TruncateMark, Watermark, Write,
    },
    source::{Drain, Gate},
    window::Window,
};

use super::{
    Services,
    debts::Debts,
    held::{Cause, Held},
    incomplete::IncompleteRows,
    recheck::Rechecks,
    stall::Stall,
    tally::Tally,
    traced::TracedRecords,
    truncates::Truncates,
    upkeep::Keeper,
    withheld::Withheld,
};

pub use parking::ParkAfter;

pub(super) use assignment::Assignment;
use assignment::{Receivers, Senders};

/// How long a partition that is given up waits for vectors on their way. They are paid for, but
/// while the endpoint stalls, waiting would hold up the partitions that this member keeps.
const LAST_VECTORS: Duration = Duration::from_secs(1);

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

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

impl State {
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
