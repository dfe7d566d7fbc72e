//! A point's bookkeeping, as the object `_vectide` of its payload.

use std::{collections::HashMap, hash::BuildHasher};

use qdrant_client::qdrant::{self, Struct, value::Kind};

use crate::record::{RESERVED_FIELD, SourcePosition, Stored};

use super::value;

/// The columns of the text that the payload doesn't hold.
pub(super) const SOURCE_COLUMNS: &str = "source_columns";

/// What is read back of it: all but the source columns, which are most of its bytes.
const READ_BACK: [&str; 12] = [
    "topic",
    "partition",
    "offset",
    "timestamp_ms",
    "commit_ms",
    "source_position",
    "key",
    "text_hash",
    "wanted",
    "payload_hash",
    "model",
    "version",
];

/// The payload fields to ask for, to read bookkeeping.
pub(super) fn fields() -> Vec<String> {
    READ_BACK
        .iter()
        .map(|field| format!("{RESERVED_FIELD}.{field}"))
        .collect()
}

/// The object to store.
pub fn to_value(stored: &Stored) -> qdrant::Value {
    let mut fields = HashMap::with_capacity(16);
    let mut put = |name: &str, value: qdrant::Value| {
        fields.insert(name.to_owned(), value);
    };
    put("topic", value::text(&*stored.topic));
    put("partition", value::integer(i64::from(stored.partition)));
    put("offset", value::integer(stored.offset.0));
    put("timestamp_ms", value::integer(stored.timestamp_ms));
    put("key", value::text(&*stored.key));
    put("payload_hash", value::text(stored.payload_hash.to_string()));
    put("model", value::text(&*stored.fingerprint));
    if let Some(commit_ms) = stored.commit_ms {
        put("commit_ms", value::integer(commit_ms));
    }
    if let Some(SourcePosition(position)) = stored.source {
        put("source_position", value::integer(position));
    }
    if let Some(hash) = stored.text_hash {
        put("text_hash", value::text(hash.to_string()));
    }
    if let Some(hash) = stored.wanted {
        put("wanted", value::text(hash.to_string()));
    }
    if let Some(version) = stored.version {
        put("version", value::text(format!("{version:016x}")));
    }
    if !stored.source_columns.fields().is_empty() {
        let fields = stored
            .source_columns
            .fields()
            .iter()
            .map(|(name, column)| (name.to_string(), value::value(column)))
            .collect();
        put(
            SOURCE_COLUMNS,
            value::wrap(Kind::StructValue(Struct { fields })),
        );
    }
    value::wrap(Kind::StructValue(Struct { fields }))
}

/// What a point's payload says about its making; `None` when it says nothing, or nothing whole:
/// then somebody else wrote the point. The source columns are not read back.
pub fn from_payload(payload: &HashMap<String, qdrant::Value, impl BuildHasher>) -> Option<Stored> {
    let Some(Kind::StructValue(object)) = &payload.get(RESERVED_FIELD)?.kind else {
        return None;
    };
    let text = |name: &str| match &object.fields.get(name)?.kind {
        Some(Kind::StringValue(text)) => Some(text.as_str()),
        _ => None,
    };
    let integer = |name: &str| match &object.fields.get(name)?.kind {
        Some(Kind::IntegerValue(integer)) => Some(*integer),
        _ => None,
    };
    Some(Stored {
        topic: text("topic")?.into(),
        partition: integer("partition")?.try_into().ok()?,
        offset: crate::record::Offset(integer("offset")?),
        timestamp_ms: integer("timestamp_ms")?,
        commit_ms: integer("commit_ms"),
        source: integer("source_position").map(SourcePosition),
        key: text("key")?.into(),
        text_hash: text("text_hash").and_then(|hash| hash.parse().ok()),
        wanted: text("wanted").and_then(|hash| hash.parse().ok()),
        payload_hash: text("payload_hash")?.parse().ok()?,
        fingerprint: text("model")?.into(),
        version: text("version").and_then(|hash| u64::from_str_radix(hash, 16).ok()),
        source_columns: crate::record::Payload::default(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::record::{Offset, Payload, PayloadHash, TextHash};

    #[test]
    fn what_is_stored_is_read_back() {
        let stored = Stored {
            topic: "shop.public.products".into(),
            partition: 3,
            offset: Offset(40),
            timestamp_ms: 1_700_000_000_500,
            commit_ms: Some(1_700_000_000_000),
            source: Some(SourcePosition(7)),
            key: "[17]".into(),
            text_hash: Some(TextHash::of_text("a")),
            wanted: Some(TextHash::of_text("b")),
            payload_hash: PayloadHash::of(&[]),
            fingerprint: "m/8@e".into(),
            version: Some(u64::MAX),
            source_columns: Payload::default(),
        };
        let payload = HashMap::from([(RESERVED_FIELD.to_owned(), to_value(&stored))]);
        assert_eq!(from_payload(&payload), Some(stored));
    }

    #[test]
    fn a_point_of_somebody_else_has_no_bookkeeping() {
        assert_eq!(from_payload(&HashMap::<String, _>::new()), None);
        let odd = HashMap::from([(RESERVED_FIELD.to_owned(), value::text("?"))]);
        assert_eq!(from_payload(&odd), None);
    }
}
