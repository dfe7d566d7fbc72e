//! Which tables are blocked, and what to do about it: the lane `tables`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    record::TopicPartition,
    telemetry::{Health, Lane, LaneState},
};

use super::held::Cause;

/// The tables of which records are held, or letters withheld, as the workers of their partitions
/// say. A clone is the same.
#[derive(Debug, Clone)]
pub struct BlockedTables {
    health: Health,
    blocked: Arc<Mutex<Blocked>>,
}

#[derive(Debug, Default)]
struct Blocked {
    /// Those that hold records, in the order in which they came to be blocked, so that the lane's
    /// reason changes no more often than it must.
    partitions: Vec<(TopicPartition, String)>,
    /// Why the letters of these topics are withheld.
    withheld: BTreeMap<Arc<str>, String>,
}

impl BlockedTables {
    /// None is blocked so far.
    pub fn new(health: Health) -> Self {
        Self {
            health,
            blocked: Arc::default(),
        }
    }

    /// How many partitions hold records.
    pub(super) fn partitions(&self) -> usize {
        self.lock().partitions.len()
    }

    /// Says why a partition's records are held, or that none is any more.
    pub(super) fn set(&self, partition: &TopicPartition, cause: Option<&Cause>) {
        let mut blocked = self.lock();
        let partitions = &mut blocked.partitions;
        let known = partitions.iter().position(|(it, _)| it == partition);
        match (cause, known.and_then(|at| partitions.get_mut(at))) {
            (Some(cause), Some((_, reason))) => *reason = reason_of(partition, cause),
            (Some(cause), None) => {
                let reason = reason_of(partition, cause);
                partitions.push((partition.clone(), reason));
            }
            (None, _) => partitions.retain(|(it, _)| it != partition),
        }
        // Told under the lock, so that what is told last is how it is.
        self.health.set(Lane::Tables, state(&blocked));
    }

    /// Says why the letters of a topic are withheld, or that they no longer are.
    pub(super) fn withhold(&self, topic: &Arc<str>, reason: Option<String>) {
        let mut blocked = self.lock();
        match reason {
            Some(reason) => blocked.withheld.insert(topic.clone(), reason),
            None => blocked.withheld.remove(topic),
        };
        self.health.set(Lane::Tables, state(&blocked));
    }

    fn lock(&self) -> MutexGuard<'_, Blocked> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn state(blocked: &Blocked) -> LaneState {
    let mut topics: Vec<&str> = Vec::new();
    let mut reasons = Vec::new();
    // One partition stands for its table.
    for (partition, reason) in &blocked.partitions {
        if !topics.contains(&&*partition.topic) {
            topics.push(&partition.topic);
            reasons.push(reason.clone());
        }
    }
    let withheld = blocked.withheld.iter();
    reasons.extend(withheld.map(|(topic, reason)| format!("table {topic}: {reason}")));
    if reasons.is_empty() {
        LaneState::Ready
    } else {
        LaneState::Blocked(reasons.join("; "))
    }
}

/// `table shop.public.products: column `category` is missing since products/2@1041; name another …`
fn reason_of(partition: &TopicPartition, cause: &Cause) -> String {
    let topic = &*partition.topic;
    let name = topic.rsplit('.').next().unwrap_or(topic);
    let place = format!("{name}/{}@{}", partition.partition, cause.since);
    match cause.message.split_once("; ") {
        Some((what, advice)) => format!("table {topic}: {what} since {place}; {advice}"),
        None => format!("table {topic}: {} since {place}", cause.message),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::{
        commit::OffsetLedger,
        pipeline::held::{Held, HeldRecord},
        record::{Offset, PointId, Position},
    };

    fn partition(topic: &str, partition: i32) -> TopicPartition {
        TopicPartition {
            topic: topic.into(),
            partition,
        }
    }

    /// What is held from this offset on.
    fn held(offset: i64, message: &str) -> Held {
        let mut held = Held::default();
        let offset = Offset(offset);
        let record = HeldRecord {
            position: Position {
                offset,
                timestamp_ms: 0,
                commit_ms: None,
                source: None,
            },
            ack: OffsetLedger::default().receive(offset, 0, 1).unwrap(),
            creates: false,
        };
        let point = Some(PointId::Integer(1));
        assert!(held.hold(point, message, record).is_empty());
        held
    }

    #[test]
    fn the_lane_says_for_each_table_what_is_wrong_since_when_and_what_to_do() {
        let health = Health::default();
        let tables = BlockedTables::new(health.clone());
        let (products, brands) = ("shop.public.products", "shop.public.brands");
        let missing = held(1041, "column `category` is missing; name another");
        tables.set(&partition(products, 2), missing.cause());
        let first = "table shop.public.products: column `category` is missing since products/2@1041; name another";
        assert_eq!(health.get(Lane::Tables), LaneState::Blocked(first.into()));

        // Another partition of the same table brings nothing new, another table does.
        tables.set(&partition(products, 0), held(7, "column").cause());
        assert_eq!(health.get(Lane::Tables), LaneState::Blocked(first.into()));
        tables.set(&partition(brands, 0), held(3, "no key").cause());
        let both = format!("{first}; table shop.public.brands: no key since brands/0@3");
        assert_eq!(health.get(Lane::Tables), LaneState::Blocked(both));

        tables.set(&partition(products, 2), None);
        tables.set(&partition(products, 0), None);
        let rest = "table shop.public.brands: no key since brands/0@3";
        assert_eq!(health.get(Lane::Tables).reason(), Some(rest));
        tables.set(&partition(brands, 0), None);
        assert_eq!(health.get(Lane::Tables), LaneState::Ready);
    }
}
