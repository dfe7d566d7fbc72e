//! Captured records: what Kafka delivered, kept as lines of JSON, to be looked at, sent to somebody,
//! or read again as they were.
//!
//! One object a line: `{"topic", "partition", "offset", "timestamp_ms", "key", "value", "headers"}`.
//! Key, value and the headers' values are the base64 of their bytes, or null; `headers` is a list of
//! `[name, value]`. A file may be gzipped.

mod file;
mod lines;

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize};

use crate::record::{Header, Offset, RawRecord};

pub use file::{CaptureReader, CaptureWriter, ReadError};
pub use lines::{Lines, LinesError};

/// A record as a line has it; see the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    topic: Arc<str>,
    partition: i32,
    offset: i64,
    #[serde(default)]
    timestamp_ms: Option<i64>,
    // Without this a line that lacks its value would be read as a tombstone.
    #[serde(deserialize_with = "present")]
    key: Option<String>,
    #[serde(deserialize_with = "present")]
    value: Option<String>,
    #[serde(default)]
    headers: Vec<(String, Option<String>)>,
}

/// A part of a line that should be base64 is none.
#[derive(Debug, thiserror::Error)]
#[error("its {part} is no base64: {cause}")]
pub struct NoBase64 {
    part: String,
    cause: base64::DecodeError,
}

impl From<&RawRecord> for Captured {
    fn from(raw: &RawRecord) -> Self {
        let encode =
            |bytes: &Option<Box<[u8]>>| bytes.as_ref().map(|it| BASE64_STANDARD.encode(it));
        Self {
            topic: raw.topic.clone(),
            partition: raw.partition,
            offset: raw.offset.0,
            timestamp_ms: raw.timestamp_ms,
            key: encode(&raw.key),
            value: encode(&raw.value),
            headers: raw
                .headers
                .iter()
                .map(|header| (header.name.to_string(), encode(&header.value)))
                .collect(),
        }
    }
}

impl TryFrom<Captured> for RawRecord {
    type Error = NoBase64;

    fn try_from(captured: Captured) -> Result<Self, NoBase64> {
        let headers = captured
            .headers
            .into_iter()
            .map(|(name, value)| {
                Ok(Header {
                    value: decode(value, || format!("header `{name}`"))?,
                    name: name.into(),
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            topic: captured.topic,
            partition: captured.partition,
            offset: Offset(captured.offset),
            timestamp_ms: captured.timestamp_ms,
            key: decode(captured.key, || "key".to_owned())?,
            value: decode(captured.value, || "value".to_owned())?,
            headers,
        })
    }
}

fn decode(
    text: Option<String>,
    part: impl FnOnce() -> String,
) -> Result<Option<Box<[u8]>>, NoBase64> {
    match text.map(|text| BASE64_STANDARD.decode(text)).transpose() {
        Ok(bytes) => Ok(bytes.map(Into::into)),
        Err(cause) => Err(NoBase64 {
            part: part(),
            cause,
        }),
    }
}

/// A field that may be null and must be there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}

#[cfg(test)]
mod tests;
