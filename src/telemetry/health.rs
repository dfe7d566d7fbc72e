//! What each lane can do right now: what `/readyz` answers and operators look at first.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use tracing::{error, info, warn};

/// The parts of the pipeline that can fail on their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Reading from Kafka and committing to it.
    Kafka,
    /// Asking the schema registry.
    Registry,
    /// Tables whose rows can be processed as they are configured.
    Tables,
    /// Buying embeddings.
    Embed,
    /// Reading from and writing to Qdrant.
    Index,
    /// Writing dead letters.
    DeadLetter,
}

impl Lane {
    /// All lanes, in the order of the flow.
    pub const ALL: [Self; 6] = [
        Self::Kafka,
        Self::Registry,
        Self::Tables,
        Self::Embed,
        Self::Index,
        Self::DeadLetter,
    ];

    /// The metric label and the name in `/readyz`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Registry => "registry",
            Self::Tables => "tables",
            Self::Embed => "embed",
            Self::Index => "index",
            Self::DeadLetter => "dead_letter",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// What a lane can do right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaneState {
    /// It works.
    Ready,
    /// An outage: it tries again by itself.
    Waiting(String),
    /// It needs a person; the text says what to do. It resumes by itself once that is done.
    Blocked(String),
}

impl LaneState {
    /// All labels.
    pub const LABELS: [&'static str; 3] = ["ready", "waiting", "blocked"];

    /// `ready`, `waiting` or `blocked`.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Waiting(_) => "waiting",
            Self::Blocked(_) => "blocked",
        }
    }

    /// Why it isn't ready, if it isn't.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Ready => None,
            Self::Waiting(reason) | Self::Blocked(reason) => Some(reason),
        }
    }
}

/// Why the embed lane stands still when a person wants it to.
const PAUSED: &str = "paused by hand; POST /api/embed/resume lets it go on";

/// The state of every lane, shared by those who set it and those who ask.
#[derive(Debug, Clone)]
pub struct Health {
    states: Arc<Mutex<[LaneState; Lane::ALL.len()]>>,
    embed_paused: watch::Sender<bool>,
    /// Tables that a person paused, by topic, and whether they still are.
    tables: Arc<Mutex<BTreeMap<Arc<str>, bool>>>,
}

impl Default for Health {
    fn default() -> Self {
        let starting = || LaneState::Waiting("starting".to_owned());
        Self {
            states: Arc::new(Mutex::new([
                starting(),
                LaneState::Ready,
                LaneState::Ready,
                LaneState::Ready,
                starting(),
                LaneState::Ready,
            ])),
            embed_paused: watch::Sender::new(false),
            tables: Arc::default(),
        }
    }
}

impl Health {
    /// Sets a lane's state and logs it, once for each change.
    pub fn set(&self, lane: Lane, state: LaneState) {
        let mut states = self.lock();
        let Some(slot) = states.get_mut(lane as usize) else {
            return;
        };
        if *slot == state {
            return;
        }
        match &state {
            LaneState::Ready => info!(lane = lane.label(), "lane ready"),
            LaneState::Waiting(reason) => {
                warn!(lane = lane.label(), "lane waiting: {reason}");
            }
            LaneState::Blocked(reason) => {
                error!(lane = lane.label(), "lane blocked: {reason}");
            }
        }
        *slot = state;
    }

    /// A lane's state. A lane that a person paused is blocked, whatever it says itself: were it ready, it
    /// would be forgotten.
    pub fn get(&self, lane: Lane) -> LaneState {
        let own = self
            .lock()
            .get(lane as usize)
            .cloned()
            .unwrap_or(LaneState::Ready);
        let paused = match lane {
            Lane::Embed if self.is_embed_paused() => PAUSED.to_owned(),
            Lane::Tables => match self.paused_tables() {
                topics if topics.is_empty() => return own,
                topics => format!(
                    "{} paused by hand: deletes wait, too; POST /api/tables/resume lets it go on",
                    topics.join(", ")
                ),
            },
            _ => return own,
        };
        LaneState::Blocked(match own.reason() {
            Some(reason) => format!(
                "{paused}; without that it would be {}: {reason}",
                own.label()
            ),
            None => paused,
        })
    }

    /// Every lane with its state, in the order of the flow.
    pub fn lanes(&self) -> Vec<(Lane, LaneState)> {
        Lane::ALL
            .into_iter()
            .map(|lane| (lane, self.get(lane)))
            .collect()
    }

    /// Whether every lane is ready.
    pub fn ready(&self) -> bool {
        self.worst() == "ready"
    }

    /// The label of the worst state that a lane is in.
    pub fn worst(&self) -> &'static str {
        let lanes = self.lanes();
        let is_any = |label: &&&str| lanes.iter().any(|(_, state)| state.label() == **label);
        // The labels go from good to bad.
        let worst = LaneState::LABELS.iter().rev().find(is_any);
        worst.copied().unwrap_or("ready")
    }

    /// Lets the embed lane buy nothing until a person says so, or lets it go on. Says whether that is
    /// news.
    pub fn pause_embed(&self, paused: bool) -> bool {
        self.embed_paused
            .send_if_modified(|was| std::mem::replace(was, paused) != paused)
    }

    /// Whether a person paused the embed lane.
    pub fn is_embed_paused(&self) -> bool {
        *self.embed_paused.borrow()
    }

    /// Tells when a person pauses the embed lane, or lets it go on.
    pub fn watch_embed_pause(&self) -> watch::Receiver<bool> {
        self.embed_paused.subscribe()
    }

    /// Lets no more of a table be read until a person says so, or lets it go on. Says whether that is
    /// news. The table is that of a topic.
    pub fn pause_table(&self, topic: &str, paused: bool) -> bool {
        let mut tables = self.tables();
        match tables.get_mut(topic) {
            Some(was) => std::mem::replace(was, paused) != paused,
            None if paused => tables.insert(topic.into(), true).is_none(),
            None => false,
        }
    }

    /// Whether a person paused the table of a topic.
    pub fn is_table_paused(&self, topic: &str) -> bool {
        self.tables().get(topic).copied().unwrap_or(false)
    }

    /// The topics whose tables a person paused.
    pub fn paused_tables(&self) -> Vec<String> {
        let tables = self.tables();
        let paused = tables.iter().filter(|(_, paused)| **paused);
        paused.map(|(topic, _)| topic.to_string()).collect()
    }

    /// The topics whose tables a person ever paused, and whether they still are.
    pub(super) fn table_pauses(&self) -> Vec<(Arc<str>, bool)> {
        let tables = self.tables();
        let pauses = tables
            .iter()
            .map(|(topic, paused)| (topic.clone(), *paused));
        pauses.collect()
    }

    fn tables(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, bool>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, [LaneState; Lane::ALL.len()]> {
        // A panic elsewhere leaves the states whole: each is replaced in one assignment.
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_blocked_lane_makes_the_whole_not_ready() {
        let health = Health::default();
        health.set(Lane::Kafka, LaneState::Ready);
        health.set(Lane::Index, LaneState::Ready);
        assert!(health.ready());
        health.set(Lane::Embed, LaneState::Blocked("renew the key".into()));
        assert!(!health.ready());
        assert_eq!(health.get(Lane::Embed).reason(), Some("renew the key"));
    }

    #[test]
    fn a_paused_lane_is_blocked_and_what_it_says_itself_comes_back_when_it_goes_on() {
        let health = Health::default();
        health.set(Lane::Kafka, LaneState::Ready);
        health.set(Lane::Index, LaneState::Ready);
        assert!(health.pause_embed(true));
        assert!(!health.pause_embed(true), "it was paused before");
        assert_eq!(health.get(Lane::Embed), LaneState::Blocked(PAUSED.into()));
        assert!(!health.ready());

        health.set(Lane::Embed, LaneState::Waiting("no answer".into()));
        let both = format!("{PAUSED}; without that it would be waiting: no answer");
        assert_eq!(health.get(Lane::Embed), LaneState::Blocked(both));
        assert!(health.pause_embed(false));
        assert_eq!(health.worst(), "waiting");
    }

    #[test]
    fn a_paused_table_blocks_its_lane_and_hides_no_other_reason() {
        let health = Health::default();
        assert!(!health.pause_table("shop.brands", false), "it never was");
        assert!(health.pause_table("shop.products", true));
        assert!(!health.pause_table("shop.products", true));
        assert!(health.is_table_paused("shop.products"));
        assert!(!health.is_table_paused("shop.brands"));
        let reason = health.get(Lane::Tables).reason().map(str::to_owned);
        assert!(reason.is_some_and(|it| it.starts_with("shop.products paused by hand")));

        health.set(Lane::Tables, LaneState::Blocked("no key".into()));
        let both = health.get(Lane::Tables).reason().map(str::to_owned);
        assert!(both.is_some_and(|it| it.ends_with("would be blocked: no key")));
        assert!(health.pause_table("shop.products", false));
        assert_eq!(health.get(Lane::Tables).reason(), Some("no key"));
        assert_eq!(health.table_pauses(), [("shop.products".into(), false)]);
    }

    #[test]
    fn a_start_is_not_ready_before_kafka_and_the_index_are() {
        assert!(!Health::default().ready());
    }
}
