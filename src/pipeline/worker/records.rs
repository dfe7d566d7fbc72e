//! Records come in: their offsets are entered, their schemas learned, their values decoded.

use std::time::Instant;

use tracing::{debug, warn};

use crate::{
    clock::now_ms,
    decode::Decoded,
    error::Failure,
    record::{Ack, Offset, PointId, Position, RawRecord, SchemaId, Settled},
    registry::Found,
};

use super::super::held::HeldRecord;
use super::State;

impl State {
    /// An empty index, and a group that goes on in the middle of the topic: what lies before won't
    /// come by itself.
    pub(super) fn warn_of_a_late_start(&mut self, first: Offset) {
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
    pub(super) fn on_records(&mut self, records: Vec<RawRecord>, all: bool) {
        let now = Instant::now();
        self.came = now;
        let topic = &self.partition.topic;
        self.services.breakers.received(topic, records.len(), now);
        if let Some(first) = records.first() {
            self.warn_of_a_late_start(first.offset);
        }
        self.on_raw(records, now);
        if all || self.stall.is_stalled() {
            self.close_window(now);
        }
    }

    /// Processes records up to the first whose schema has to be asked for.
    pub(super) fn on_raw(&mut self, records: impl IntoIterator<Item = RawRecord>, now: Instant) {
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
    pub(super) fn learn_schemas(&mut self, raw: &RawRecord) -> Result<Option<SchemaId>, Failure> {
        while let Some(id) = self.decoder.missing_schema(raw) {
            match self.services.registry.cached(id) {
                Some(found) => self.decoder.learn(id, &*found?),
                None => return Ok(Some(id)),
            }
        }
        Ok(None)
    }

    /// The registry answered: the records that waited go on.
    pub(super) fn on_schema(&mut self, id: SchemaId, found: Found) {
        let now = Instant::now();
        self.came = self.stall.since().unwrap_or(now);
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
    pub(super) fn on_unreadable(&mut self, raw: RawRecord, failure: Failure, now: Instant) {
        if let Some(ack) = self.receive(&raw, now) {
            self.bury(raw, ack, Vec::new(), "decode", failure);
        }
    }

    /// Enters a record into the ledger.
    pub(super) fn receive(&mut self, raw: &RawRecord, now: Instant) -> Option<Ack> {
        let charge = self.services.budget.cost(raw);
        let since_ms = raw.timestamp_ms.unwrap_or_else(now_ms);
        self.reflected
            .receive(raw.offset, raw.timestamp_ms.unwrap_or(0));
        self.received = raw.offset.next();
        match self.ledger.receive(raw.offset, since_ms, charge) {
            Ok(ack) => {
                self.traced.receive(raw, self.came, now);
                Some(ack)
            }
            Err(rewound) => {
                warn!(partition = %self.partition, "{rewound}; reading on from there");
                self.close_window(now);
                self.withheld.rewind(raw.offset);
                self.held.rewind(raw.offset);
                self.traced.rewind(raw.offset);
                let refund = self.ledger.rewind(raw.offset);
                self.services.budget.refund(refund);
                let ack = self.ledger.receive(raw.offset, since_ms, charge).ok();
                if ack.is_none() {
                    self.tally.refund(charge);
                }
                ack
            }
        }
    }

    pub(super) fn on_record(&mut self, raw: RawRecord, now: Instant) {
        let Some(ack) = self.receive(&raw, now) else {
            return;
        };
        let key = self.decoder.key(&raw);
        let point = key.as_ref().ok().map(|key| self.point_of(key));
        if let Some(Ok(point)) = &point {
            self.overtake(point, &ack);
        }
        if let Some(Ok(point)) = &point
            && self.is_replay(point, &raw)
        {
            for held in self.held.supersede(point) {
                self.settle(held.ack, Settled::Superseded);
            }
            return self.settle(ack, Settled::Unchanged);
        }
        let decoded = self.decoder.decode(&raw, key);
        self.traced.decoded(raw.offset);
        match decoded {
            Ok(Decoded::Change(news)) => self.on_change(news, point, raw, ack, now),
            Ok(Decoded::Truncate(position)) => self.on_truncate(&position, ack),
            Ok(Decoded::Skip(skip)) => {
                let label = skip.label();
                self.services
                    .metrics
                    .skipped
                    .with_label_values(&[label])
                    .inc();
                self.settle(ack, Settled::Skipped);
            }
            Err(failure) => {
                let point = point.and_then(Result::ok);
                let record = HeldRecord::of(Position::of_record(&raw), ack);
                self.give_up(point, raw, record, "decode", failure);
            }
        }
    }

    /// Whether the index is known to hold something later than this record.
    pub(super) fn is_replay(&self, point: &PointId, raw: &RawRecord) -> bool {
        self.reconciler.is_replay(point, &Position::of_record(raw))
    }
}
