//! Which letters are meant.

use std::{
    convert::Infallible,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Args;

use crate::{
    cli::explain::KeyArgument,
    config::RowsConfig,
    dead_letter::Letter,
    decode::{Decoder, RowSettings},
    record::{NeededColumns, RowKey},
};

/// Which letters; all that is given must fit.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Filter {
    /// That failed at this time or later: as 2026-01-31T12:00:00Z, or 2h for two hours ago
    #[arg(long, value_name = "TIME")]
    since: Option<Time>,
    /// That failed before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Time>,
    /// Of this row: its key as for `vectide explain`, such as 17 or '["B-204",3]', or as in the topic
    #[arg(long, value_name = "KEY")]
    key: Option<WantedKey>,
    /// With this reason, such as undecodable_value
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// That failed in this stage: decode, document, embed or index
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// Of this table: its topic, or the end of that, such as products or public.products
    #[arg(long, alias = "topic", value_name = "TABLE")]
    table: Option<String>,
}

/// A time in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Time(i64);

impl FromStr for Time {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, SystemTime::now())
    }
}

impl Time {
    fn parse(text: &str, now: SystemTime) -> Result<Self, &'static str> {
        const WRONG: &str = "write a time, as 2026-01-31T12:00:00Z, or how long ago, as 2h";
        let time = humantime::parse_rfc3339_weak(text).or_else(|_| {
            let ago: Duration = humantime::parse_duration(text).map_err(|_| WRONG)?;
            now.checked_sub(ago).ok_or(WRONG)
        })?;
        let since = time.duration_since(UNIX_EPOCH).map_err(|_| WRONG)?;
        let milliseconds = i64::try_from(since.as_millis()).map_err(|_| WRONG)?;
        Ok(Self(milliseconds))
    }
}

impl Filter {
    pub(super) fn matches(&self, letter: &Letter) -> bool {
        let failed_ms = letter.failed_ms.unwrap_or(0);
        let is = |wanted: &Option<String>, text: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == text)
        };
        self.since.is_none_or(|since| failed_ms >= since.0)
            && self.until.is_none_or(|until| failed_ms < until.0)
            && is(&self.reason, &letter.reason)
            && is(&self.stage, &letter.stage)
            && self
                .table
                .as_deref()
                .is_none_or(|table| is_of_table(&letter.record.topic, table))
            && self.key.as_ref().is_none_or(|key| key.is_of(letter))
    }
}

/// The key of a row whose letters are meant.
#[derive(Debug, Clone)]
struct WantedKey {
    /// As it was written: the bytes of a record's key, which need not be one that can be read.
    text: String,
    /// The rows that may be meant by it: of `17`, that with the number and that with the text.
    rows: Vec<RowKey>,
}

impl FromStr for WantedKey {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let read: Option<KeyArgument> = text.parse().ok();
        let rows = read.into_iter().flat_map(|it| [Some(it.key), it.as_text]);
        Ok(Self {
            text: text.to_owned(),
            rows: rows.flatten().collect(),
        })
    }
}

impl WantedKey {
    fn is_of(&self, letter: &Letter) -> bool {
        let key = letter.record.key.as_deref().unwrap_or_default();
        key == self.text.as_bytes() || row_key(letter).is_some_and(|key| self.rows.contains(&key))
    }
}

fn is_of_table(topic: &str, table: &str) -> bool {
    topic
        .strip_suffix(table)
        .is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// The row's key, where the record's is JSON.
pub(super) fn row_key(letter: &Letter) -> Option<RowKey> {
    let none = NeededColumns::Only(std::collections::HashSet::new());
    let rows = RowSettings::new(&RowsConfig::default(), none);
    Decoder::new(rows).key(&letter.record).ok()
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use clap::Parser;

    use super::*;
    use crate::{
        dead_letter::Place,
        record::{Offset, RawRecord},
    };

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        filter: Filter,
    }

    /// A letter at this offset, which failed that many seconds after 1970.
    pub(in super::super) fn letter(offset: i64, reason: &str, failed: i64) -> Letter {
        Letter {
            place: Place {
                partition: 0,
                offset: Offset(offset),
            },
            record: RawRecord {
                topic: "shop.public.products".into(),
                partition: 2,
                offset: Offset(1_000 + offset),
                timestamp_ms: Some(0),
                key: Some(b"{\"id\":17}".as_slice().into()),
                value: Some(b"no \xff JSON".as_slice().into()),
                headers: Vec::new(),
            },
            stage: "decode".into(),
            reason: reason.into(),
            message: format!("the message of {offset}").into(),
            attempt: 1,
            failed_ms: Some(failed * 1_000),
            group: Some("vectide".into()),
            version: None,
        }
    }

    fn matches(arguments: &[&str]) -> bool {
        let line = Line::try_parse_from([&["x"], arguments].concat()).unwrap();
        line.filter.matches(&letter(1, "not_json", 1_700_000_000))
    }

    #[test]
    fn all_that_is_asked_for_must_fit() {
        for fits in [
            &[][..],
            &["--reason", "not_json", "--stage", "decode"],
            &["--key", "[17]"],
            &["--key", "{\"id\":17}"],
            &["--key", "17"],
            &["--table", "products"],
            &["--topic", "shop.public.products"],
            &["--since", "2023-11-14T22:13:20Z"],
            &["--until", "2023-11-14T22:13:21Z"],
        ] {
            assert!(matches(fits), "{fits:?}");
        }
        for misses in [
            &["--reason", "empty_text"][..],
            &["--reason", "not_json", "--stage", "embed"],
            &["--key", "[18]"],
            &["--key", "18"],
            &["--key", "no key of any row"],
            &["--table", "ducts"],
            &["--since", "2023-11-14T22:13:21Z"],
            &["--since", "2h"],
            &["--until", "2023-11-14T22:13:20Z"],
        ] {
            assert!(!matches(misses), "{misses:?}");
        }
    }

    #[test]
    fn a_time_may_be_how_long_ago() {
        let now = UNIX_EPOCH + Duration::from_hours(2);
        assert_eq!(Time::parse("1h 30m", now), Ok(Time(1_800_000)));
        assert!(Time::parse("3h", now).is_err(), "before 1970");
        assert!(Time::parse("yesterday", now).is_err());
    }
}
