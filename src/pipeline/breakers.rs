//! Whether the letters of a table go out, as the workers of all its partitions see it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tracing::info;

use crate::{
    config::BreakerConfig,
    dead_letter::{Breaker, Limits},
    error::Failure,
};

use super::BlockedTables;

/// One breaker a table, shared by the workers of its partitions. A clone is the same.
#[derive(Debug, Clone)]
pub struct Breakers {
    limits: Option<Limits>,
    blocked: BlockedTables,
    tables: Arc<Mutex<HashMap<Arc<str>, Table>>>,
}

#[derive(Debug)]
struct Table {
    breaker: Breaker,
    /// How many of its partitions this member has.
    partitions: usize,
}

impl Breakers {
    /// All closed so far; `blocked` tells of those that open.
    pub fn new(config: &BreakerConfig, blocked: BlockedTables) -> Self {
        Self {
            limits: Limits::new(config),
            blocked,
            tables: Arc::default(),
        }
    }

    /// A partition of a topic was assigned.
    pub(super) fn assign(&self, topic: &Arc<str>) {
        let Some(limits) = self.limits else { return };
        let mut tables = self.lock();
        let table = tables.entry(topic.clone()).or_insert_with(|| Table {
            breaker: Breaker::new(limits),
            partitions: 0,
        });
        table.partitions += 1;
    }

    /// A partition of a topic was given up. With the last one what was counted is forgotten: its next
    /// owner judges for itself.
    pub(super) fn give_up(&self, topic: &Arc<str>) {
        let mut tables = self.lock();
        let Some(table) = tables.get_mut(topic) else {
            return;
        };
        table.partitions = table.partitions.saturating_sub(1);
        if table.partitions == 0 {
            tables.remove(topic);
            self.blocked.withhold(topic, None);
        }
    }

    /// So many records of a topic were received.
    pub(super) fn received(&self, topic: &Arc<str>, records: usize, now: Instant) {
        let mut tables = self.lock();
        let Some(Table { breaker, .. }) = tables.get_mut(topic) else {
            return;
        };
        let was_open = breaker.is_open();
        breaker.received(records as u64, now);
        if was_open && !breaker.is_open() {
            info!(%topic, "its records can be processed again: the withheld dead letters go out");
            self.blocked.withhold(topic, None);
        }
    }

    /// Whether a letter of a topic goes out.
    pub(super) fn lets_out(&self, topic: &Arc<str>, failure: &Failure, now: Instant) -> bool {
        let mut tables = self.lock();
        let Some(Table { breaker, .. }) = tables.get_mut(topic) else {
            return true;
        };
        let was_open = breaker.is_open();
        let goes_out = breaker.lets_out(now);
        if breaker.is_open() && !was_open {
            let (letters, records) = breaker.share();
            let reason = format!(
                "{letters} of the last {records} records can't be processed, the last one because {}. So many are hardly at fault themselves, and their dead letters are withheld: mend the cause and restart; or let them out with dead_letter.breaker.percent = 0, and restart",
                failure.without_quotes()
            );
            self.blocked.withhold(topic, Some(reason));
        }
        goes_out
    }

    /// Whether the letters of a topic are withheld.
    pub(super) fn withholds(&self, topic: &str) -> bool {
        self.lock()
            .get(topic)
            .is_some_and(|table| table.breaker.is_open())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Table>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Health, Lane, LaneState};

    fn breakers(percent: u8) -> (Health, Breakers) {
        let health = Health::default();
        let config = BreakerConfig {
            percent,
            ..BreakerConfig::default()
        };
        let breakers = Breakers::new(&config, BlockedTables::new(health.clone()));
        (health, breakers)
    }

    #[test]
    fn the_lane_names_each_table_what_is_wrong_and_what_to_do() {
        let (health, breakers) = breakers(10);
        let (topic, now): (Arc<str>, _) = ("shop.public.products".into(), Instant::now());
        let failure = Failure::record("not_json", "the value is no JSON");
        breakers.assign(&topic);
        breakers.received(&topic, 100, now);
        assert!((0..19).all(|_| breakers.lets_out(&topic, &failure, now)));
        assert_eq!(health.get(Lane::Tables), LaneState::Ready);
        assert!(!breakers.lets_out(&topic, &failure, now));
        let lane = health.get(Lane::Tables);
        let reason = lane.reason().unwrap_or_default();
        let expected = "table shop.public.products: 20 of the last 100 records can't be processed, the last one because the value is no JSON. ";
        assert!(reason.starts_with(expected), "{reason}");
        assert!(breakers.withholds(&topic));
        assert!(!breakers.withholds("shop.public.brands"));

        breakers.received(&topic, 100, now);
        breakers.received(&topic, 1, now);
        assert!(!breakers.withholds(&topic));
        assert_eq!(health.get(Lane::Tables), LaneState::Ready);
    }

    #[test]
    fn with_its_last_partition_a_table_is_forgotten() {
        let (health, breakers) = breakers(10);
        let (topic, now): (Arc<str>, _) = ("t".into(), Instant::now());
        let failure = Failure::record("not_json", "the value is no JSON");
        breakers.assign(&topic);
        breakers.assign(&topic);
        breakers.received(&topic, 100, now);
        for _ in 0..100 {
            breakers.lets_out(&topic, &failure, now);
        }
        breakers.give_up(&topic);
        assert!(breakers.withholds(&topic));
        breakers.give_up(&topic);
        assert!(!breakers.withholds(&topic));
        assert_eq!(health.get(Lane::Tables), LaneState::Ready);
    }

    #[test]
    fn nothing_is_withheld_where_it_is_switched_off() {
        let (_, breakers) = breakers(0);
        let (topic, now): (Arc<str>, _) = ("t".into(), Instant::now());
        let failure = Failure::record("not_json", "the value is no JSON");
        breakers.assign(&topic);
        breakers.received(&topic, 1_000, now);
        assert!((0..1_000).all(|_| breakers.lets_out(&topic, &failure, now)));
    }
}
