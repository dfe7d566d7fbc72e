//! A dead letter as it is read back. Pure.

use std::{fmt, str::FromStr, sync::Arc, time::UNIX_EPOCH};

use crate::record::{Offset, RawRecord, TopicPartition};

use super::envelope::{ATTEMPT, CONNECT, FAILED_AT, VERSION, is_of_letter};

/// Where a letter lies in the dead-letter topic: `0@17` is partition 0, offset 17.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The partition of the dead-letter topic.
    pub partition: i32,
    /// The offset there.
    pub offset: Offset,
}

/// A text that names no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write PARTITION@OFFSET, such as 0@17")]
pub struct NoPlace;

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.partition, self.offset)
    }
}

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (partition, offset) = text.split_once('@').ok_or(NoPlace)?;
        let partition = partition.parse().ok().filter(|it| *it >= 0);
        let offset = offset.parse().ok().filter(|it| *it >= 0);
        Ok(Self {
            partition: partition.ok_or(NoPlace)?,
            offset: Offset(offset.ok_or(NoPlace)?),
        })
    }
}

/// A dead letter: a record that could not be processed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Where the letter lies.
    pub place: Place,
    /// The record as it was, in its own topic, with its own headers.
    pub record: RawRecord,
    /// Where it failed: `decode`, `document`, `embed` or `index`.
    pub stage: Box<str>,
    /// Why, as a fixed word; of a letter that Kafka Connect wrote, an exception's class.
    pub reason: Box<str>,
    /// Why, for people.
    pub message: Box<str>,
    /// How often it was dead-lettered, this time included.
    pub attempt: u32,
    /// When, in milliseconds since 1970: as the letter says, else the record's own time.
    pub failed_ms: Option<i64>,
    /// Whose it is: the consumer group that wrote it, or the connector.
    pub group: Option<Box<str>>,
    /// The version that wrote the letter.
    pub version: Option<Box<str>>,
}

impl Letter {
    /// Reads a record of the dead-letter topic; gives it back where it is no letter.
    pub fn read(mut raw: RawRecord) -> Result<Self, RawRecord> {
        let text = |name: &str| {
            let header = raw.headers.iter().rfind(|header| *header.name == *name)?;
            let value = header.value.as_deref()?;
            Some(Box::<str>::from(String::from_utf8_lossy(value)))
        };
        let connect = |name: &str| text(&format!("{CONNECT}{name}"));
        let place = Place {
            partition: raw.partition,
            offset: raw.offset,
        };
        let from = connect("topic")
            .zip(connect("partition").and_then(|it| it.parse().ok()))
            .zip(connect("offset").and_then(|it| it.parse().ok()));
        let Some(((topic, partition), offset)) = from else {
            return Err(raw);
        };
        let failed_at = text(FAILED_AT)
            .and_then(|text| humantime::parse_rfc3339(&text).ok())
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .and_then(|since| i64::try_from(since.as_millis()).ok());
        let letter = Self {
            place,
            stage: connect("stage").unwrap_or_default(),
            reason: connect("exception.class.name").unwrap_or_default(),
            message: connect("exception.message").unwrap_or_default(),
            attempt: text(ATTEMPT).and_then(|it| it.parse().ok()).unwrap_or(1),
            failed_ms: failed_at.or(raw.timestamp_ms),
            group: connect("connector.name"),
            version: text(VERSION),
            record: RawRecord {
                topic: Arc::from(topic),
                partition,
                offset: Offset(offset),
                timestamp_ms: raw.timestamp_ms,
                key: raw.key.take(),
                value: raw.value.take(),
                headers: Vec::new(),
            },
        };
        raw.headers.retain(|header| !is_of_letter(&header.name));
        Ok(Self {
            record: RawRecord {
                headers: raw.headers,
                ..letter.record
            },
            ..letter
        })
    }

    /// The partition that the record came from.
    pub fn partition(&self) -> TopicPartition {
        TopicPartition {
            topic: self.record.topic.clone(),
            partition: self.record.partition,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::{
        dead_letter::{DeadLetter, envelope::Envelope},
        error::Failure,
        record::Header,
    };

    fn record() -> RawRecord {
        RawRecord {
            topic: "shop.public.products".into(),
            partition: 3,
            offset: Offset(4711),
            timestamp_ms: Some(1_600_000_000_000),
            key: Some(b"{\"id\":17}".as_slice().into()),
            value: None,
            headers: vec![Header {
                name: "trace".into(),
                value: Some([0x80].into()),
            }],
        }
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let letter = DeadLetter {
            raw: record(),
            stage: "embed",
            failure: Failure::record("http_400", "too long"),
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let envelope = Envelope::new(letter, "vectide", now);
        let read = Letter::read(RawRecord {
            topic: "dead".into(),
            partition: 0,
            offset: Offset(9),
            timestamp_ms: envelope.timestamp_ms,
            key: envelope.key,
            value: envelope.value,
            headers: envelope.headers,
        })
        .unwrap();
        assert_eq!(read.place.to_string(), "0@9");
        assert_eq!(read.record, record());
        assert_eq!((&*read.stage, &*read.reason), ("embed", "http_400"));
        assert_eq!((&*read.message, read.attempt), ("too long", 1));
        assert_eq!(read.failed_ms, Some(1_700_000_000_123));
        assert_eq!(read.group.as_deref(), Some("vectide"));
        assert_eq!(read.version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn what_is_no_letter_is_given_back_as_it_came() {
        assert_eq!(Letter::read(record()), Err(record()));
    }

    #[test]
    fn a_place_is_a_partition_and_an_offset() {
        let place = |text: &str| text.parse::<Place>().map(|it| it.to_string());
        assert_eq!(place("2@1041"), Ok("2@1041".into()));
        for wrong in ["", "17", "@17", "0@", "-1@3", "0@-3", "a@b"] {
            assert_eq!(place(wrong), Err(NoPlace), "{wrong}");
        }
    }
}
