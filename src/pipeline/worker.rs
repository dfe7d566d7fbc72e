//! One partition: records come in, its frontier goes out.

use std::{
    collections::HashMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot, watch,
};
use tracing::{debug, info, warn};

use crate::{
    commit::{Frontier, OffsetLedger},
    config::TruncatePolicy,
    dead_letter::{DeadLetter, Delivered},
    decode::{Decoded, Decoder},
    document::{DocumentBuilder, PointIds},
    embed::{EmbedReply, EmbedRequest},
    error::{Disposition, Failure},
    index::{Index, IndexReply, LookedUp, MarkState},
    reconcile::{Action, Reconciler},
    record::{
        Ack, Creation, Desired, KeyChange, Offset, PointId, Position, RawRecord, RowChange, RowKey,
        RowState, SchemaId, Settled, Ticket, TopicPartition, TruncateMark,
    },
    registry::Found,
    source::{Drain, Gate},
    window::Window,
};

use super::{
    Services, TableSettings,
    held::{Cause, HELD_ENTRY, Held},
    incomplete::{IncompleteRow, IncompleteRows},
    stall::Stall,
    tally::Tally,
    truncates::Truncates,
};

/// Dead letters that are logged one by one; of those behind, every thousandth. A topic with the
/// wrong converter has millions. The metric counts them all.
const BURIALS_TOLD: u64 = 20;

/// How long a partition that is given up waits for vectors on their way. They are paid for, but
/// while the endpoint stalls, waiting would hold up the partitions that this member keeps.
const LAST_VECTORS: Duration = Duration::from_secs(1);

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
    /// Records on their way to the dead-letter topic.
    dead: HashMap<Ticket, Ack>,
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
    stalled: i64,
    held: i64,
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
        let mark = &mut receivers.mark;
        let read = async {
            let empty = index.is_empty().await;
            // A row from before a truncate must not be written, so none is before this is known.
            let mark = mark.wait_for(|mark| *mark != MarkState::Unread).await;
            (empty, mark.map(|mark| mark.clone()))
        };
        let early = tokio::select! {
            drain = &mut drain => Some(drain.ok()),
            (empty, mark) = read => {
                if empty {
                    state.reconciler.assume_empty_index();
                    state.index_was_empty = true;
                }
                if let Ok(mark) = mark {
                    state.on_mark(&mark);
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
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// An empty index, and a group that goes on in the middle of the topic: what lies before won't
    /// come by itself.
    fn warn_of_a_late_start(&mut self, first: Offset) {
        if std::mem::take(&mut self.index_was_empty) && first > Offset(0) {
            warn!(
                partition = %self.partition,
                offset = %first,
                "the collection is empty, but reading goes on here; unless Kafka has nothing before it, set the group's offsets back to the beginning or name another kafka.group"
            );
        }
    }

    /// Takes records in; `all` says that no more are at hand, so that there is nothing to wait
    /// for.
    fn on_records(&mut self, records: Vec<RawRecord>, all: bool) {
        let now = Instant::now();
        if let Some(first) = records.first() {
            self.warn_of_a_late_start(first.offset);
        }
        self.on_raw(records, now);
        if all || self.stall.is_stalled() {
            self.close_window(now);
        }
    }

    /// Processes records up to the first whose schema has to be asked for.
    fn on_raw(&mut self, records: impl IntoIterator<Item = RawRecord>, now: Instant) {
        let mut records = records.into_iter();
        while let Some(raw) = records.next() {
            match self.learn_schemas(&raw) {
                Ok(None) => self.on_record(raw, now),
                Ok(Some(id)) => {
                    debug!(partition = %self.partition, offset = %raw.offset, "waits for {id}");
                    let registry = self.services.registry.clone();
                    return self.stall.begin(registry, id, raw, records, now);
                }
                Err(failure) => self.on_unreadable(raw, failure, now),
            }
        }
    }

    /// Gives the decoder the schemas that a record needs. Returns one that has to be asked for;
    /// fails when the registry has none of that id.
    fn learn_schemas(&mut self, raw: &RawRecord) -> Result<Option<SchemaId>, Failure> {
        while let Some(id) = self.decoder.missing_schema(raw) {
            match self.services.registry.cached(id) {
                Some(found) => self.decoder.learn(id, &*found?),
                None => return Ok(Some(id)),
            }
        }
        Ok(None)
    }

    /// The registry answered: the records that waited go on.
    fn on_schema(&mut self, id: SchemaId, found: Found) {
        let now = Instant::now();
        let mut waiting = self.stall.end().into_iter();
        match found {
            Ok(schema) => self.decoder.learn(id, &schema),
            Err(failure) => {
                if let Some(raw) = waiting.next() {
                    self.on_unreadable(raw, failure, now);
                }
            }
        }
        self.on_raw(waiting, now);
    }

    /// A record whose schema the registry does not have.
    fn on_unreadable(&mut self, raw: RawRecord, failure: Failure, now: Instant) {
        if let Some(ack) = self.receive(&raw, now) {
            self.bury(raw, ack, "decode", failure);
        }
    }

    /// Enters a record into the ledger.
    fn receive(&mut self, raw: &RawRecord, now: Instant) -> Option<Ack> {
        let charge = self.services.budget.cost(raw);
        match self.ledger.receive(raw.offset, charge) {
            Ok(ack) => Some(ack),
            Err(rewound) => {
                warn!(partition = %self.partition, "{rewound}; reading on from there");
                self.close_window(now);
                self.held.rewind(raw.offset);
                let refund = self.ledger.rewind(raw.offset);
                self.services.budget.refund(refund);
                let ack = self.ledger.receive(raw.offset, charge).ok();
                if ack.is_none() {
                    self.tally.refund(charge);
                }
                ack
            }
        }
    }

    fn on_record(&mut self, raw: RawRecord, now: Instant) {
        let Some(ack) = self.receive(&raw, now) else {
            return;
        };
        let key = self.decoder.key(&raw);
        let point = key.as_ref().ok().map(|key| self.point_of(key));
        if let Some(Ok(point)) = &point
            && self.is_replay(point, &raw)
        {
            self.supersede_held(*point);
            return self.settle(ack, Settled::Unchanged, None);
        }
        match self.decoder.decode(&raw, key) {
            Ok(Decoded::Change(news)) => self.on_change(news, point, raw, ack, now),
            Ok(Decoded::Truncate(position)) => self.on_truncate(&position, ack),
            Ok(Decoded::Skip(skip)) => {
                let label = skip.label();
                self.services
                    .metrics
                    .skipped
                    .with_label_values(&[label])
                    .inc();
                self.settle(ack, Settled::Skipped, None);
            }
            Err(failure) => {
                let point = point.and_then(Result::ok);
                let position = Position::of_record(&raw);
                self.give_up(point, position, raw, ack, "decode", failure);
            }
        }
    }

    /// The document is made before the window collapses: a row that can't be used must not
    /// supersede one that can.
    fn on_change(
        &mut self,
        news: RowChange,
        point: Option<Result<PointId, Failure>>,
        raw: RawRecord,
        ack: Ack,
        now: Instant,
    ) {
        let point = match point.unwrap_or_else(|| self.point_of(&news.key)) {
            Ok(point) => point,
            Err(failure) => return self.bury(raw, ack, "document", failure),
        };
        let RowChange {
            key,
            state,
            position,
            created,
        } = news;
        let state = match (state, self.truncated) {
            (RowState::Present(_), Some(mark)) if mark.covers(&position) => RowState::Gone,
            (state, _) => state,
        };
        match state {
            RowState::Gone => {
                let desired = Desired::Gone;
                self.on_desired(
                    KeyChange {
                        key,
                        point,
                        desired,
                        position,
                        raw,
                        ack,
                        creation: Creation::No,
                    },
                    now,
                );
            }
            RowState::Present(row) => {
                let row = IncompleteRow {
                    key,
                    point,
                    row,
                    position,
                    raw,
                    ack,
                    creation: if created {
                        Creation::This
                    } else {
                        Creation::No
                    },
                };
                if self.documents.unavailable(&row.row).next().is_none() {
                    self.on_row(row, now);
                } else {
                    self.on_incomplete(row, now);
                }
            }
        }
    }

    /// A row that lacks what did not change takes it from what came before: from earlier news that
    /// has not been settled, else from the point.
    fn on_incomplete(&mut self, mut row: IncompleteRow, now: Instant) {
        let point = row.point;
        if self.held.holds(&point) {
            let refund = self.ledger.lighten(&row.ack, HELD_ENTRY);
            self.tally.refund(refund);
            return self.held.hold_behind(point, row.position, row.ack);
        }
        let latest = self.window.latest(&point);
        match latest.or_else(|| self.reconciler.latest(&point)) {
            Some(Desired::Row(earlier)) => {
                self.documents
                    .complete(&mut row.row, &earlier.payload, &earlier.source_columns);
                self.on_row(row, now);
            }
            // A row that was deleted and made anew comes whole; what is said of its values here
            // can't be known.
            Some(Desired::Gone) => self.on_row(row, now),
            None => {
                let fields = self
                    .documents
                    .unavailable(&row.row)
                    .filter_map(|column| self.documents.field_of(column))
                    .collect();
                match self.incomplete.wait(row) {
                    Ok(earlier) => self.settle(earlier, Settled::Superseded, None),
                    Err(ticket) => {
                        self.index
                            .look_up(ticket, point, fields, self.answers.lookup.clone())
                    }
                }
            }
        }
    }

    /// A row that is as complete as it will be.
    fn on_row(&mut self, row: IncompleteRow, now: Instant) {
        match self.documents.build(&row.key, &row.row) {
            Ok(document) => self.on_desired(
                KeyChange {
                    key: row.key,
                    point: row.point,
                    desired: Desired::Row(Box::new(document)),
                    position: row.position,
                    raw: row.raw,
                    ack: row.ack,
                    creation: row.creation,
                },
                now,
            ),
            Err(failure) => {
                self.give_up(
                    Some(row.point),
                    row.position,
                    row.raw,
                    row.ack,
                    "document",
                    failure,
                );
            }
        }
    }

    fn on_desired(&mut self, change: KeyChange, now: Instant) {
        self.supersede_held(change.point);
        if let Some(superseded) = self.incomplete.supersede(&change.point) {
            self.settle(superseded, Settled::Superseded, None);
        }
        for superseded in self.window.push(change, now).into_iter().flatten() {
            self.settle(superseded, Settled::Superseded, None);
        }
    }

    /// The table was emptied: all members must learn of it before the record settles.
    fn on_truncate(&mut self, position: &Position, ack: Ack) {
        match self.on_truncate {
            TruncatePolicy::Ignore => {
                self.services
                    .metrics
                    .skipped
                    .with_label_values(&["truncate"])
                    .inc();
                self.settle(ack, Settled::Skipped, None);
            }
            TruncatePolicy::Apply => self.truncates.raise(TruncateMark::at(position), ack),
            TruncatePolicy::Block => {
                let message = "the table was truncated; set rows.truncate to \"apply\", and the points of the rows from before go, or to \"ignore\", and they stay";
                let refund = self.ledger.lighten(&ack, HELD_ENTRY);
                self.tally.refund(refund);
                let superseded = self.held.hold(None, *position, message, ack);
                debug_assert!(superseded.is_empty(), "it has no key");
            }
        }
    }

    /// The table's last truncate became known, maybe from another member.
    fn on_mark(&mut self, state: &MarkState) {
        let Some((mark, unswept)) = state.of_partition(self.partition.partition) else {
            return;
        };
        let is_news = self
            .truncated
            .is_none_or(|known| mark.is_later_than(&known));
        if is_news {
            info!(partition = %self.partition, commit_ms = mark.commit_ms, "the table was truncated; the rows from before go");
            let now = Instant::now();
            self.truncated = Some(mark);
            self.window.truncate(&mark);
            for ack in self.held.truncate(&mark) {
                self.settle(ack, Settled::Deleted, None);
            }
            for row in self.incomplete.take_covered(&mark) {
                self.on_desired(row.gone(), now);
            }
            self.reconciler.truncate(&mark, now, &mut self.actions);
        }
        if unswept {
            self.truncates.sweep(mark);
        }
    }

    /// The points of rows from before a truncate are gone.
    fn on_swept(&mut self, mark: TruncateMark) {
        for ack in self.truncates.swept(&mark) {
            self.settle(ack, Settled::Deleted, None);
        }
    }

    /// The index said what it holds for a row that waits.
    fn on_looked_up(&mut self, looked_up: LookedUp) {
        let Some(mut row) = self.incomplete.answered(looked_up.ticket) else {
            return;
        };
        if let Some(known) = looked_up.point {
            self.reconciler.remember(row.point, &known.stored);
            self.documents
                .complete(&mut row.row, &known.payload, &known.stored.source_columns);
        }
        self.on_row(row, Instant::now());
    }

    /// Nothing can be made of a record: it is held where that concerns the whole table.
    fn give_up(
        &mut self,
        point: Option<PointId>,
        position: Position,
        raw: RawRecord,
        ack: Ack,
        stage: &'static str,
        failure: Failure,
    ) {
        if failure.disposition != Disposition::Blocked {
            return self.bury(raw, ack, stage, failure);
        }
        let refund = self.ledger.lighten(&ack, HELD_ENTRY);
        self.tally.refund(refund);
        let waiting = point.and_then(|point| self.incomplete.supersede(&point));
        let held = self.held.hold(point, position, &failure.message, ack);
        for superseded in held.into_iter().chain(waiting) {
            self.settle(superseded, Settled::Superseded, None);
        }
    }

    /// The record of this key that is held, if one is, need not be processed any more.
    fn supersede_held(&mut self, point: PointId) {
        for superseded in self.held.supersede(&point) {
            self.settle(superseded, Settled::Superseded, None);
        }
    }

    /// Lets the source know whether the partition stands still, and the operator whether records
    /// are held.
    fn tell_of_held(&mut self) {
        let budget = self.services.budget.limit();
        let is_closed = self.gate.is_closed();
        let now = Instant::now();
        let closes = self.held.closes_gate(is_closed, self.ledger.len(), budget)
            || self.stall.closes_gate_at().is_some_and(|at| at <= now);
        self.gate.set_closed(closes);
        let cause = self.held.cause();
        let is_news = match (cause, &self.told) {
            (Some(now), Some(told)) => !now.is_same(told),
            (None, None) => false,
            _ => true,
        };
        if is_news {
            self.services.blocked.set(&self.partition, cause);
            self.told = cause.cloned();
        }
    }

    fn point_of(&self, key: &RowKey) -> Result<PointId, Failure> {
        self.point_ids.of(&self.partition.topic, key)
    }

    /// Whether the index is known to hold something later than this record.
    fn is_replay(&self, point: &PointId, raw: &RawRecord) -> bool {
        self.reconciler.is_replay(point, &Position::of_record(raw))
    }

    /// Hands what the window has collapsed to the reconciler.
    fn close_window(&mut self, now: Instant) {
        for change in self.window.take() {
            self.reconciler.on_change(change, now, &mut self.actions);
        }
    }

    fn on_index(&mut self, reply: IndexReply, more: &mut UnboundedReceiver<IndexReply>) {
        let now = Instant::now();
        let mut next = Some(reply);
        while let Some(reply) = next {
            match reply {
                IndexReply::Read { ticket, point } => {
                    let point = point.as_ref().map(Option::as_ref);
                    self.reconciler
                        .on_read(ticket, point, now, &mut self.actions);
                }
                IndexReply::Written { ticket, outcome } => {
                    self.reconciler
                        .on_written(ticket, outcome, now, &mut self.actions);
                }
            }
            next = more.try_recv().ok();
        }
    }

    fn on_embedded(&mut self, reply: EmbedReply, more: &mut UnboundedReceiver<EmbedReply>) {
        let now = Instant::now();
        let mut next = Some(reply);
        while let Some(EmbedReply { ticket, outcome }) = next {
            self.reconciler
                .on_embedded(ticket, outcome, now, &mut self.actions);
            next = more.try_recv().ok();
        }
    }

    fn on_delivered(&mut self, delivered: Delivered) {
        if let Some(ack) = self.dead.remove(&delivered.ticket) {
            self.settle(ack, Settled::DeadLettered, None);
        }
    }

    /// Does what is due, then what the reconciler wants done.
    fn on_time(&mut self) {
        let now = Instant::now();
        if self.window.due(self.linger).is_some_and(|due| due <= now) {
            self.close_window(now);
        }
        self.reconciler.on_time(now, &mut self.actions);
        self.act();
        if let Some(frontier) = self.ledger.frontier() {
            self.frontier.publish(frontier);
        }
        self.show();
        self.tell_of_held();
    }

    fn act(&mut self) {
        for action in std::mem::take(&mut self.actions) {
            match action {
                Action::Read { ticket, point } => {
                    self.index.read(ticket, point, self.answers.index.clone());
                }
                Action::Embed {
                    ticket,
                    text,
                    wanted,
                } => {
                    self.services.embedder.submit(EmbedRequest {
                        ticket,
                        text,
                        wanted,
                        reply: self.answers.embed.clone(),
                    });
                }
                Action::Write { ticket, write } => {
                    self.index.write(ticket, write, self.answers.index.clone());
                }
                Action::Settle {
                    ack,
                    settled,
                    position,
                } => {
                    self.settle(ack, settled, Some(position));
                }
                Action::DeadLetter {
                    raw,
                    ack,
                    stage,
                    failure,
                } => {
                    self.bury(raw, ack, stage, failure);
                }
                Action::VersionConflict => self.services.metrics.version_conflicts.inc(),
            }
        }
    }

    /// The one path by which records settle.
    fn settle(&mut self, ack: Ack, settled: Settled, position: Option<Position>) {
        let refund = self.ledger.settle(ack);
        self.tally.refund(refund);
        self.tally.settle(settled);
        if let Some(position) = position
            && matches!(settled, Settled::Written | Settled::Deleted)
        {
            let since_ms = position.commit_ms.unwrap_or(position.timestamp_ms);
            let latency = now_ms().saturating_sub(since_ms).max(0) as f64 / 1_000.0;
            self.tally.visible_after(settled, latency);
        }
    }

    /// Sends a record to the dead letters; it settles once it is delivered there.
    fn bury(&mut self, raw: RawRecord, ack: Ack, stage: &'static str, failure: Failure) {
        let buried = self.next_dead + 1;
        if buried <= BURIALS_TOLD || buried.is_multiple_of(1_000) {
            warn!(
                partition = %self.partition,
                offset = %raw.offset,
                stage,
                reason = failure.reason,
                buried,
                "dead letter: {failure}"
            );
        }
        let reason = failure.reason;
        self.services
            .metrics
            .dead_letters
            .with_label_values(&[stage, reason])
            .inc();
        let ticket = Ticket(self.next_dead);
        self.next_dead += 1;
        self.dead.insert(ticket, ack);
        let letter = DeadLetter {
            raw,
            stage,
            failure,
        };
        self.services
            .dead_letters
            .submit(ticket, letter, self.answers.dead.clone());
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

    /// Lets others see how things stand.
    fn show(&mut self) {
        self.tally.pass_on();
        let now = Shown {
            pending: count(self.reconciler.len() + self.window.len() + self.incomplete.len()),
            remembered: count(self.reconciler.remembered()),
            stalled: i64::from(self.stall.is_stalled()),
            held: count(self.held.len()),
        };
        let metrics = &self.services.metrics;
        metrics.pending_keys.add(now.pending - self.shown.pending);
        metrics
            .remembered_keys
            .add(now.remembered - self.shown.remembered);
        metrics
            .stalled_partitions
            .add(now.stalled - self.shown.stalled);
        metrics.held.add(now.held - self.shown.held);
        self.shown = now;
    }
}

impl Drop for State {
    /// What is still in flight goes back to the budget: the partition's next owner reads it again.
    fn drop(&mut self) {
        let waiting: Vec<_> = self.stall.end().into();
        self.services.budget.refund_all(&waiting);
        let refund = self.ledger.restart();
        self.tally.refund(refund);
        self.services.metrics.pending_keys.sub(self.shown.pending);
        self.services
            .metrics
            .remembered_keys
            .sub(self.shown.remembered);
        self.services
            .metrics
            .stalled_partitions
            .sub(self.shown.stalled);
        self.services.metrics.held.sub(self.shown.held);
        self.services.blocked.set(&self.partition, None);
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}
