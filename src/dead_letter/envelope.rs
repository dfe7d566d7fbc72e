//! What is written to the dead-letter topic. Pure.

use std::time::SystemTime;

use crate::record::{Header, RawRecord};

use super::DeadLetter;

/// The headers that Kafka Connect's `DeadLetterQueueReporter` writes begin with this, so tools
/// made for its dead letters read these too. Their values are UTF-8 text.
pub(super) const CONNECT: &str = "__connect.errors.";

/// The header that tells how often the record was dead-lettered, this time included.
pub(super) const ATTEMPT: &str = "vectide.attempt";

/// The header that tells when it failed, as `2026-01-31T12:00:00.000Z`: the letter's own timestamp
/// is the record's.
pub(super) const FAILED_AT: &str = "vectide.failed_at";

/// The header that names this program's version.
pub(super) const VERSION: &str = "vectide.version";

/// Whether a letter has this header, and the record that it is of has not.
pub(super) fn is_of_letter(header: &str) -> bool {
    header.starts_with(CONNECT) || [ATTEMPT, FAILED_AT, VERSION].contains(&header)
}

/// A dead letter as it is written: key, value and timestamp as the record came, its headers in
/// their order, and behind them why it is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) key: Option<Box<[u8]>>,
    pub(super) value: Option<Box<[u8]>>,
    pub(super) timestamp_ms: Option<i64>,
    pub(super) headers: Vec<Header>,
}

impl Envelope {
    /// Writes the envelope of a letter from a member of `group`. What an earlier dead letter of the
    /// same record said is replaced, its attempts counted on: such a record was replayed, or put
    /// back into its topic, and failed again.
    pub(super) fn new(letter: DeadLetter, group: &str, now: SystemTime) -> Self {
        let DeadLetter {
            raw:
                RawRecord {
                    topic,
                    partition,
                    offset,
                    timestamp_ms,
                    key,
                    value,
                    mut headers,
                },
            stage,
            failure,
        } = letter;
        let attempt = attempts(&headers).saturating_add(1);
        headers.retain(|header| !is_of_letter(&header.name));
        let trace = format!("{}: {}", failure.reason, failure.message);
        headers.extend(
            [
                ("topic", topic.to_string()),
                ("partition", partition.to_string()),
                ("offset", offset.to_string()),
                ("connector.name", group.to_owned()),
                // Connect numbers a connector's tasks; members of a group have no number.
                ("task.id", "0".to_owned()),
                ("stage", stage.to_owned()),
                ("class.name", format!("vectide::{stage}")),
                ("exception.class.name", failure.reason.to_owned()),
                ("exception.message", failure.message),
                ("exception.stacktrace", trace),
            ]
            .map(|(name, value)| header(format!("{CONNECT}{name}"), value)),
        );
        let failed_at = humantime::format_rfc3339_millis(now).to_string();
        headers.extend([
            header(ATTEMPT.to_owned(), attempt.to_string()),
            header(FAILED_AT.to_owned(), failed_at),
            header(VERSION.to_owned(), env!("CARGO_PKG_VERSION").into()),
        ]);
        Self {
            key,
            value,
            timestamp_ms,
            headers,
        }
    }

    /// The bytes of key, value and headers.
    pub(super) fn bytes(&self) -> usize {
        let length = |bytes: &Option<Box<[u8]>>| bytes.as_ref().map_or(0, |bytes| bytes.len());
        let headers = self.headers.iter();
        let headers: usize = headers.map(|h| h.name.len() + length(&h.value)).sum();
        length(&self.key) + length(&self.value) + headers
    }
}

/// How often a record was dead-lettered before, by its headers.
fn attempts(headers: &[Header]) -> u32 {
    let text = |name: &str| {
        let header = headers.iter().rfind(|header| *header.name == *name)?;
        std::str::from_utf8(header.value.as_deref()?).ok()
    };
    let counted = text(ATTEMPT).and_then(|text| text.parse().ok());
    // Versions before this header was written left their own.
    counted.unwrap_or_else(|| u32::from(text(VERSION).is_some()))
}

fn header(name: String, value: String) -> Header {
    Header {
        name: name.into(),
        value: Some(value.into_bytes().into()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{error::Failure, record::Offset};

    fn envelope(letter: DeadLetter, group: &str) -> Envelope {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        Envelope::new(letter, group, now)
    }

    fn letter(headers: Vec<Header>) -> DeadLetter {
        DeadLetter {
            raw: RawRecord {
                topic: "shop.public.products".into(),
                partition: 3,
                offset: Offset(4711),
                timestamp_ms: Some(1_700_000_000_123),
                key: Some([0xff, 0x00, b'k'].into()),
                value: None,
                headers,
            },
            stage: "decode",
            failure: Failure::record("not_json", "the value is not JSON: “{”"),
        }
    }

    fn own(name: &str, value: Option<&[u8]>) -> Header {
        Header {
            name: name.into(),
            value: value.map(Into::into),
        }
    }

    fn texts(headers: &[Header]) -> Vec<(String, String)> {
        headers
            .iter()
            .map(|header| {
                let value = header.value.as_deref().unwrap_or(b"<null>");
                let value = String::from_utf8_lossy(value).into_owned();
                (header.name.to_string(), value)
            })
            .collect()
    }

    #[test]
    fn the_record_is_kept_byte_for_byte_and_its_headers_come_first_and_in_order() {
        let original = vec![
            own("trace", Some(&[0x80, 0x81])),
            own("empty", Some(&[])),
            own("null", None),
            own("trace", Some(b"again")),
        ];
        let envelope = envelope(letter(original.clone()), "vectide");
        assert_eq!(envelope.key.as_deref(), Some(&[0xff, 0x00, b'k'][..]));
        assert_eq!(envelope.value, None);
        assert_eq!(envelope.timestamp_ms, Some(1_700_000_000_123));
        assert_eq!(envelope.headers.get(..4), Some(&original[..]));
    }

    #[test]
    fn why_it_is_here_is_said_in_connects_headers() {
        let envelope = envelope(letter(Vec::new()), "shop-index");
        let expected = [
            ("__connect.errors.topic", "shop.public.products"),
            ("__connect.errors.partition", "3"),
            ("__connect.errors.offset", "4711"),
            ("__connect.errors.connector.name", "shop-index"),
            ("__connect.errors.task.id", "0"),
            ("__connect.errors.stage", "decode"),
            ("__connect.errors.class.name", "vectide::decode"),
            ("__connect.errors.exception.class.name", "not_json"),
            (
                "__connect.errors.exception.message",
                "the value is not JSON: “{”",
            ),
            (
                "__connect.errors.exception.stacktrace",
                "not_json: the value is not JSON: “{”",
            ),
            ("vectide.attempt", "1"),
            ("vectide.failed_at", "2023-11-14T22:13:20.123Z"),
            ("vectide.version", env!("CARGO_PKG_VERSION")),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(texts(&envelope.headers), expected);
    }

    #[test]
    fn a_record_that_failed_before_tells_its_last_failure_only_and_counts_them() {
        let first = envelope(letter(vec![own("trace", Some(b"1"))]), "vectide");
        let mut again = letter(first.headers.clone());
        again.raw.offset = Offset(5000);
        let second = envelope(again, "vectide");
        assert_eq!(second.headers.len(), first.headers.len());
        let offset = ("__connect.errors.offset".to_owned(), "5000".to_owned());
        assert!(texts(&second.headers).contains(&offset));
        let attempt = ("vectide.attempt".to_owned(), "2".to_owned());
        assert!(texts(&second.headers).contains(&attempt));
        assert_eq!(second.headers.first(), first.headers.first());
    }
}
