//! The records of a partition that are traced, from when they come in until they settle.
//!
//! Spans are made of the instants at which the worker passes a record on and gets an answer. What is done
//! for a row is noted of the record that said last what the row is. Of a record that is not traced nothing
//! is noted, and where none is, nothing is looked up.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Instant, SystemTime},
};

use opentelemetry::{KeyValue, trace::TraceId};
use opentelemetry_sdk::trace::SpanData;

use crate::{
    embed::Sightings,
    record::{Offset, PointId, RawRecord, Settled, Ticket, Write},
    telemetry::{Clock, Span, Tracer},
};

/// Records of one partition that are traced at a time, at most: their spans take memory that nothing else
/// accounts for.
const AT_A_TIME: usize = 1_024;
/// Spans of one record, at most: a row that is read and written again and again has many.
const SPANS: usize = 128;

/// What the spans of all records say.
#[derive(Debug)]
pub struct Tracing {
    /// Takes the traces.
    pub tracer: Tracer,
    /// The consumer group.
    pub group: Arc<str>,
    /// What each request for vectors says.
    pub embedding: Vec<KeyValue>,
    /// Whether spans may name a row's key.
    pub shows_keys: bool,
}

/// The records of a partition that are traced.
#[derive(Debug)]
pub(super) struct TracedRecords {
    tracing: Option<Arc<Tracing>>,
    collection: Arc<str>,
    records: HashMap<Offset, Traced>,
    /// The record that said last what a row is.
    by_point: HashMap<PointId, Offset>,
    /// Reads, writes and embeddings under way.
    by_ticket: HashMap<Ticket, Offset>,
}

#[derive(Debug)]
struct Traced {
    record: Span,
    clock: Clock,
    /// When it was its turn.
    entered: Instant,
    point: Option<PointId>,
    /// Since when it lies in the window.
    collapses_since: Option<Instant>,
    /// Since when nothing but its text is to wait for.
    waits_since: Option<Instant>,
    /// Under way: a call by its ticket, and the delivery of a dead letter without one.
    open: Vec<(Option<Ticket>, Span, Option<Arc<Sightings>>)>,
    ended: Vec<SpanData>,
}

impl Traced {
    fn end(&mut self, span: Span, now: Instant) {
        if self.ended.len() < SPANS {
            self.ended.push(span.end(now, &self.clock));
        }
    }

    fn part(&mut self, name: &'static str, since: Instant, until: Instant) {
        let span = self.record.part(name, since);
        self.end(span, until);
    }

    /// Ends what was under way, and what was seen of it; `every` is what each request says.
    fn close(
        &mut self,
        mut span: Span,
        seen: Option<Arc<Sightings>>,
        every: &[KeyValue],
        now: Instant,
    ) {
        let mut texts = 0;
        for sighting in seen.map(|seen| seen.take()).unwrap_or_default() {
            texts = sighting.texts;
            let mut call = span.call("embed request", sighting.sent);
            call.set(every.iter().cloned());
            let texts = integer(sighting.texts);
            call.set([KeyValue::new("vectide.embed.texts", texts)]);
            let tokens = sighting
                .tokens
                .and_then(|tokens| i64::try_from(tokens).ok());
            call.set(tokens.map(|tokens| KeyValue::new("gen_ai.usage.input_tokens", tokens)));
            let id = sighting.id.map(String::from);
            call.set(id.map(|id| KeyValue::new("vectide.embed.request_id", id)));
            if let Some(reason) = sighting.failure {
                call.fail(reason);
            }
            self.end(call, sighting.answered);
        }
        if texts > 0 {
            span.set([KeyValue::new("vectide.embed.texts", integer(texts))]);
        }
        self.end(span, now);
    }
}

fn integer(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl TracedRecords {
    pub(super) fn new(tracing: Option<Arc<Tracing>>, collection: &str) -> Self {
        Self {
            tracing,
            collection: collection.into(),
            records: HashMap::new(),
            by_point: HashMap::new(),
            by_ticket: HashMap::new(),
        }
    }

    /// Whether no record is traced right now.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// A record was entered that was handed over at `came`.
    pub(super) fn receive(&mut self, raw: &RawRecord, came: Instant, now: Instant) {
        let Some(tracing) = &self.tracing else { return };
        let Some(root) = tracing.tracer.sample(raw) else {
            return;
        };
        if self.records.len() >= AT_A_TIME {
            return tracing.tracer.skip();
        }
        let entered = Instant::now();
        let mut record = Span::of_record(&root, came);
        record.set([
            KeyValue::new("messaging.system", "kafka"),
            KeyValue::new("messaging.operation.name", "process"),
            KeyValue::new("messaging.operation.type", "process"),
            KeyValue::new("messaging.destination.name", raw.topic.to_string()),
            KeyValue::new(
                "messaging.destination.partition.id",
                raw.partition.to_string(),
            ),
            KeyValue::new("messaging.consumer.group.name", tracing.group.to_string()),
            KeyValue::new("messaging.kafka.offset", raw.offset.0),
        ]);
        if raw.value.is_none() {
            record.set([KeyValue::new("messaging.kafka.message.tombstone", true)]);
        }
        if let Some(key) = raw.key.as_deref().filter(|_| tracing.shows_keys) {
            let key = String::from_utf8_lossy(key).into_owned();
            record.set([KeyValue::new("messaging.kafka.message.key", key)]);
        }
        let mut traced = Traced {
            record,
            clock: Clock::new(entered, SystemTime::now()),
            entered,
            point: None,
            collapses_since: None,
            waits_since: None,
            open: Vec::new(),
            ended: Vec::new(),
        };
        if came < now {
            traced.part("schema", came, now);
        }
        self.records.insert(raw.offset, traced);
    }

    /// The record was decoded, or could not be.
    pub(super) fn decoded(&mut self, offset: Offset) {
        if let Some(traced) = self.get(offset) {
            traced.part("decode", traced.entered, Instant::now());
        }
    }

    /// The record says what a row is to be, and is put into the window.
    pub(super) fn collapses(&mut self, offset: Offset, point: PointId) {
        if let Some(traced) = self.get(offset) {
            traced.point = Some(point);
            traced.collapses_since = Some(Instant::now());
        }
    }

    /// What a row is to be was handed to the reconciler.
    pub(super) fn collapsed(&mut self, offset: Offset, now: Instant) {
        let Some(traced) = self.get(offset) else {
            return;
        };
        if let Some(since) = traced.collapses_since.take() {
            traced.part("window", since, now);
        }
        traced.waits_since = Some(now);
        if let Some(point) = traced.point {
            self.by_point.insert(point, offset);
        }
    }

    /// A row's point is being read.
    pub(super) fn reads(&mut self, ticket: Ticket, point: &PointId, now: Instant) {
        if self.is_empty() {
            return;
        }
        let attributes = self.of_database("retrieve");
        self.begin(ticket, point, |record| {
            let mut span = record.call("read", now);
            span.set(attributes);
            (span, None)
        });
    }

    /// A row's point is being written.
    pub(super) fn writes(&mut self, ticket: Ticket, write: &Write, now: Instant) {
        if self.is_empty() {
            return;
        }
        let attributes = self.of_database(write.kind().label());
        self.begin(ticket, &write.point(), |record| {
            let mut span = record.call("write", now);
            span.set(attributes);
            (span, None)
        });
    }

    /// A row's text is being bought. Whoever buys it tells what is seen of it, where it is traced.
    pub(super) fn embeds(
        &mut self,
        ticket: Ticket,
        point: &PointId,
        now: Instant,
    ) -> Option<Arc<Sightings>> {
        if self.is_empty() {
            return None;
        }
        let offset = self.by_point.get(point).copied()?;
        let traced = self.get(offset)?;
        if let Some(since) = traced.waits_since.take() {
            traced.part("wait", since, now);
        }
        let seen = Arc::new(Sightings::default());
        let watched = seen.clone();
        self.begin(ticket, point, |record| {
            (record.part("embed", now), Some(seen))
        });
        Some(watched)
    }

    fn of_database(&self, operation: &'static str) -> Vec<KeyValue> {
        vec![
            KeyValue::new("db.system.name", "qdrant"),
            KeyValue::new("db.operation.name", operation),
            KeyValue::new("db.collection.name", self.collection.to_string()),
        ]
    }

    fn begin(
        &mut self,
        ticket: Ticket,
        point: &PointId,
        make: impl FnOnce(&Span) -> (Span, Option<Arc<Sightings>>),
    ) {
        if self.is_empty() {
            return;
        }
        let Some(offset) = self.by_point.get(point).copied() else {
            return;
        };
        if let Some(traced) = self.get(offset) {
            let (span, seen) = make(&traced.record);
            traced.open.push((Some(ticket), span, seen));
            self.by_ticket.insert(ticket, offset);
        }
    }

    /// A read, a write or an embedding was answered: with a failure, for that reason.
    pub(super) fn answered(&mut self, ticket: Ticket, failure: Option<&'static str>, now: Instant) {
        if self.by_ticket.is_empty() {
            return;
        }
        let Some(offset) = self.by_ticket.remove(&ticket) else {
            return;
        };
        let tracing = self.tracing.clone();
        let (Some(tracing), Some(traced)) = (tracing, self.get(offset)) else {
            return;
        };
        let mut open = traced.open.iter();
        let Some(index) = open.position(|(of, ..)| *of == Some(ticket)) else {
            return;
        };
        let (_, mut span, seen) = traced.open.swap_remove(index);
        if let Some(reason) = failure {
            span.fail(reason);
        }
        traced.close(span, seen, &tracing.embedding, now);
        if traced.waits_since.is_some() {
            traced.waits_since = Some(now);
        }
    }

    /// The trace of a record, if it is traced.
    pub(super) fn trace(&self, offset: Offset) -> Option<TraceId> {
        if self.is_empty() {
            return None;
        }
        Some(self.records.get(&offset)?.record.trace())
    }

    /// The record can't be processed and is on its way to the dead letters.
    pub(super) fn buries(&mut self, offset: Offset, stage: &'static str, reason: &'static str) {
        if let Some(traced) = self.get(offset) {
            traced.record.fail(reason);
            let stage = KeyValue::new("vectide.stage", stage);
            traced.record.set([stage]);
            let span = traced.record.part("dead letter", Instant::now());
            traced.open.push((None, span, None));
        }
    }

    /// The record has come to rest, and its trace is whole.
    pub(super) fn settled(&mut self, offset: Offset, settled: Settled, now: Instant) {
        if let Some(mut traced) = self.records.remove(&offset) {
            let waited = match settled {
                Settled::Parked | Settled::Superseded => traced.waits_since.take(),
                _ => None,
            };
            if let Some(since) = waited {
                traced.part("wait", since, now);
            }
            self.finish(offset, traced, settled.label(), now);
        }
    }

    /// Kafka goes back to `offset`: from there on records are delivered again.
    pub(super) fn rewind(&mut self, offset: Offset) {
        let again: Vec<Offset> = self.records.keys().copied().collect();
        let now = Instant::now();
        for offset in again.into_iter().filter(|it| *it >= offset) {
            self.give_up(offset, now);
        }
    }

    fn give_up(&mut self, offset: Offset, now: Instant) {
        if let Some(traced) = self.records.remove(&offset) {
            self.finish(offset, traced, "given_up", now);
        }
    }

    fn finish(&mut self, offset: Offset, mut traced: Traced, outcome: &'static str, now: Instant) {
        let Some(tracing) = &self.tracing else { return };
        for (ticket, span, seen) in std::mem::take(&mut traced.open) {
            if let Some(ticket) = ticket {
                self.by_ticket.remove(&ticket);
            }
            traced.close(span, seen, &tracing.embedding, now);
        }
        if let Some(point) = traced.point
            && self.by_point.get(&point) == Some(&offset)
        {
            self.by_point.remove(&point);
        }
        let Traced {
            mut record,
            clock,
            ended: mut spans,
            ..
        } = traced;
        record.set([KeyValue::new("vectide.settled", outcome)]);
        spans.push(record.end(now, &clock));
        tracing.tracer.finish(spans);
    }

    fn get(&mut self, offset: Offset) -> Option<&mut Traced> {
        if self.is_empty() {
            return None;
        }
        self.records.get_mut(&offset)
    }
}

impl Drop for TracedRecords {
    /// The partition is given up: what has not settled is for its next owner.
    fn drop(&mut self) {
        self.rewind(Offset(i64::MIN));
    }
}
