//! What can be seen of a record from outside: how key and value are encoded, and their shape. The
//! decoder need not tell these apart in as much detail, and some of it no longer matters to it.

use serde_json::{Map, Value as Json};

use crate::{
    config::RowsConfig,
    decode::wire::{Framed, Part, unframe},
    record::{Header, RawRecord, SchemaId},
};

/// A record, seen from outside.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Look {
    pub(super) key: Encoding,
    pub(super) value: Encoding,
    pub(super) shape: Shape,
    /// `schema.table` as the source has it.
    pub(super) table: Option<String>,
    /// The row as it stands in JSON, where no schema says what its columns are. What is no envelope
    /// is taken for a row: only the decoder knows a heartbeat.
    pub(super) untyped: Option<Map<String, Json>>,
}

/// How key or value are written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Encoding {
    /// Not there.
    Null,
    /// The JSON literal `null`: a flattened tombstone.
    NullLiteral,
    /// JSON without a schema.
    Bare,
    /// JSON, `{schema, payload}`.
    WithSchema,
    /// Avro, by that schema of the registry.
    Avro(SchemaId),
    /// JSON, by that schema of the registry.
    Registered(SchemaId),
    /// None of these.
    Unknown,
}

/// What the value is made like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// Debezium's envelope.
    Envelope {
        /// `r`, `c`, `u`, `d`, `t`, `m`.
        op: String,
        /// Whether the row before the change is there.
        has_before: bool,
    },
    /// A row without an envelope.
    Flattened {
        /// The operation, if the transform adds it.
        op: Option<String>,
        /// Whether the transform says of each row whether it was deleted.
        says_deleted: bool,
    },
    /// Nothing that can be told from outside.
    Other,
}

impl std::fmt::Display for Encoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::NullLiteral => f.write_str("the text `null`"),
            Self::Bare => f.write_str("JSON without schema"),
            Self::WithSchema => f.write_str("JSON with schema"),
            Self::Avro(schema) => write!(f, "Avro, {schema}"),
            Self::Registered(schema) => write!(f, "JSON, {schema} of the registry"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

impl Look {
    pub(super) fn at(raw: &RawRecord, rows: &RowsConfig) -> Self {
        let (key, _) = encoding(Part::Key, raw.key.as_deref(), &raw.headers);
        let (value, json) = encoding(Part::Value, raw.value.as_deref(), &raw.headers);
        let mut look = Self {
            key,
            value,
            shape: Shape::Other,
            table: None,
            untyped: None,
        };
        if let Some(json) = json {
            look.read(json, &rows.flattened_prefix);
        }
        look
    }

    fn read(&mut self, mut json: Map<String, Json>, prefix: &str) {
        let is_envelope = ["before", "after", "source", "message"]
            .iter()
            .any(|name| json.contains_key(*name));
        let op = json.get("op").and_then(Json::as_str).map(str::to_owned);
        if let Some(op) = op.filter(|_| is_envelope) {
            self.table = json.get("source").and_then(table);
            let after = json.remove("after");
            self.shape = Shape::Envelope {
                op,
                has_before: json.get("before").is_some_and(|before| !before.is_null()),
            };
            if self.value == Encoding::Bare
                && let Some(Json::Object(row)) = after
            {
                self.untyped = Some(row);
            }
        } else {
            // A marker or a heartbeat, too: only the decoder knows.
            let added = |name: &str| json.get(&format!("{prefix}{name}"));
            self.shape = Shape::Flattened {
                op: added("op").and_then(Json::as_str).map(str::to_owned),
                says_deleted: added("deleted").is_some(),
            };
            if self.value == Encoding::Bare {
                json.retain(|name, _| prefix.is_empty() || !name.starts_with(prefix));
                self.untyped = Some(json);
            }
        }
    }
}

/// `public.products`, or `shop.products` where the database has no schemas.
fn table(source: &Json) -> Option<String> {
    let part = |name| source.get(name).and_then(Json::as_str);
    let table = part("table").filter(|table| !table.is_empty())?;
    Some(match part("schema").or(part("db")) {
        Some(schema) => format!("{schema}.{table}"),
        None => table.to_owned(),
    })
}

/// How these bytes are encoded and, for JSON, the object that is not a schema.
fn encoding(
    part: Part,
    bytes: Option<&[u8]>,
    headers: &[Header],
) -> (Encoding, Option<Map<String, Json>>) {
    let Some(bytes) = bytes else {
        return (Encoding::Null, None);
    };
    let Ok(Framed { schema, data }) = unframe(part, bytes, headers) else {
        return (Encoding::Unknown, None);
    };
    if let Some(id) = schema {
        // No Avro that means anything happens to be an object in JSON.
        return match serde_json::from_slice(data) {
            Ok(Json::Object(fields)) => (Encoding::Registered(id), Some(fields)),
            _ => (Encoding::Avro(id), None),
        };
    }
    if data == b"null" {
        return (Encoding::NullLiteral, None);
    }
    match serde_json::from_slice(data) {
        Ok(Json::Object(mut fields)) => match fields.remove("payload") {
            Some(payload) if fields.len() == 1 && fields.get("schema").is_some_and(is_schema) => {
                let object = match payload {
                    Json::Object(object) => Some(object),
                    _ => None,
                };
                (Encoding::WithSchema, object)
            }
            Some(payload) => {
                fields.insert("payload".to_owned(), payload);
                (Encoding::Bare, Some(fields))
            }
            None => (Encoding::Bare, Some(fields)),
        },
        Ok(_) => (Encoding::Bare, None),
        Err(_) => (Encoding::Unknown, None),
    }
}

fn is_schema(json: &Json) -> bool {
    json.is_object() || json.is_null()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Offset;

    fn look(key: Option<&[u8]>, value: Option<&[u8]>) -> Look {
        let raw = RawRecord {
            topic: "shop".into(),
            partition: 0,
            offset: Offset(0),
            timestamp_ms: None,
            key: key.map(Into::into),
            value: value.map(Into::into),
            headers: Vec::new(),
        };
        Look::at(&raw, &RowsConfig::default())
    }

    #[test]
    fn key_and_value_are_told_apart_by_their_first_bytes() {
        for (bytes, encoding) in [
            (None, Encoding::Null),
            (Some(b"null".as_slice()), Encoding::NullLiteral),
            (Some(b"{\"id\":1}"), Encoding::Bare),
            (
                Some(b"{\"schema\":null,\"payload\":{\"id\":1}}"),
                Encoding::WithSchema,
            ),
            (
                Some(b"{\"schema\":\"a\",\"payload\":\"b\"}"),
                Encoding::Bare,
            ),
            (Some(b"\0\0\0\x01\x02x"), Encoding::Avro(SchemaId::Id(258))),
            (
                Some(b"\0\0\0\0\0\0\0\0\x07x"),
                Encoding::Avro(SchemaId::Id(7)),
            ),
            (Some(b"\0\x01"), Encoding::Unknown),
            (Some(b"{"), Encoding::Unknown),
        ] {
            assert_eq!(look(bytes, None).key, encoding);
            assert_eq!(look(None, bytes).value, encoding);
        }
    }

    #[test]
    fn what_the_registry_has_a_schema_of_is_avro_or_json() {
        let json = look(
            None,
            Some(b"\0\0\0\0\x09{\"op\":\"c\",\"after\":{\"id\":1}}"),
        );
        assert_eq!(json.value, Encoding::Registered(SchemaId::Id(9)));
        assert!(matches!(json.shape, Shape::Envelope { .. }));
        assert_eq!(json.untyped, None);
        let avro = look(None, Some(b"\0\0\0\0\x09{"));
        assert_eq!(avro.value, Encoding::Avro(SchemaId::Id(9)));
        assert_eq!(avro.value.to_string(), "Avro, schema 9");
    }

    #[test]
    fn only_rows_without_a_schema_are_untyped() {
        let bare = br#"{"op":"u","before":null,"after":{"id":1},"source":{"schema":"public","table":"products"}}"#;
        let bare = look(None, Some(bare));
        assert_eq!(bare.table.as_deref(), Some("public.products"));
        assert_eq!(bare.untyped.map(|row| row.len()), Some(1));
        let shape = Shape::Envelope {
            op: "u".to_owned(),
            has_before: false,
        };
        assert_eq!(bare.shape, shape);
        let wrapped = br#"{"schema":{},"payload":{"op":"u","after":{"id":1}}}"#;
        assert_eq!(look(None, Some(wrapped)).untyped, None);
        let flattened = look(None, Some(br#"{"id":1,"__deleted":"false"}"#));
        let shape = Shape::Flattened {
            op: None,
            says_deleted: true,
        };
        assert_eq!(flattened.shape, shape);
    }
}
