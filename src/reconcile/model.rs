#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

//! A model of the world around the reconciler: a table, its log, an index that carries writes out
//! under their fences, members that own the partition one after the other, and some that go on as if
//! they still did.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use super::{recheck_model::Asked, *};
use crate::{
    commit::OffsetLedger,
    record::{
        Completion, Content, Creation, Desired, Document, Expected, KeyChange, KnownPoint, Offset,
        Payload, PayloadHash, RawRecord, Reflected, RowKey, Settled, SourcePosition, TextHash,
        TruncateMark, Value, Vector, Watermark, Write, WriteKind,
    },
};

pub(super) const DELAYS: Delays = Delays {
    quiet: Duration::from_secs(5),
    max_hold: Duration::from_secs(30),
};

/// A row of the model: the number of its text, and its stock.
pub(super) type ModelRow = Option<(u8, u8)>;

pub(super) fn point(key: u8) -> PointId {
    PointId::Integer(u64::from(key))
}

/// The number of the text that the provider refuses.
pub(super) const REFUSED: u8 = 9;
/// The number of the text that is empty.
pub(super) const EMPTY: u8 = 8;

pub(super) fn document((text, stock): (u8, u8)) -> Document {
    let text: Arc<str> = match text {
        EMPTY => "".into(),
        text => format!("text {text}").into(),
    };
    Document {
        text_hash: TextHash::of_text(&text),
        payload: Payload::from(vec![
            ("stock".into(), Value::Int(i64::from(stock))),
            ("text".into(), Value::String((&*text).into())),
        ]),
        payload_hash: PayloadHash::of(&[&[stock], text.as_bytes()].concat()),
        source_columns: Payload::default(),
        version: None,
        text,
    }
}

/// A point of the model's index.
#[derive(Debug, Clone)]
pub(super) struct ModelPoint {
    pub(super) epoch: Epoch,
    pub(super) content: Content,
    pub(super) payload: Payload,
    pub(super) vector_of: Option<TextHash>,
}

impl ModelPoint {
    pub(super) fn offset(&self) -> Offset {
        match &self.content {
            Content::Row(row) => row.position.offset,
            Content::Tombstone(gone) => gone.position.offset,
        }
    }

    pub(super) fn source(&self) -> Option<SourcePosition> {
        match &self.content {
            Content::Row(row) => row.position.source,
            Content::Tombstone(gone) => gone.position.source,
        }
    }

    pub(super) fn stored(&self) -> &Stored {
        match &self.content {
            Content::Row(row) => row,
            Content::Tombstone(_) => panic!("it is a tombstone"),
        }
    }

    pub(super) fn is_row(&self) -> bool {
        matches!(self.content, Content::Row(_))
    }
}

/// Something that a member waits for.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) action: Action,
    /// Of a patch that reads the vector first: what it found.
    pub(super) kept: Option<Kept>,
}

/// The text whose vector a patch keeps, if there is one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept(Option<TextHash>);

/// A member of the group that has the partition, or takes itself for its owner.
pub(super) struct Member {
    pub(super) epoch: Epoch,
    pub(super) reconciler: Reconciler,
    pub(super) ledger: OffsetLedger,
    pub(super) reflected: Reflected,
    pub(super) next: usize,
    pub(super) pending: Vec<Pending>,
    /// The truncate that it knows of.
    pub(super) known: Option<TruncateMark>,
}

/// What the collection says of the partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claimed {
    pub(super) epoch: Epoch,
    pub(super) watermark: Option<Watermark>,
}

pub(super) struct World {
    pub(super) now: Instant,
    /// Key, row, and whether the row was created.
    pub(super) log: Vec<(u8, ModelRow, bool)>,
    pub(super) table: BTreeMap<u8, ModelRow>,
    pub(super) index: BTreeMap<PointId, ModelPoint>,
    /// The latest offset that the index has ever shown of a point.
    pub(super) shown: BTreeMap<PointId, Offset>,
    pub(super) claimed: Option<Claimed>,
    pub(super) owner: Member,
    /// Members that were stopped or cut off, and go on as if they were owners.
    pub(super) stale: Vec<Member>,
    /// Writes that were sent and have not arrived.
    pub(super) late: Vec<(Epoch, Pending)>,
    pub(super) committed: usize,
    /// What was committed when the owner took over.
    pub(super) taken_over_at: usize,
    /// The table's last truncate.
    pub(super) truncate: Option<TruncateMark>,
    pub(super) bought: Vec<Arc<str>>,
    pub(super) writes: usize,
    pub(super) dead: Vec<Failure>,
    pub(super) conflicts: usize,
    /// What searchers came to see, write by write.
    pub(super) visible: Vec<WriteKind>,
    /// How records came to rest, record by record.
    pub(super) settled: Vec<Settled>,
    pub(super) version: Option<u64>,
    /// Keys that somebody asked to have rechecked.
    pub(super) asked: BTreeMap<u8, Asked>,
    /// How often somebody asked.
    pub(super) asks: u64,
}

pub(super) fn partition() -> TopicPartition {
    TopicPartition {
        topic: "t".into(),
        partition: 0,
    }
}

pub(super) fn member(taken_over: TakeOver, start: usize) -> Member {
    let start_offset = Offset(i64::try_from(start).unwrap());
    Member {
        epoch: taken_over.since,
        reconciler: Reconciler::new(
            partition(),
            Fingerprint::new("m", 1, "e"),
            DELAYS,
            Replay::Skip,
            ObservedCache::new(100),
            taken_over,
        ),
        ledger: OffsetLedger::default(),
        reflected: Reflected::new(taken_over.watermark, Some(start_offset)),
        next: start,
        pending: Vec::new(),
        known: None,
    }
}

impl World {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let taken_over = TakeOver {
            since: Epoch(1_024),
            at: now,
            at_ms: 0,
            had_owner: false,
            watermark: None,
        };
        Self {
            now,
            log: Vec::new(),
            table: BTreeMap::new(),
            index: BTreeMap::new(),
            shown: BTreeMap::new(),
            claimed: Some(Claimed {
                epoch: taken_over.since,
                watermark: None,
            }),
            owner: member(taken_over, 0),
            stale: Vec::new(),
            late: Vec::new(),
            committed: 0,
            taken_over_at: 0,
            truncate: None,
            bought: Vec::new(),
            writes: 0,
            dead: Vec::new(),
            conflicts: 0,
            visible: Vec::new(),
            settled: Vec::new(),
            version: None,
            asked: BTreeMap::new(),
            asks: 0,
        }
    }

    pub(super) fn produce(&mut self, key: u8, row: ModelRow) {
        let before = self.table.insert(key, row).flatten();
        let created = row.is_some() && before.is_none();
        self.log.push((key, row, created));
    }

    /// The table is emptied; the record that says so is in another partition.
    pub(super) fn truncate(&mut self) {
        self.truncate = Some(TruncateMark {
            source: Some(Self::place(self.log.len())),
            commit_ms: i64::try_from(self.log.len()).unwrap(),
        });
        for row in self.table.values_mut() {
            *row = None;
        }
    }

    /// The owner learns of the last truncate, and sweeps.
    pub(super) fn learn(&mut self) {
        let Some(mark) = self.truncate else {
            return;
        };
        self.index
            .retain(|_, point| !point.is_row() || point.source() >= mark.source);
        if self.owner.known != self.truncate {
            self.owner.known = self.truncate;
            self.act(|reconciler, now, out| reconciler.truncate(&mark, now, out));
        }
    }

    /// Where the database's log has the record that is at this place in ours.
    pub(super) fn place(index: usize) -> SourcePosition {
        SourcePosition(i64::try_from(index).unwrap())
    }

    pub(super) fn deliver(&mut self) {
        let next = self.owner.next;
        if next == self.log.len() {
            return;
        }
        let offset = Offset(i64::try_from(next).unwrap());
        self.owner.next += 1;
        self.owner.reflected.receive(offset, offset.0);
        let ack = self.owner.ledger.receive(offset, offset.0, 100).unwrap();
        let change = self.news(next, ack);
        self.act(|reconciler, now, out| reconciler.on_change(change, now, out));
    }

    /// What the log says at a place, as the owner takes it.
    pub(super) fn news(&self, place: usize, ack: Ack) -> KeyChange {
        let (key, mut row, created) = self.log[place];
        let source = Some(Self::place(place));
        if self.owner.known.is_some_and(|mark| source < mark.source) {
            row = None;
        }
        let offset = Offset(i64::try_from(place).unwrap());
        KeyChange {
            key: RowKey::from_canonical(format!("[{key}]")),
            point: point(key),
            desired: row.map_or(Desired::Gone, |row| {
                let version = self.version;
                Desired::Row(Box::new(Document {
                    version,
                    ..document(row)
                }))
            }),
            position: Position {
                offset,
                timestamp_ms: offset.0,
                commit_ms: None,
                source,
            },
            raw: RawRecord {
                topic: "t".into(),
                partition: 0,
                offset,
                timestamp_ms: Some(offset.0),
                key: None,
                value: None,
                headers: Vec::new(),
            },
            ack,
            creation: if created {
                Creation::This
            } else {
                Creation::No
            },
            completion: Completion::default(),
            replaces: false,
            priority: crate::record::Priority::Fresh,
        }
    }

    /// The only thing that the owner waits for.
    pub(super) fn only(&self) -> &Action {
        let [pending] = &self.owner.pending[..] else {
            panic!("{:?}", self.owner.pending)
        };
        &pending.action
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.act(Reconciler::on_time);
    }

    /// What was sent was sent in vain, and will be sent again.
    pub(super) fn put_off(&mut self) {
        for pending in &self.owner.pending {
            if let Action::Embed { wanted, .. } = &pending.action
                && let Some(wish) = wanted.upgrade()
            {
                wish.put_off();
            }
        }
    }

    /// The owner parks what waits, whatever it has waited.
    pub(super) fn park(&mut self) {
        let then = self.now;
        self.act(|reconciler, now, out| reconciler.park(then, now, out));
    }

    /// A row changes, and is parked once its text has been quiet: nothing was sent.
    pub(super) fn produce_and_park(&mut self, key: u8, row: (u8, u8)) {
        self.produce(key, Some(row));
        self.deliver();
        self.answer(0);
        self.pass(DELAYS.quiet);
        self.park();
        self.settle_pending();
    }

    /// The owner takes a parked row in hand; `false` when there is none that it could take.
    pub(super) fn work_off(&mut self, pick: usize) -> bool {
        let reconciler = &self.owner.reconciler;
        let is_parked = |(id, point): &(&PointId, &ModelPoint)| {
            point.is_row() && point.stored().parked.is_some() && reconciler.latest(id).is_none()
        };
        let parked: Vec<_> = self.index.iter().filter(is_parked).collect();
        let Some((id, found)) = parked.get(pick % parked.len().max(1)) else {
            return false;
        };
        let known = KnownPoint {
            epoch: Some(found.epoch),
            stored: found.stored().clone(),
            payload: found.payload.clone(),
        };
        let debt = KeyChange::of_parked(**id, known, |_, _| 0).unwrap();
        let truncated = self.owner.known;
        if truncated.is_some_and(|mark| mark.covers(&debt.position)) {
            return false;
        }
        self.act(|reconciler, now, out| reconciler.on_change(debt, now, out));
        true
    }

    /// Does one thing that the owner waits for, and gives the answer.
    pub(super) fn answer(&mut self, pick: usize) {
        if !self.owner.pending.is_empty() {
            let pending = pick % self.owner.pending.len();
            let pending = self.owner.pending.swap_remove(pending);
            self.carry_out(pending, pick);
        }
    }

    pub(super) fn carry_out(&mut self, mut pending: Pending, pick: usize) {
        match pending.action {
            Action::Read { ticket, point } => {
                let state = self.state(&point);
                self.act(|reconciler, now, out| reconciler.on_read(ticket, &state, now, out));
            }
            Action::Embed {
                ticket,
                text,
                wanted,
                ..
            } => {
                if Weak::upgrade(&wanted).is_some() {
                    let outcome = if *text == *document((REFUSED, 0)).text {
                        Err(Failure::record("http_400", "refused"))
                    } else {
                        let numbers = TextHash::of_text(&text).to_string();
                        let vector: Vector = numbers.bytes().map(f32::from).collect();
                        Ok(vector.into())
                    };
                    self.bought.push(text);
                    self.act(|reconciler, now, out| {
                        reconciler.on_embedded(ticket, outcome, now, out);
                    });
                }
            }
            Action::Write { ticket, ref write } => {
                // One way to write a patch reads the vector first.
                if matches!(write, Write::PatchPayload { .. })
                    && pending.kept.is_none()
                    && !pick.is_multiple_of(2)
                {
                    match self.read_vector(write) {
                        Ok(kept) => {
                            pending.kept = Some(kept);
                            self.owner.pending.push(pending);
                        }
                        Err(state) => {
                            let outcome = WriteOutcome::NotApplied(*state);
                            self.act(|reconciler, now, out| {
                                reconciler.on_written(ticket, outcome, now, out);
                            });
                        }
                    }
                    return;
                }
                let epoch = self.owner.epoch;
                let outcome = self.apply(epoch, write, pending.kept);
                if pick.is_multiple_of(7) {
                    // The call seemed to fail and was repeated: the first may arrive yet.
                    self.late.push((epoch, pending));
                    self.owner.epoch = epoch.next();
                }
                self.writes += 1;
                self.act(|reconciler, now, out| reconciler.on_written(ticket, outcome, now, out));
            }
            _ => panic!("only requests are pending"),
        }
    }

    /// What a patch that keeps the vector finds.
    pub(super) fn read_vector(&self, write: &Write) -> Result<Kept, Box<PointState>> {
        let Write::PatchPayload {
            point, kept_text, ..
        } = write
        else {
            panic!("{write:?}")
        };
        let found = self.index.get(point).filter(|found| found.is_row());
        let found = found.filter(|found| found.stored().text_hash == *kept_text);
        found
            .map(|found| Kept(found.vector_of))
            .ok_or_else(|| Box::new(self.state(point)))
    }

    pub(super) fn state(&self, point: &PointId) -> PointState {
        self.index
            .get(point)
            .map_or(PointState::Absent, |point| PointState::Ours {
                epoch: Some(point.epoch),
                content: point.content.clone(),
            })
    }

    pub(super) fn act(&mut self, step: impl FnOnce(&mut Reconciler, Instant, &mut Vec<Action>)) {
        let mut out = Vec::new();
        let mut rechecked = Vec::new();
        let owner = &mut self.owner;
        step(&mut owner.reconciler, self.now, &mut out);
        for action in out {
            match action {
                Action::Settle { ack, settled } => {
                    self.settled.push(settled);
                    // Who is told that later news came asks again, in case they are lost.
                    let is_done = settled != Settled::Superseded;
                    rechecked.extend(ack.recheck().filter(|_| is_done));
                    owner.ledger.settle(ack);
                }
                Action::DeadLetter {
                    ack,
                    earlier,
                    failure,
                    ..
                } => {
                    for earlier in earlier {
                        owner.ledger.settle(earlier);
                    }
                    self.dead.push(failure);
                    rechecked.extend(ack.recheck());
                    owner.ledger.settle(ack);
                }
                Action::Visible { kind, .. } => self.visible.push(kind),
                Action::VersionConflict => self.conflicts += 1,
                Action::OrderedByClock => panic!("there is one partition"),
                action => {
                    if let Action::Embed { text, wanted, .. } = &action
                        && text.ends_with(['0', '4'])
                        && let Some(wish) = wanted.upgrade()
                    {
                        wish.send();
                    }
                    owner.pending.push(Pending { action, kept: None });
                }
            }
        }
        let writes: Vec<PointId> = owner
            .pending
            .iter()
            .filter_map(|pending| match &pending.action {
                Action::Write { write, .. } => Some(write.point()),
                _ => None,
            })
            .collect();
        self.answer_rechecked(rechecked);
        let distinct: std::collections::BTreeSet<_> = writes.iter().collect();
        assert_eq!(distinct.len(), writes.len(), "one write in flight a key");
    }

    /// The collection notes what is reflected, then the group commits it.
    pub(super) fn commit(&mut self) {
        let Some(frontier) = self.owner.ledger.frontier() else {
            return;
        };
        if let Some(claimed) = &mut self.claimed
            && claimed.epoch <= self.owner.epoch
        {
            claimed.watermark = self.owner.reflected.watermark(frontier);
        }
        self.committed = self.committed.max(usize::try_from(frontier.0).unwrap());
    }

    /// Carries a write out as the index does, under its fence.
    pub(super) fn apply(
        &mut self,
        epoch: Epoch,
        write: &Write,
        kept: Option<Kept>,
    ) -> WriteOutcome {
        let point = write.point();
        let before = self.index.get(&point).cloned();
        let is_fenced = before.as_ref().is_some_and(|before| before.epoch > epoch);
        if let Some(Expected::Offset(offset)) = write.expected()
            && before.as_ref().map(ModelPoint::offset) != Some(*offset)
        {
            return WriteOutcome::NotApplied(self.state(&point));
        }
        let after = match write {
            Write::Delete { tombstone, .. } => ModelPoint {
                epoch,
                content: Content::Tombstone((**tombstone).clone()),
                payload: Payload::default(),
                vector_of: None,
            },
            Write::Upsert {
                vector,
                payload,
                stored,
                ..
            } => {
                let text = stored.text_hash;
                let of_text = text.map(|text| {
                    let numbers = text.to_string();
                    numbers.bytes().map(f32::from).collect::<Vector>().into()
                });
                assert_eq!(
                    *vector, of_text,
                    "a vector is written with the hash of its own text"
                );
                ModelPoint {
                    epoch,
                    content: Content::Row((**stored).clone()),
                    payload: payload.clone(),
                    vector_of: text,
                }
            }
            Write::PatchPayload {
                payload,
                stored,
                kept_text,
                ..
            } => {
                // Patches are read back.
                if is_fenced {
                    return WriteOutcome::Fenced;
                }
                let is_as_thought =
                    |found: &&ModelPoint| found.is_row() && found.stored().text_hash == *kept_text;
                let Some(before) = before.as_ref().filter(is_as_thought) else {
                    return WriteOutcome::NotApplied(self.state(&point));
                };
                ModelPoint {
                    epoch,
                    content: Content::Row((**stored).clone()),
                    payload: payload.clone(),
                    vector_of: kept.map_or(before.vector_of, |Kept(text)| text),
                }
            }
        };
        if is_fenced {
            // Whoever upserts is told that all is well.
            return WriteOutcome::Applied;
        }
        // What a former owner writes before the owner has touched the point is read again, as after
        // any restart.
        let is_stale = self.claimed.is_some_and(|claimed| epoch < claimed.epoch);
        let taken_over_at = Offset(i64::try_from(self.taken_over_at).unwrap());
        let shown = self.shown.entry(point).or_insert(after.offset());
        // So is what was shown and had not settled: a debt from before may be paid first.
        let is_read_again = after.offset() >= taken_over_at || *shown >= taken_over_at;
        assert!(
            *shown <= after.offset() || is_stale || is_read_again,
            "no state is shown that is older than one shown before"
        );
        *shown = after.offset().max(*shown);
        self.index.insert(point, after);
        WriteOutcome::Applied
    }

    /// The process is gone, with what it had sent still under way.
    pub(super) fn crash(&mut self) {
        let stale = self.take_over(self.committed);
        let epoch = stale.epoch;
        let sent = stale.pending.into_iter();
        let sent = sent.filter(|pending| matches!(pending.action, Action::Write { .. }));
        self.late.extend(sent.map(|pending| (epoch, pending)));
    }

    /// The owner is stopped or cut off; another member takes the partition over.
    pub(super) fn cut_off(&mut self) {
        let stale = self.take_over(self.committed);
        self.stale.push(stale);
    }

    /// The topic is read again from the beginning by a group of another name.
    pub(super) fn new_group(&mut self) {
        self.crash();
        self.take_over(0);
    }

    pub(super) fn take_over(&mut self, start: usize) -> Member {
        self.taken_over_at = self.committed;
        let highest = self.index.values().map(|point| point.epoch).max();
        let found = self.claimed;
        let known = [highest, found.map(|claimed| claimed.epoch)];
        let since = Epoch::of_assignment(0, known.into_iter().flatten());
        let watermark = found.and_then(|claimed| claimed.watermark);
        self.claimed = Some(Claimed {
            epoch: since,
            watermark,
        });
        let taken_over = TakeOver {
            since,
            at: self.now,
            at_ms: 0,
            had_owner: found.is_some(),
            watermark,
        };
        std::mem::replace(&mut self.owner, member(taken_over, start))
    }

    /// A write that was sent long ago arrives.
    pub(super) fn arrive(&mut self, pick: usize) {
        if self.late.is_empty() {
            return;
        }
        let (epoch, pending) = self.late.swap_remove(pick % self.late.len());
        let Action::Write { write, .. } = &pending.action else {
            panic!("only writes arrive late")
        };
        self.apply(epoch, write, pending.kept);
    }

    /// A member that takes itself for the owner does something.
    pub(super) fn go_on(&mut self, pick: usize) {
        if self.stale.is_empty() {
            return;
        }
        let pick_stale = pick % self.stale.len();
        let (committed, claimed) = (self.committed, self.claimed);
        std::mem::swap(&mut self.owner, &mut self.stale[pick_stale]);
        match pick % 6 {
            0 => self.deliver(),
            1 => self.pass(Duration::from_secs(1)),
            2 if pick.is_multiple_of(5) => self.park(),
            3 if pick.is_multiple_of(3) => {
                self.work_off(pick / 6);
            }
            4 if pick.is_multiple_of(4) => {
                self.recheck();
            }
            _ => self.answer(pick / 6),
        }
        std::mem::swap(&mut self.owner, &mut self.stale[pick_stale]);
        (self.committed, self.claimed) = (committed, claimed);
    }

    /// Tombstones have served their time: whatever was under way has arrived or is lost.
    pub(super) fn sweep(&mut self) {
        self.late.clear();
        self.stale.clear();
        self.commit();
        let noted = self.claimed.and_then(|claimed| claimed.watermark);
        let Some(noted) = noted else {
            return;
        };
        self.index
            .retain(|_, point| point.is_row() || point.offset() >= noted.offset);
    }

    /// Answers until the owner waits for nothing.
    pub(super) fn settle_pending(&mut self) {
        for _ in 0..10_000 {
            if self.owner.pending.is_empty() {
                break;
            }
            self.answer(0);
        }
    }

    /// Answers what the owner has asked the index for.
    pub(super) fn settle_reads(&mut self) {
        self.settle_those(|action| matches!(action, Action::Read { .. }));
    }

    /// Answers what the owner has asked the provider for.
    pub(super) fn settle_embeddings(&mut self) {
        self.settle_those(|action| matches!(action, Action::Embed { .. }));
    }

    fn settle_those(&mut self, is_of_them: impl Fn(&Action) -> bool) {
        let is_of_them = |pending: &Pending| is_of_them(&pending.action);
        while let Some(at) = self.owner.pending.iter().position(is_of_them) {
            let pending = self.owner.pending.swap_remove(at);
            self.carry_out(pending, 1);
        }
    }

    pub(super) fn settle_all(&mut self) {
        self.learn();
        while self.owner.next < self.log.len() {
            self.deliver();
        }
        for _ in 0..10_000 {
            if !self.owner.pending.is_empty() {
                self.answer(0);
            } else if self.owner.reconciler.due().is_some() {
                self.pass(DELAYS.max_hold);
            } else if !self.work_off(0) {
                break;
            }
        }
        let reconciler = &self.owner.reconciler;
        assert!(self.owner.pending.is_empty() && reconciler.is_idle() && !reconciler.is_buying());
    }

    /// Everything that is under way arrives, and everybody who takes himself for the owner goes on.
    pub(super) fn let_everything_arrive(&mut self) {
        for step in 0..400 {
            self.go_on(step);
        }
        while !self.late.is_empty() {
            self.arrive(0);
        }
        // Again and again a truncate is swept; and a former owner may have parked what was refused.
        self.settle_all();
    }

    pub(super) fn assert_equal(&self) {
        assert!(
            self.owner.reconciler.is_empty(),
            "no key has unsettled news"
        );
        assert!(self.owner.ledger.is_empty(), "every record has settled");
        for point in self.index.values().filter(|point| point.is_row()) {
            assert_eq!(point.stored().parked, None, "no debt is left");
        }
        for (key, row) in &self.table {
            let indexed = self.index.get(&point(*key)).filter(|point| point.is_row());
            match row {
                None => assert!(indexed.is_none(), "key {key} was deleted"),
                // Without a vector of its own, but never with another row's payload.
                Some(row @ (REFUSED | EMPTY, _)) => {
                    if let Some(indexed) = indexed {
                        assert_eq!(indexed.payload, document(*row).payload, "key {key}");
                    }
                }
                Some(row) => {
                    let (indexed, wanted) = (indexed.unwrap(), document(*row));
                    assert_eq!(indexed.payload, wanted.payload, "key {key}");
                    assert_eq!(indexed.vector_of, Some(wanted.text_hash), "key {key}");
                    assert_eq!(indexed.stored().wanted, None);
                    assert_eq!(indexed.stored().text_hash, indexed.vector_of);
                }
            }
        }
    }
}
