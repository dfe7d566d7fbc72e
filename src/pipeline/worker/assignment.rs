//! Taking a partition over: what it was assigned with comes in, its state goes out.

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

use crate::{
    clock::now_ms,
    commit::{Frontier, OffsetLedger},
    dead_letter::Delivered,
    decode::Decoder,
    embed::EmbedReply,
    index::{IndexReply, LookedUp, MarkState, ParkedRows},
    reconcile::{ObservedCache, Reconciler, TakeOver},
    record::{Offset, RawRecord, Recheck, Reflected, TopicPartition, TruncateMark},
    source::{Drain, Gate, LastCommitted},
    window::Window,
};

use super::super::{
    Services, Settings, TableSettings,
    debts::Debts,
    held::Held,
    incomplete::IncompleteRows,
    recheck::{Rechecks, Scanned},
    stall::Stall,
    tally::Tally,
    traced::TracedRecords,
    truncates::Truncates,
    upkeep::{Keeper, Kept},
    withheld::Withheld,
};
use super::{Shown, State};

/// After this time without an answer of the index, a partition that begins stops fetching.
const SLOW_INDEX: Duration = Duration::from_millis(500);

/// One assigned partition, to be processed.
pub(in crate::pipeline) struct Assignment {
    pub(in crate::pipeline) partition: TopicPartition,
    pub(in crate::pipeline) settings: Arc<Settings>,
    pub(in crate::pipeline) table: TableSettings,
    pub(in crate::pipeline) services: Services,
    pub(in crate::pipeline) frontier: Frontier,
    pub(in crate::pipeline) gate: Gate,
}

impl Assignment {
    /// Takes the partition over, then processes records until it is given up.
    pub(in crate::pipeline) async fn process(
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
}

/// Where the services answer to.
pub(super) struct Senders {
    pub(super) lookup: UnboundedSender<LookedUp>,
    pub(super) index: UnboundedSender<IndexReply>,
    pub(super) embed: UnboundedSender<EmbedReply>,
    pub(super) dead: UnboundedSender<Delivered>,
}

/// Where the services' answers and other news arrive.
pub(super) struct Receivers {
    pub(super) mark: watch::Receiver<MarkState>,
    pub(super) rechecks: watch::Receiver<Arc<[Recheck]>>,
    pub(super) scanned: UnboundedReceiver<Scanned>,
    pub(super) swept: UnboundedReceiver<TruncateMark>,
    pub(super) kept: UnboundedReceiver<Kept>,
    pub(super) parked: UnboundedReceiver<ParkedRows>,
    pub(super) lookup: UnboundedReceiver<LookedUp>,
    pub(super) index: UnboundedReceiver<IndexReply>,
    pub(super) embed: UnboundedReceiver<EmbedReply>,
    pub(super) dead: UnboundedReceiver<Delivered>,
}

/// A partition whose collection does not answer must not fetch on: the budget is everybody's.
async fn close_when_slow(gate: &Gate) -> Infallible {
    tokio::time::sleep(SLOW_INDEX).await;
    gate.set_closed(true);
    std::future::pending().await
}
