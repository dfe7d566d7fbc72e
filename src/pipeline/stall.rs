//! A partition that waits for a schema: the records that wait with it, and what it asked.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    time::{Duration, Instant},
};

use crate::{
    record::{RawRecord, SchemaId},
    registry::{Found, Registry},
};

/// How long a partition waits before it asks for no more records. Pausing throws away what was
/// fetched ahead, which a registry that answers is not worth; but while it is away, what is fetched
/// would fill the memory of all.
const PATIENCE: Duration = Duration::from_millis(100);

type Answer = Pin<Box<dyn Future<Output = Found> + Send>>;

/// The records of a partition from the first on whose schema is not known yet: none may overtake
/// it, so all wait, and no more are taken from the queue.
#[derive(Default)]
pub(super) struct Stall {
    asked: Option<(SchemaId, Answer)>,
    since: Option<Instant>,
    waiting: VecDeque<RawRecord>,
}

impl fmt::Debug for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stall")
            .field("asked", &self.asked.as_ref().map(|(id, _)| id))
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

impl Stall {
    /// Asks for the schema of `first`, which waits, and so do the records behind it.
    pub(super) fn begin(
        &mut self,
        registry: Registry,
        id: SchemaId,
        first: RawRecord,
        rest: impl Iterator<Item = RawRecord>,
        now: Instant,
    ) {
        self.since = Some(now);
        self.waiting.push_back(first);
        self.waiting.extend(rest);
        self.asked = Some((id, Box::pin(async move { registry.schema(id).await })));
    }

    /// Whether records wait.
    pub(super) fn is_stalled(&self) -> bool {
        self.asked.is_some()
    }

    /// Since when the first of the records that wait is in Kafka, in milliseconds since 1970, if it
    /// says so.
    pub(super) fn waiting_since_ms(&self) -> Option<i64> {
        self.waiting.front()?.timestamp_ms
    }

    /// Since when records wait.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// When the partition's gate is to be closed.
    pub(super) fn closes_gate_at(&self) -> Option<Instant> {
        self.since.map(|since| since + PATIENCE)
    }

    /// Waits for the answer; for ever when nothing was asked. Nothing is lost when the wait is
    /// given up and begun again.
    pub(super) async fn answer(&mut self) -> (SchemaId, Found) {
        let Some((id, answer)) = &mut self.asked else {
            return std::future::pending().await;
        };
        let answered = (*id, answer.await);
        self.asked = None;
        answered
    }

    /// The records that waited, the one that asked first.
    pub(super) fn end(&mut self) -> VecDeque<RawRecord> {
        self.asked = None;
        self.since = None;
        std::mem::take(&mut self.waiting)
    }
}
