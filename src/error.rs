//! What a stage does about a failure: decided where the failure arises, obeyed everywhere else.
//!
//! | disposition | examples | what happens |
//! |---|---|---|
//! | transient | I/O, time-out, HTTP 408 and 5xx, gRPC `Unavailable` | retried for ever, with backoff; an outage is never dead-lettered |
//! | throttled | HTTP 429, gRPC `ResourceExhausted` | the shared limiter moves; no attempt is counted |
//! | record | undecodable bytes, an input the provider refuses alone | this record is dead-lettered and settled; its siblings go on |
//! | blocked | wrong key, no quota, vector of another length, missing rights, an untrusted certificate | the lane stops and says what to do; it resumes when mended |

use std::{borrow::Cow, fmt::Display, time::Duration};

/// What [`quoted`] puts around a piece of a row.
const QUOTES: [char; 2] = ['“', '”'];

/// What is to be done about a [`Failure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// An outage: try again, for ever, with backoff.
    Transient,
    /// The other side asks for patience: wait, then go on.
    Throttled {
        /// How long the other side asked for, if it said so.
        after: Option<Duration>,
    },
    /// The fault lies in one record: dead-letter it, let its siblings go on.
    Record,
    /// Only a person can mend this: stop the lane, say so, lose nothing.
    Blocked,
}

/// A failure, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What is to be done.
    pub disposition: Disposition,
    /// A bounded label for metrics and headers, in snake case: `http_429`, `unauthorized`.
    pub reason: &'static str,
    /// For people: what happened and, when blocked, what to do.
    pub message: String,
}

impl Failure {
    /// An outage; see [`Disposition::Transient`].
    pub fn transient(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(Disposition::Transient, reason, message)
    }

    /// A fault of one record; see [`Disposition::Record`].
    pub fn record(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(Disposition::Record, reason, message)
    }

    /// A fault only a person can mend; see [`Disposition::Blocked`].
    pub fn blocked(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(Disposition::Blocked, reason, message)
    }

    /// A failure of any disposition.
    pub fn new(disposition: Disposition, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            disposition,
            reason,
            message: shortened(message.into()),
        }
    }

    /// The message as a reader gets it who may see what is in a row, or may not.
    pub fn told(&self, may_see_rows: bool) -> Cow<'_, str> {
        if may_see_rows {
            Cow::Borrowed(&self.message)
        } else {
            self.without_quotes()
        }
    }

    /// The message without what it [quotes](quoted), for those who are not to see what is in a row: logs, and
    /// the status.
    pub fn without_quotes(&self) -> Cow<'_, str> {
        if !self.message.contains(QUOTES) {
            return Cow::Borrowed(&self.message);
        }
        let [open, close] = QUOTES;
        let mut told = String::with_capacity(self.message.len());
        let mut rest = &*self.message;
        while let Some((before, quote)) = rest.split_once(open) {
            told.extend([before, "“…”"]);
            rest = quote.split_once(close).map_or("", |(_, after)| after);
        }
        told.push_str(rest);
        // Shortened in the middle of a quote, whose end would be told.
        if told.matches(close).count() > told.matches(open).count() {
            return Cow::Borrowed(self.reason);
        }
        Cow::Owned(told)
    }
}

/// A piece of a row, or of what another server says about one, as messages have it: between quotation
/// marks that nothing else in a message has.
pub fn quoted(piece: impl Display) -> String {
    let [open, close] = QUOTES;
    let inner = piece.to_string().replace(QUOTES, "\"");
    format!("{open}{inner}{close}")
}

/// A message that quotes what it is about may be as long as that: logs, headers and answers get its
/// beginning and its end.
fn shortened(message: String) -> String {
    const MOST: usize = 1_000;
    const END: usize = 200;
    if message.len() <= MOST {
        return message;
    }
    let beginning = message.floor_char_boundary(MOST - END);
    let end = message.ceil_char_boundary(message.len() - END);
    match (message.get(..beginning), message.get(end..)) {
        (Some(beginning), Some(end)) => format!("{beginning} … {end}"),
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_keeps_its_beginning_and_its_end() {
        let long = format!("first {} last", "Zelt ⛺ ".repeat(10_000));
        let message = Failure::record("test", long).message;
        assert!(message.starts_with("first Zelt") && message.ends_with(" last"));
        assert!(message.len() < 1_010, "{}", message.len());
        assert_eq!(Failure::record("test", "short").message, "short");
    }

    #[test]
    fn what_is_quoted_can_be_left_out() {
        let told = |message: &str| {
            Failure::record("test", message)
                .without_quotes()
                .into_owned()
        };
        let quote = quoted("a “red” Zelt");
        assert_eq!(quote, "“a \"red\" Zelt”");
        assert_eq!(
            told(&format!("column `x`: {quote} is no date, {quote} neither")),
            "column `x`: “…” is no date, “…” neither"
        );
        assert_eq!(told("nothing is quoted"), "nothing is quoted");
    }

    #[test]
    fn only_who_may_see_rows_is_told_what_is_quoted() {
        let failure = Failure::record("test", format!("{} is no date", quoted("Zelt")));
        assert_eq!(failure.told(true), "“Zelt” is no date");
        assert_eq!(failure.told(false), "“…” is no date");
    }

    #[test]
    fn nothing_of_a_quote_that_was_cut_is_told() {
        let long = quoted("Zelt ".repeat(1_000));
        let told = |message: String| {
            Failure::record("test", message)
                .without_quotes()
                .into_owned()
        };
        assert_eq!(told(format!("{long} is no date")), "“…” is no date");
        assert_eq!(told(format!("{} {long}", "x".repeat(900))), "test");
        assert!(!told(format!("{long} {}", "x".repeat(900))).contains("Zelt"));
    }
}
