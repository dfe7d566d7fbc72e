//! The fault switch, over HTTP.

use std::{io, net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};
use tonic::Code;

use super::FaultSwitch;
use crate::control::ControlServer;

/// How the points service behaves. The default is well.
///
/// In JSON a key left out has its default, an unknown one is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// Milliseconds that every call waits before it is looked at.
    pub delay_ms: u64,
    /// Every call answers `Unavailable` and changes nothing.
    pub refuse: bool,
    /// Calls that change nothing and answer an error.
    pub fail: Option<Failure>,
    /// The same for calls that write points, and only for these.
    pub fail_writes: Option<Failure>,
    /// This many calls are carried out, but answer `Unavailable`.
    pub lose_answers: u32,
}

/// An error answered in place of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// How many calls fail.
    pub calls: u32,
    /// The gRPC status code, as a number: 13 is `Internal`, 8 `ResourceExhausted`.
    pub code: i32,
}

impl FaultSwitch {
    /// Behave like this from now on.
    pub fn behave(&self, behaviour: &Behaviour) {
        self.set_delay(Duration::from_millis(behaviour.delay_ms));
        self.refuse(behaviour.refuse);
        let failing = |failure: &Option<Failure>| {
            failure.as_ref().map_or((0, Code::Internal), |it| {
                (it.calls, Code::from_i32(it.code))
            })
        };
        let (calls, code) = failing(&behaviour.fail);
        self.fail_next(calls, code);
        let (calls, code) = failing(&behaviour.fail_writes);
        self.fail_next_writes(calls, code);
        self.lose_next_answers(behaviour.lose_answers);
    }
}

/// Serves the control of a server with these `faults` at `address`; see [`crate::control`].
pub async fn serve_control(faults: FaultSwitch, address: SocketAddr) -> io::Result<ControlServer> {
    ControlServer::start(address, move |behaviour: &Behaviour| {
        faults.behave(behaviour);
        Ok(())
    })
    .await
}
