//! Whether the embed lane works, and whose word counts for it.

use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use super::call::Purpose;
use crate::{
    error::Failure,
    telemetry::{LanePart, LaneState},
};

/// The longest wait between two probes of a blocked lane.
const PROBE_AT_LEAST_EVERY: Duration = Duration::from_secs(30);

/// What the lane may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Everything.
    Ready,
    /// An outage, for that reason: it tries again.
    Waiting(&'static str),
    /// Only a probe at that time; `None` while one is under way.
    Blocked { probe: Option<Instant> },
}

/// The lane's state, reported to [`Health`] whenever it changes.
#[derive(Debug)]
pub(super) struct Condition {
    state: State,
    probe_every: Duration,
    health: LanePart,
}

impl Condition {
    pub(super) fn new(retry_max: Duration, health: LanePart) -> Self {
        Self {
            state: State::Ready,
            probe_every: retry_max.min(PROBE_AT_LEAST_EVERY),
            health,
        }
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    /// The endpoint answers, if not always what one would like: the lane is ready. A lane that
    /// is blocked takes only a probe's word for it; others may have been sent before.
    pub(super) fn reachable(&mut self, purpose: Purpose) {
        if matches!(self.state, State::Blocked { .. }) && purpose != Purpose::Probe {
            return;
        }
        self.state = State::Ready;
        self.health.set(LaneState::Ready);
    }

    /// The endpoint fails, or asks for much patience.
    pub(super) fn outage(&mut self, failure: &Failure) {
        debug!(reason = failure.reason, "{failure}");
        match self.state {
            State::Blocked { .. } => return,
            // Said once, not once for each request.
            State::Waiting(reason) if reason == failure.reason => return,
            State::Ready | State::Waiting(_) => {}
        }
        self.state = State::Waiting(failure.reason);
        let message = failure.message.clone();
        self.health.set(LaneState::Waiting(message));
    }

    /// Only a person can mend it; until then there are probes.
    pub(super) fn block(&mut self, failure: Failure, now: Instant) {
        if !matches!(self.state, State::Blocked { .. }) {
            let probe = Some(now + self.probe_every);
            self.state = State::Blocked { probe };
        }
        self.health.set(LaneState::Blocked(failure.message));
    }

    /// A probe goes out: there won't be a second at the same time.
    pub(super) fn probe_sent(&mut self) {
        self.state = State::Blocked { probe: None };
    }

    /// A probe has come to an end. If that changed nothing, there will be another.
    pub(super) fn probe_ended(&mut self, now: Instant) {
        if self.state == (State::Blocked { probe: None }) {
            let probe = Some(now + self.probe_every);
            self.state = State::Blocked { probe };
        }
    }

    /// Nobody waits for the end of an outage: all that was to be sent again is wanted no more.
    pub(super) fn nothing_waits(&mut self) {
        if matches!(self.state, State::Waiting(_)) {
            self.reachable(Purpose::Vectors);
        }
    }
}
