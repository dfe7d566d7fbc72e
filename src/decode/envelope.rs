//! Debezium's envelope, `{before, after, source, op, …}`, bare or inside `{schema, payload}`.
//!
//! Read in one pass: what isn't needed (`before`, most of `source`) is skipped without being built.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{error::Failure, record::Row};

use super::{
    Skip,
    column::{Columns, Ignored, RowSeed},
    key::BorrowedName,
    schema::SchemaCache,
};

/// What an envelope says, as far as the key doesn't.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) operation: Operation,
    pub(super) commit_ms: Option<i64>,
    pub(super) lsn: Option<u64>,
}

/// What happened to the row.
#[derive(Debug)]
pub(super) enum Operation {
    /// Created, updated, or read by a snapshot: this is the row now.
    Upsert(Row),
    /// Deleted.
    Delete,
    /// No row.
    Skip(Skip),
}

/// Reads envelopes, and remembers what they have in common.
#[derive(Debug, Default)]
pub(super) struct EnvelopeReader {
    schemas: SchemaCache,
    columns: Columns,
}

impl EnvelopeReader {
    pub(super) fn read(&mut self, value: &[u8]) -> Result<Envelope, Failure> {
        let mut json = serde_json::Deserializer::from_slice(value);
        let parts = ValueSeed { reader: self }
            .deserialize(&mut json)
            .and_then(|parts| json.end().map(|()| parts))
            .map_err(|error| {
                Failure::record(
                    "undecodable_value",
                    format!("the record's value is not the JSON of a change: {error}"),
                )
            })?;
        parts.into_envelope()
    }
}

/// The parts of an envelope as met; which of them must be there depends on the operation.
#[derive(Default)]
struct Parts<'de> {
    op: Option<Cow<'de, str>>,
    after: Option<Row>,
    source: Source,
    has_status: bool,
    only_time: bool,
    fields: usize,
}

#[derive(Default, Deserialize)]
struct Source {
    #[serde(default)]
    ts_ms: Option<i64>,
    /// Another type in other databases than PostgreSQL.
    #[serde(default)]
    lsn: Option<serde_json::Value>,
}

impl Parts<'_> {
    fn into_envelope(self) -> Result<Envelope, Failure> {
        let operation = match self.op.as_deref() {
            Some("c" | "u" | "r") => Operation::Upsert(self.after.ok_or_else(|| {
                Failure::record("no_row", "the envelope's `after` is missing or null")
            })?),
            Some("d") => Operation::Delete,
            Some("m") => Operation::Skip(Skip::Message),
            Some("t") => {
                return Err(Failure::record(
                    "truncate",
                    "the table was truncated; this version does not apply truncates: rebuild the collection, or set the connector's skipped.operations=t",
                ));
            }
            Some(other) => {
                return Err(Failure::record(
                    "unknown_operation",
                    format!(
                        "the envelope's operation `{}` is unknown",
                        other.escape_debug()
                    ),
                ));
            }
            None if self.only_time && self.fields == 1 => Operation::Skip(Skip::Heartbeat),
            None if self.has_status => Operation::Skip(Skip::Transaction),
            None => {
                return Err(Failure::record(
                    "no_envelope",
                    "the value is JSON, but no Debezium envelope: it has no `op`",
                ));
            }
        };
        Ok(Envelope {
            operation,
            commit_ms: self.source.ts_ms,
            lsn: self.source.lsn.as_ref().and_then(serde_json::Value::as_u64),
        })
    }
}

/// The outermost object: an envelope, or `{schema, payload}` around one.
struct ValueSeed<'a> {
    reader: &'a mut EnvelopeReader,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Parts<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Parts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let reader = self.reader;
        let mut parts = Parts::default();
        let mut payload_before_schema: Option<&'de RawValue> = None;
        let mut wrapped = None;
        let mut schema_seen = false;
        while let Some(BorrowedName(name)) = map.next_key::<BorrowedName<'de>>()? {
            match &*name {
                "schema" => {
                    let schema: Option<&'de RawValue> = map.next_value()?;
                    let changed = match schema {
                        Some(schema) => reader.schemas.load(schema).map_err(A::Error::custom)?,
                        None => reader.schemas.unload(),
                    };
                    if changed {
                        reader.columns.clear();
                    }
                    schema_seen = true;
                }
                "payload" if schema_seen => {
                    wrapped = map.next_value_seed(PayloadSeed { reader })?;
                }
                "payload" => payload_before_schema = Some(map.next_value()?),
                field => {
                    if parts.fields == 0 && !schema_seen && reader.schemas.unload() {
                        reader.columns.clear();
                    }
                    parts.read(field, &mut map, reader)?;
                }
            }
        }
        if let Some(payload) = payload_before_schema {
            let mut json = serde_json::Deserializer::from_str(payload.get());
            wrapped = PayloadSeed { reader }
                .deserialize(&mut json)
                .map_err(A::Error::custom)?;
        }
        Ok(wrapped.unwrap_or(parts))
    }
}

/// The envelope inside `payload`; `None` when the payload is null.
struct PayloadSeed<'a> {
    reader: &'a mut EnvelopeReader,
}

impl<'de> DeserializeSeed<'de> for PayloadSeed<'_> {
    type Value = Option<Parts<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for PayloadSeed<'_> {
    type Value = Option<Parts<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an envelope or null")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut parts = Parts::default();
        while let Some(BorrowedName(name)) = map.next_key::<BorrowedName<'de>>()? {
            parts.read(&name, &mut map, self.reader)?;
        }
        Ok(Some(parts))
    }
}

impl<'de> Parts<'de> {
    /// Reads the value of one field of the envelope.
    fn read<A: MapAccess<'de>>(
        &mut self,
        field: &str,
        map: &mut A,
        reader: &mut EnvelopeReader,
    ) -> Result<(), A::Error> {
        self.fields += 1;
        match field {
            "op" => {
                self.op = map
                    .next_value::<Option<BorrowedName<'de>>>()?
                    .map(|op| op.0);
            }
            "after" => {
                self.after = map.next_value_seed(RowSeed {
                    columns: &mut reader.columns,
                    schema: &reader.schemas,
                })?;
            }
            "source" => self.source = map.next_value::<Option<Source>>()?.unwrap_or_default(),
            "status" => {
                self.has_status = true;
                map.next_value::<Ignored>()?;
            }
            "ts_ms" => {
                self.only_time = true;
                map.next_value::<Ignored>()?;
            }
            _ => {
                map.next_value::<Ignored>()?;
            }
        }
        Ok(())
    }
}
