//! One letter, whole.

use std::fmt::{self, Write as _};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};

use crate::{
    cli::{
        inspect::show::{Length, time},
        layout::align,
    },
    dead_letter::Letter,
    record::RowKey,
};

use super::filter::row_key;

/// For people: what is wrong, then the record as it came.
pub(super) fn to_text(letter: &Letter) -> Result<String, fmt::Error> {
    let Letter {
        record,
        stage,
        reason,
        ..
    } = letter;
    let full = |text: &str| Length::Full.line(text);
    let mut text = format!("{}  {} {}\n", letter.place, full(stage), full(reason));
    let when = |at: Option<i64>| at.map_or_else(|| "?".to_owned(), time);
    let key = record.key.as_deref();
    let mut facts = vec![
        ("says", full(&letter.message)),
        (
            "record",
            format!("{}@{}", letter.partition(), record.offset),
        ),
        ("in Kafka", when(record.timestamp_ms)),
        ("failed", when(letter.failed_ms)),
        ("attempt", letter.attempt.to_string()),
    ];
    if let Some(group) = &letter.group {
        facts.push(("group", full(group)));
    }
    if let Some(version) = &letter.version {
        facts.push(("version", full(version)));
    }
    if let Some(row) = row_key(letter) {
        facts.push(("row", full(row.as_str())));
    }
    facts.push(("key", bytes(key)));
    let facts: Vec<Vec<String>> = facts
        .into_iter()
        .map(|(name, fact)| vec![name.to_owned(), fact])
        .collect();
    align(&mut text, "  ", &facts)?;
    if !record.headers.is_empty() {
        writeln!(text, "  headers")?;
        let headers: Vec<Vec<String>> = record
            .headers
            .iter()
            .map(|header| vec![full(&header.name), bytes(header.value.as_deref())])
            .collect();
        align(&mut text, "    ", &headers)?;
    }
    writeln!(text, "  value\n    {}", bytes(record.value.as_deref()))?;
    Ok(text)
}

/// One of many: where it is, when and why it failed, and of which row.
pub(super) fn to_line(letter: &Letter) -> String {
    let full = |text: &str| Length::Full.line(text);
    let row = row_key(letter);
    [
        letter.place.to_string(),
        letter.failed_ms.map_or_else(|| "?".to_owned(), time),
        format!("{} {}", full(&letter.stage), full(&letter.reason)),
        format!("{}@{}", letter.partition(), letter.record.offset),
        row.map_or_else(|| "?".to_owned(), |row| full(row.as_str())),
        full(&letter.message),
    ]
    .join("  ")
}

pub(super) fn to_json(letter: &Letter) -> Json {
    let record = &letter.record;
    let headers: Vec<Json> = record
        .headers
        .iter()
        .map(|header| json!({"name": header.name, "value": encoded(header.value.as_deref())}))
        .collect();
    json!({
        "place": letter.place.to_string(),
        "stage": letter.stage,
        "reason": letter.reason,
        "message": letter.message,
        "attempt": letter.attempt,
        "failed_ms": letter.failed_ms,
        "group": letter.group,
        "version": letter.version,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset.0,
        "timestamp_ms": record.timestamp_ms,
        "row": row_key(letter).as_ref().map(RowKey::as_str),
        "key": encoded(record.key.as_deref()),
        "value": encoded(record.value.as_deref()),
        "headers": headers,
    })
}

/// As text, where it is text; else in base64.
fn bytes(bytes: Option<&[u8]>) -> String {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => "null".to_owned(),
        Some((_, Ok(text))) => Length::Full.line(text),
        Some((bytes, Err(_))) => format!("base64:{}", STANDARD.encode(bytes)),
    }
}

/// A text, or `{"base64": …}`.
fn encoded(bytes: Option<&[u8]>) -> Json {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => Json::Null,
        Some((_, Ok(text))) => text.into(),
        Some((bytes, Err(_))) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::{cli::dlq::filter::tests::letter, record::Header};

    #[test]
    fn a_letter_says_what_is_wrong_and_has_the_record_whole() {
        let mut letter = letter(7, "not_json", 1);
        letter.record.headers.push(Header {
            name: "trace".into(),
            value: None,
        });
        assert_eq!(
            to_text(&letter).unwrap(),
            "\
0@7  decode not_json
  says      the message of 7
  record    shop.public.products/2@1007
  in Kafka  1970-01-01T00:00:00.000Z
  failed    1970-01-01T00:00:01.000Z
  attempt   1
  group     vectide
  row       [17]
  key       {\"id\":17}
  headers
    trace  null
  value
    base64:bm8g/yBKU09O
"
        );
        let json = to_json(&letter);
        assert_eq!(json["key"], "{\"id\":17}");
        assert_eq!(json["value"]["base64"], "bm8g/yBKU09O");
        assert_eq!(json["headers"][0]["value"], Json::Null);
    }
}
