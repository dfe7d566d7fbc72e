//! What is in a dead-letter topic.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use rdkafka::Message;
use rdkafka::message::Headers as _;

use crate::kafka::Kafka;
use crate::records;

/// A dead letter, or the record that it is of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    /// The record's key.
    pub(crate) key: Option<Vec<u8>>,
    /// The record's value.
    pub(crate) value: Option<Vec<u8>>,
    /// Its timestamp in milliseconds.
    pub(crate) timestamp: Option<i64>,
}

/// The headers in which Vectide says what the matter was, without their common beginning.
pub(crate) type Reasons = BTreeMap<String, String>;

/// The letters in `topic`; `None` where it is not there yet.
pub(crate) fn read(kafka: &Kafka, topic: &str) -> Result<Option<Vec<(Letter, Reasons)>>> {
    let mut letters = Vec::new();
    let is_there = records::read(kafka.brokers(), topic, |record| {
        let headers = record.headers().context("no headers")?;
        let reasons = headers.iter().filter_map(|header| {
            let name = header.key.strip_prefix("__connect.errors.")?;
            let text = String::from_utf8_lossy(header.value?).into_owned();
            Some((name.to_owned(), text))
        });
        letters.push((Letter::of(record), reasons.collect()));
        Ok(())
    })?;
    Ok(is_there.then_some(letters))
}

/// The record that a letter with these reasons is of, in the topic it came from.
pub(crate) fn original(kafka: &Kafka, reasons: &Reasons) -> Result<Letter> {
    let reason = |name: &str| {
        let text = reasons.get(name);
        text.with_context(|| format!("no header {name} in {reasons:?}"))
    };
    let partition: i32 = reason("partition")?.parse()?;
    let offset: i64 = reason("offset")?.parse()?;
    let mut original = None;
    records::read(kafka.brokers(), reason("topic")?, |record| {
        if (record.partition(), record.offset()) == (partition, offset) {
            original = Some(Letter::of(record));
        }
        Ok(())
    })?;
    original.with_context(|| format!("there is no record at {partition}/{offset}"))
}

impl Letter {
    fn of(record: &impl Message) -> Self {
        Self {
            key: record.key().map(<[u8]>::to_vec),
            value: record.payload().map(<[u8]>::to_vec),
            timestamp: record.timestamp().to_millis(),
        }
    }
}
