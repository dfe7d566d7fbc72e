//! The bad days of the cluster, over HTTP.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{Brokers, ClusterError, EmbeddedKafka};
use crate::control::ControlServer;

/// How the cluster behaves. The default is well.
///
/// In JSON a key left out has its default, an unknown one is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// The brokers that take no connections, by their numbers from 1.
    pub down: BTreeSet<i32>,
    /// Milliseconds by which every response is late.
    pub round_trip_ms: u64,
    /// The broker that coordinates each of these groups. A group left out stays with its own.
    pub coordinators: BTreeMap<String, i32>,
}

impl EmbeddedKafka {
    /// Behave like this from now on.
    pub fn behave(&self, behaviour: &Behaviour) -> Result<(), ClusterError> {
        let brokers = 1..=self.broker_count();
        for broker in brokers.clone().chain(behaviour.down.iter().copied()) {
            let is_down = behaviour.down.contains(&broker);
            if is_down {
                self.broker_down(Brokers::One(broker))?;
            } else {
                self.broker_up(Brokers::One(broker))?;
            }
        }
        for broker in brokers {
            let delay = Duration::from_millis(behaviour.round_trip_ms);
            self.round_trip_time(Brokers::One(broker), delay)?;
        }
        for (group, broker) in &behaviour.coordinators {
            self.move_coordinator(group, *broker)?;
        }
        Ok(())
    }
}

/// Serves the control of `kafka` at `address`; see [`crate::control`].
pub async fn serve_control(
    kafka: Arc<EmbeddedKafka>,
    address: SocketAddr,
) -> io::Result<ControlServer> {
    ControlServer::start(address, move |behaviour: &Behaviour| {
        kafka.behave(behaviour).map_err(|error| error.to_string())
    })
    .await
}
