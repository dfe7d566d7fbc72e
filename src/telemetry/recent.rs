//! The latest warnings and errors of the log, for those who look at the status before the log.

use std::{
    collections::VecDeque,
    fmt::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use schemars::JsonSchema;
use serde::Serialize;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

/// How many are kept: of warnings, the latest; errors give way only to errors.
const KEPT: usize = 20;

/// How much of one is kept, in characters.
const LENGTH: usize = 500;

/// The latest warnings and errors, the last one first. A clone is the same.
#[derive(Debug, Clone, Default)]
pub struct Recent {
    kept: Arc<Mutex<VecDeque<Warning>>>,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Warning {
    /// When it was logged last, as RFC 3339 has it.
    pub at: String,
    /// `warn` or `error`.
    pub level: &'static str,
    /// What it says, with its fields.
    pub message: String,
    /// How often it was logged while it is kept, with these fields or others.
    pub times: u64,
    /// What it says without its fields.
    #[serde(skip)]
    said: String,
}

impl Recent {
    /// Those that are kept.
    pub fn all(&self) -> Vec<Warning> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().cloned().collect()
    }

    fn note(&self, level: &'static str, line: Line, now: SystemTime) {
        let Line { said, fields } = line;
        let message = match &*fields {
            "" => shorten(&said),
            fields => shorten(&format!("{said} ({fields})")),
        };
        let at = humantime::format_rfc3339_seconds(now).to_string();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |it: &Warning| (it.level, &it.said) == (level, &said);
        let known = kept.iter().position(is_same);
        let times = known.and_then(|place| kept.remove(place));
        let times = times.map_or(1, |known| known.times + 1);
        if kept.len() == KEPT {
            let oldest_warning = kept.iter().rposition(|it| it.level == "warn");
            kept.remove(oldest_warning.unwrap_or(KEPT - 1));
        }
        kept.push_front(Warning {
            at,
            level,
            message,
            times,
            said,
        });
    }
}

impl<S: Subscriber> Layer<S> for Recent {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            _ => return,
        };
        let mut line = Line::default();
        event.record(&mut line);
        self.note(level, line, SystemTime::now());
    }
}

/// An event as a line: its message, then its fields.
#[derive(Default)]
struct Line {
    said: String,
    fields: String,
}

/// The beginning of a text.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Where in its source a library that logs by the `log` crate does so: paths of the machine that it was built on.
        if field.name().starts_with("log.") {
            return;
        }
        // Writing to a string can't fail.
        let _ = if field.name() == "message" {
            write!(self.said, "{value:?}")
        } else {
            let comma = if self.fields.is_empty() { "" } else { ", " };
            write!(self.fields, "{comma}{}: {value:?}", field.name())
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// What is kept of what `log` logs.
    fn kept(log: impl FnOnce()) -> Vec<Warning> {
        let recent = Recent::default();
        let subscriber = tracing_subscriber::registry().with(recent.clone());
        tracing::subscriber::with_default(subscriber, log);
        recent.all()
    }

    #[test]
    fn where_in_its_source_a_library_warns_is_not_kept() {
        let kept = kept(|| tracing::warn!("log.file" = "/build/ops.rs", lane = "index", "slow"));
        assert_eq!(kept[0].message, "slow (lane: index)");
    }

    #[test]
    fn warnings_and_errors_are_kept_with_their_fields_the_last_one_first() {
        let kept = kept(|| {
            tracing::warn!(lane = "embed", topics = 2, "lane waiting: no answer");
            tracing::info!("lane ready");
            tracing::error!("the key is refused");
        });
        let shown: Vec<_> = kept.iter().map(|it| (it.level, &*it.message)).collect();
        let expected = [
            ("error", "the key is refused"),
            ("warn", "lane waiting: no answer (lane: embed, topics: 2)"),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_said_again_and_again_is_counted_and_pushes_nothing_out() {
        let kept = kept(|| {
            tracing::error!("first");
            for offset in 0..100 {
                tracing::warn!("lane waiting");
                tracing::warn!(offset, "dead letter");
            }
        });
        assert_eq!((kept.len(), kept[0].times), (3, 100));
        assert_eq!(kept[0].message, "dead letter (offset: 99)");
    }

    #[test]
    fn many_warnings_push_no_error_out() {
        let kept = kept(|| {
            tracing::error!("the key is refused");
            for number in 0..100 {
                tracing::warn!("{number}");
            }
        });
        assert_eq!(kept[0].message, "99");
        assert_eq!(kept[KEPT - 1].level, "error");
    }

    #[test]
    fn few_are_kept_and_none_is_long() {
        let kept = kept(|| {
            for number in 0..100 {
                tracing::warn!("{number} {}", "ä".repeat(10_000));
            }
        });
        assert_eq!(kept.len(), KEPT);
        assert!(kept[0].message.starts_with("99 ä"));
        assert_eq!(kept[0].message.chars().count(), LENGTH + 1);
    }
}
