//! Spans, made by hand of instants that the pipeline knows.

use std::{
    borrow::Cow,
    time::{Instant, SystemTime},
};

use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::parent::Parent;

/// Where a record's trace begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    /// The trace.
    pub trace: TraceId,
    /// The record's own span.
    pub span: SpanId,
    /// The span that the record was written in, if it names one.
    parent: Option<SpanId>,
}

impl Root {
    /// A trace that begins with the record.
    pub(super) fn new() -> Self {
        Self {
            trace: TraceId::from(fastrand::u128(1..)),
            span: span_id(),
            parent: None,
        }
    }

    /// A part of its parent's trace.
    pub(super) fn below(parent: &Parent) -> Self {
        Self {
            trace: parent.trace,
            span: span_id(),
            parent: Some(parent.span),
        }
    }
}

fn span_id() -> SpanId {
    SpanId::from(fastrand::u64(1..))
}

/// Tells the time of an instant.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    instant: Instant,
    time: SystemTime,
}

impl Clock {
    /// By what it is now.
    pub fn new(instant: Instant, time: SystemTime) -> Self {
        Self { instant, time }
    }

    fn at(&self, instant: Instant) -> SystemTime {
        match self.instant.checked_duration_since(instant) {
            Some(before) => self.time - before,
            None => self.time + instant.duration_since(self.instant),
        }
    }
}

/// A span that has begun.
#[derive(Debug, Clone)]
pub struct Span {
    trace: TraceId,
    id: SpanId,
    parent: Option<SpanId>,
    parent_is_remote: bool,
    name: &'static str,
    kind: SpanKind,
    since: Instant,
    attributes: Vec<KeyValue>,
    status: Status,
}

impl Span {
    /// The record's own, from `since` on.
    pub fn of_record(root: &Root, since: Instant) -> Self {
        Self {
            trace: root.trace,
            id: root.span,
            parent: root.parent,
            parent_is_remote: root.parent.is_some(),
            name: "record",
            kind: SpanKind::Consumer,
            since,
            attributes: Vec::new(),
            status: Status::Unset,
        }
    }

    /// A part of this one, within the program.
    #[must_use]
    pub fn part(&self, name: &'static str, since: Instant) -> Self {
        Self {
            trace: self.trace,
            id: span_id(),
            parent: Some(self.id),
            parent_is_remote: false,
            name,
            kind: SpanKind::Internal,
            since,
            attributes: Vec::new(),
            status: Status::Unset,
        }
    }

    /// The same, that waits for a server's answer.
    #[must_use]
    pub fn call(&self, name: &'static str, since: Instant) -> Self {
        Self {
            kind: SpanKind::Client,
            ..self.part(name, since)
        }
    }

    /// The trace.
    pub fn trace(&self) -> TraceId {
        self.trace
    }

    /// Adds attributes.
    pub fn set(&mut self, attributes: impl IntoIterator<Item = KeyValue>) {
        self.attributes.extend(attributes);
    }

    /// It failed, for a reason of which there are few.
    pub fn fail(&mut self, reason: &'static str) {
        self.status = Status::Error {
            description: Cow::Borrowed(reason),
        };
        self.attributes.push(KeyValue::new("error.type", reason));
    }

    /// Ends it.
    pub fn end(self, until: Instant, clock: &Clock) -> SpanData {
        SpanData {
            span_context: SpanContext::new(
                self.trace,
                self.id,
                TraceFlags::SAMPLED,
                false,
                TraceState::NONE,
            ),
            parent_span_id: self.parent.unwrap_or(SpanId::INVALID),
            parent_span_is_remote: self.parent_is_remote,
            span_kind: self.kind,
            name: Cow::Borrowed(self.name),
            start_time: clock.at(self.since),
            end_time: clock.at(until.max(self.since)),
            attributes: self.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: self.status,
            instrumentation_scope: InstrumentationScope::builder("vectide")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
        }
    }
}
