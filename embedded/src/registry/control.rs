//! The handle that tells the registry how to behave and what it has.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    behaviour::Behaviour,
    schemas::{Schema, Schemas},
};

/// What the registry was asked since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Requests for schemas that arrived.
    pub requests: u64,
    /// Of these, the ones that were answered with a schema.
    pub found: u64,
}

/// Control over a running registry. Cheap to clone; all clones control the same one.
#[derive(Debug, Clone, Default)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    behaviour: watch::Sender<Behaviour>,
    stats: watch::Sender<Stats>,
    schemas: Mutex<Schemas>,
}

impl Control {
    /// The behaviour at this moment.
    pub fn behaviour(&self) -> Behaviour {
        self.shared.behaviour.borrow().clone()
    }

    /// Behave like this from now on. Requests held by a stall go on when `behaviour` has none.
    pub fn set(&self, behaviour: Behaviour) {
        self.shared.behaviour.send_replace(behaviour);
    }

    /// What the registry was asked so far.
    pub fn stats(&self) -> Stats {
        *self.shared.stats.borrow()
    }

    /// Waits until the statistics satisfy `condition`, and returns them.
    pub async fn stats_when(&self, condition: impl FnMut(&Stats) -> bool) -> Stats {
        let mut stats = self.shared.stats.subscribe();
        let found = stats.wait_for(condition).await;
        *found.expect("the sender lives as long as self")
    }

    /// Registers a schema under a subject and returns its id, as `POST /subjects/{subject}/versions` does.
    pub fn register(&self, subject: &str, schema: Schema) -> u32 {
        self.schemas().register(subject, schema)
    }

    /// Puts a schema under a fixed id, under no subject.
    pub fn put(&self, id: u32, schema: Schema) {
        self.schemas().put(id, schema);
    }

    /// Forgets an id.
    pub fn forget(&self, id: u32) {
        self.schemas().forget(id);
    }

    /// The globally unique id of the schema with this id.
    pub fn guid(&self, id: u32) -> Option<Uuid> {
        self.schemas().by_id(id).map(Schema::guid)
    }

    /// Returns at once unless stalled, else when that ends.
    pub(super) async fn stall_over(&self) {
        let mut behaviour = self.shared.behaviour.subscribe();
        let found = behaviour.wait_for(|behaviour| !behaviour.stall).await;
        found.expect("the sender lives as long as self");
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Stats)) {
        self.shared.stats.send_modify(change);
    }

    pub(super) fn schemas(&self) -> MutexGuard<'_, Schemas> {
        // Nothing under this lock leaves it half changed.
        self.shared
            .schemas
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
