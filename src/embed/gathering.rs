//! The vectors of a text that is embedded in chunks, until all are there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::UnboundedSender;

use super::EmbedReply;
use crate::{
    error::Failure,
    record::{PointVector, Ticket, Vector},
};

/// Where a reply goes.
#[derive(Debug)]
pub(super) struct ReplyTo {
    pub(super) ticket: Ticket,
    pub(super) reply: UnboundedSender<EmbedReply>,
}

impl ReplyTo {
    pub(super) fn is_listening(&self) -> bool {
        !self.reply.is_closed()
    }

    pub(super) fn send(self, outcome: Result<PointVector, Failure>) {
        let ticket = self.ticket;
        // A partition that was revoked has stopped listening; its new owner asks for itself.
        let _ = self.reply.send(EmbedReply { ticket, outcome });
    }
}

/// One text that was split. Each of its chunks is asked for on its behalf, and holds it until it is
/// answered; it is replied to once.
#[derive(Debug)]
pub(super) struct Gathering(Mutex<State>);

#[derive(Debug)]
struct State {
    /// None once there was a reply.
    to: Option<ReplyTo>,
    /// By chunk.
    vectors: Vec<Option<Vector>>,
    /// How many of them are not there.
    missing: usize,
    /// How many of the chunks have not been sent.
    unsent: usize,
}

/// One chunk of a split text.
#[derive(Debug)]
pub(super) struct Chunk {
    of: Arc<Gathering>,
    /// Which it is, from 0.
    number: usize,
}

impl Gathering {
    /// The chunks of a text that was split into so many, at least one.
    pub(super) fn start(to: ReplyTo, count: usize) -> impl Iterator<Item = Chunk> {
        let gathering = Arc::new(Self(Mutex::new(State {
            to: Some(to),
            vectors: vec![None; count],
            missing: count,
            unsent: count,
        })));
        (0..count).map(move |number| Chunk {
            of: Arc::clone(&gathering),
            number,
        })
    }

    // It is shared only because the task that owns the chunks may move from thread to thread.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chunk {
    /// Whether the whole text still wants this chunk's vector: it doesn't when another chunk was refused.
    pub(super) fn is_wanted(&self) -> bool {
        let state = self.of.lock();
        state.to.as_ref().is_some_and(ReplyTo::is_listening)
    }

    /// The chunk is on its way, once. Returns whether all are now.
    pub(super) fn note_sent(&self) -> bool {
        let mut state = self.of.lock();
        state.unsent = state.unsent.saturating_sub(1);
        state.unsent == 0
    }

    /// The chunk's vector is there, or it is refused; the last vector, and the first refusal, is the whole
    /// text's.
    pub(super) fn answer(self, outcome: Result<Vector, Failure>) {
        let mut state = self.of.lock();
        let count = state.vectors.len();
        let outcome = match outcome {
            Ok(vector) => {
                if let Some(place) = state.vectors.get_mut(self.number) {
                    *place = Some(vector);
                }
                state.missing = state.missing.saturating_sub(1);
                if state.missing > 0 {
                    return;
                }
                let vectors = std::mem::take(&mut state.vectors);
                Ok(PointVector::Multi(vectors.into_iter().flatten().collect()))
            }
            Err(failure) if count > 1 => Err(Failure {
                message: format!("chunk {} of {count}: {}", self.number + 1, failure.message),
                ..failure
            }),
            Err(failure) => Err(failure),
        };
        if let Some(to) = state.to.take() {
            to.send(outcome);
        }
    }
}
