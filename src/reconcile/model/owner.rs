//! What the owner of the model does: it receives records, and waits for answers, which come in any
//! order.

use super::*;

/// Something that a member waits for.
#[derive(Debug)]
pub(in super::super) struct Pending {
    pub(in super::super) action: Action,
    /// Of a patch that reads the vector first: what it found.
    pub(in super::super) kept: Option<Kept>,
}

impl World {
    pub(in super::super) fn deliver(&mut self) {
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
    pub(in super::super) fn news(&self, place: usize, ack: Ack) -> KeyChange {
        let (key, mut row, created) = self.log[place];
        let source = Some(Self::place(place));
        if self.owner.known.is_some_and(|mark| source < mark.source) {
            row = None;
        }
        let mut change = self.change(key, row, place, ack);
        if created {
            change.from.creation = Creation::This;
        }
        change
    }

    /// What the record at a place says of a key: its row is this, and was not created just now.
    pub(in super::super) fn change(
        &self,
        key: u8,
        row: ModelRow,
        place: usize,
        ack: Ack,
    ) -> KeyChange {
        let offset = Offset(i64::try_from(place).unwrap());
        let position = Position {
            offset,
            timestamp_ms: offset.0,
            commit_ms: None,
            source: Some(Self::place(place)),
        };
        let raw = RawRecord {
            topic: "t".into(),
            partition: 0,
            offset,
            timestamp_ms: Some(offset.0),
            key: None,
            value: None,
            headers: Vec::new(),
        };
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
            from: Provenance::of_record(position, raw, ack, Priority::Fresh),
            replaces: false,
        }
    }

    /// The only thing that the owner waits for.
    pub(in super::super) fn only(&self) -> &Action {
        let [pending] = &self.owner.pending[..] else {
            panic!("{:?}", self.owner.pending)
        };
        &pending.action
    }

    pub(in super::super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.act(Reconciler::on_time);
    }

    /// What was sent was sent in vain, and will be sent again.
    pub(in super::super) fn put_off(&mut self) {
        for pending in &self.owner.pending {
            if let Action::Embed { wanted, .. } = &pending.action
                && let Some(wish) = wanted.upgrade()
            {
                wish.put_off();
            }
        }
    }

    /// The owner parks what waits, whatever it has waited.
    pub(in super::super) fn park(&mut self) {
        let then = self.now;
        self.act(|reconciler, now, out| reconciler.park(then, now, out));
    }

    /// A row changes, and is parked once its text has been quiet: nothing was sent.
    pub(in super::super) fn produce_and_park(&mut self, key: u8, row: (u8, u8)) {
        self.produce(key, Some(row));
        self.deliver();
        self.answer(0);
        self.pass(DELAYS.quiet);
        self.park();
        self.settle_pending();
    }

    /// The owner takes a parked row in hand; `false` when there is none that it could take.
    pub(in super::super) fn work_off(&mut self, pick: usize) -> bool {
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
        if truncated.is_some_and(|mark| mark.covers(&debt.from.position)) {
            return false;
        }
        self.act(|reconciler, now, out| reconciler.on_change(debt, now, out));
        true
    }

    /// The owner learns of the last truncate, and sweeps.
    pub(in super::super) fn learn(&mut self) {
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

    /// The collection notes what is reflected, then the group commits it.
    pub(in super::super) fn commit(&mut self) {
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

    /// Does one thing that the owner waits for, and gives the answer.
    pub(in super::super) fn answer(&mut self, pick: usize) {
        if !self.owner.pending.is_empty() {
            let pending = pick % self.owner.pending.len();
            let pending = self.owner.pending.swap_remove(pending);
            self.carry_out(pending, pick);
        }
    }

    pub(in super::super) fn carry_out(&mut self, mut pending: Pending, pick: usize) {
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

    pub(in super::super) fn act(
        &mut self,
        step: impl FnOnce(&mut Reconciler, Instant, &mut Vec<Action>),
    ) {
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

    /// Answers until the owner waits for nothing.
    pub(in super::super) fn settle_pending(&mut self) {
        for _ in 0..10_000 {
            if self.owner.pending.is_empty() {
                break;
            }
            self.answer(0);
        }
    }

    /// Answers what the owner has asked the index for.
    pub(in super::super) fn settle_reads(&mut self) {
        self.settle_those(|action| matches!(action, Action::Read { .. }));
    }

    /// Answers what the owner has asked the provider for.
    pub(in super::super) fn settle_embeddings(&mut self) {
        self.settle_those(|action| matches!(action, Action::Embed { .. }));
    }

    fn settle_those(&mut self, is_of_them: impl Fn(&Action) -> bool) {
        let is_of_them = |pending: &Pending| is_of_them(&pending.action);
        while let Some(at) = self.owner.pending.iter().position(is_of_them) {
            let pending = self.owner.pending.swap_remove(at);
            self.carry_out(pending, 1);
        }
    }
}
