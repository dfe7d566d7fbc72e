//! The requests under way, each a task of its own; and which two of them are the same one, sent twice.

use std::collections::HashMap;

use tokio::{
    task::{AbortHandle, Id, JoinSet},
    time::Instant,
};

use super::{
    call::Call,
    client::Reply,
    refusal::{Blame, Refusal},
};
use crate::{cost::Reserved, error::Failure, http::RateLimits};

#[derive(Debug, Default)]
pub(super) struct UnderWay {
    tasks: JoinSet<Reply>,
    sent: HashMap<Id, Sent>,
}

/// A request that was sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) call: Call,
    /// Whether it is the second of two.
    pub(super) is_hedge: bool,
    /// The other one, while both are under way.
    pub(super) other: Option<Id>,
    task: AbortHandle,
    _reserved: Reserved,
}

impl UnderWay {
    /// Sends a request, by that future.
    pub(super) fn send(
        &mut self,
        call: Call,
        reserved: Reserved,
        reply: impl Future<Output = Reply> + Send + 'static,
    ) -> Id {
        let task = self.tasks.spawn(reply);
        let id = task.id();
        let sent = Sent {
            call,
            is_hedge: false,
            other: None,
            task,
            _reserved: reserved,
        };
        self.sent.insert(id, sent);
        id
    }

    /// Notes that one request was sent a second time.
    pub(super) fn pair(&mut self, first: Id, second: Id) {
        if let Some(sent) = self.sent.get_mut(&first) {
            sent.other = Some(second);
        }
        if let Some(sent) = self.sent.get_mut(&second) {
            sent.other = Some(first);
            sent.is_hedge = true;
        }
    }

    /// Waits for one to come to an end. `None` where none is under way.
    pub(super) async fn ended(&mut self) -> Option<(Id, Reply)> {
        Some(match self.tasks.join_next_with_id().await? {
            Ok(ended) => ended,
            Err(error) => (error.id(), gave_up(&error)),
        })
    }

    /// The request that has come to an end; `None` if it was cancelled.
    pub(super) fn take(&mut self, id: Id) -> Option<Sent> {
        self.sent.remove(&id)
    }

    /// Gives a request up, whether it was answered meanwhile or not.
    pub(super) fn cancel(&mut self, id: Id) -> Option<Sent> {
        let sent = self.sent.remove(&id)?;
        sent.task.abort();
        Some(sent)
    }

    /// A request goes on alone: the other of the two is no more.
    pub(super) fn part(&mut self, id: Id) {
        if let Some(sent) = self.sent.get_mut(&id) {
            sent.other = None;
        }
    }

    /// Those that are late at `now`.
    pub(super) fn late(&self, now: Instant) -> Vec<Id> {
        let sent = self.sent.iter();
        let late = sent.filter(|(_, sent)| sent.call.late_at.is_some_and(|at| at <= now));
        late.map(|(id, _)| *id).collect()
    }

    /// When the next one is late.
    pub(super) fn next_late_at(&self) -> Option<Instant> {
        self.sent
            .values()
            .filter_map(|sent| sent.call.late_at)
            .min()
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Sent> {
        self.sent.get_mut(&id)
    }
}

/// A request whose task died is a bug of ours; its texts are not lost for that.
fn gave_up(error: &tokio::task::JoinError) -> Reply {
    let failure = Failure::transient(
        "internal",
        format!("sending an embedding request failed: {error}"),
    );
    Reply {
        outcome: Err(Refusal::Outage {
            failure,
            after: None,
            blame: Blame::Inputs,
        }),
        limits: RateLimits::default(),
        id: None,
    }
}
