//! Decode: a [`RawRecord`] comes in, what it says about one row goes out.
//!
//! Key and value are told apart from their schemas independently: each may be Avro, or JSON
//! `{schema, payload}` or bare, as the connector's converter for each is configured; a value may be
//! Debezium's envelope or a flattened row. What carries no row is recognised and skipped; what can't be read
//! is a [`Failure`] of that record alone.
//!
//! Avro's schemas come from a registry, which this stage does not know: it says which one is
//! missing ([`Decoder::missing_schema`]), and is told ([`Decoder::learn`]).
//!
//! Reading is split in two: an encoding (`json`, `avro`) yields columns and the parts of an envelope;
//! what a column's value is (`convert`, by [`ColumnType`](crate::record::ColumnType)) and what
//! the parts mean together (`change`, `flattened`) is the same for all.

mod avro;
mod change;
mod convert;
mod decimal;
mod flattened;
mod geometry;
mod json;
mod key;
mod logical_name;
mod schemas;
mod settings;
mod temporal;
pub(crate) mod wire;

use crate::{
    error::Failure,
    record::{
        Origin, Position, RawRecord, Row, RowChange, RowKey, RowState, SchemaId, WriterSchema,
    },
};

use change::{Change, Operation};
use json::JsonReader;
use schemas::{Encoding, Schemas};
use wire::Part;

pub use settings::RowSettings;

/// What one record turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// News about a row.
    Change(RowChange),
    /// The table was truncated: every row from before this position is gone.
    Truncate(Position),
    /// A record that carries no row.
    Skip(Skip),
}

/// Records that carry no row, told by their shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// A logical-decoding message (`op` is `m`).
    Message,
    /// A heartbeat.
    Heartbeat,
    /// A transaction marker.
    Transaction,
    /// A change of the database's schema.
    SchemaChange,
    /// A notification of the connector's.
    Notification,
    /// The tombstone of a row without key.
    Tombstone,
}

impl Skip {
    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Heartbeat => "heartbeat",
            Self::Transaction => "transaction",
            Self::SchemaChange => "schema_change",
            Self::Notification => "notification",
            Self::Tombstone => "tombstone",
        }
    }
}

/// Reads a table's records. It remembers the schemas and column names it has met, so each
/// partition has one of its own.
#[derive(Debug, Default)]
pub struct Decoder {
    settings: RowSettings,
    json: JsonReader,
    schemas: Schemas,
}

impl Decoder {
    /// A decoder of rows as the settings say.
    pub fn new(settings: RowSettings) -> Self {
        Self {
            settings,
            json: JsonReader::default(),
            schemas: Schemas::default(),
        }
    }

    /// A schema that the record was written with and that is to be [learnt](Self::learn) before the
    /// record is decoded.
    pub fn missing_schema(&self, raw: &RawRecord) -> Option<SchemaId> {
        [(Part::Key, &raw.key), (Part::Value, &raw.value)]
            .into_iter()
            .find_map(|(part, bytes)| {
                let framed = wire::unframe(part, bytes.as_deref()?, &raw.headers).ok()?;
                framed.schema.filter(|id| !self.schemas.has(*id))
            })
    }

    /// Takes note of a schema. One that can't be used makes its records fail.
    pub fn learn(&mut self, id: SchemaId, schema: &WriterSchema) {
        self.schemas.learn(id, schema, &self.settings);
    }

    /// The canonical key of a record; see [`RowKey`].
    ///
    /// Cheaper than decoding the record: enough to know that the index already reflects it.
    pub fn key(&mut self, raw: &RawRecord) -> Result<RowKey, Failure> {
        let bytes = raw
            .key
            .as_deref()
            .ok_or_else(|| key::no_key(&self.settings.section))?;
        let framed = wire::unframe(Part::Key, bytes, &raw.headers)?;
        match self.schemas.encoding(framed.schema)? {
            Encoding::Json => self.json.key(framed.data, &self.settings),
            Encoding::Avro(reader) => reader.key(framed.data, &self.settings),
        }
    }

    /// What a record says; `key` is what [`key`](Self::key) made of it, needed only if it is
    /// about a row.
    pub fn decode(
        &mut self,
        raw: &RawRecord,
        key: Result<RowKey, Failure>,
    ) -> Result<Decoded, Failure> {
        let Some(change) = self.change(raw)? else {
            if raw.key.is_none() && !self.settings.key_columns.is_empty() {
                // It follows the delete of a row without key, and says nothing more.
                return Ok(Decoded::Skip(Skip::Tombstone));
            }
            let position = position(raw, None);
            return Ok(decoded(key?, RowState::Gone, position, Origin::Changed));
        };
        let position = position(raw, Some(&change));
        let origin = match change.operation {
            Operation::Create(_) => Origin::Created,
            Operation::Read(_) => Origin::Read,
            _ => Origin::Changed,
        };
        let (state, row_of_key) = match change.operation {
            Operation::Skip(skip) => return Ok(Decoded::Skip(skip)),
            Operation::Truncate => return Ok(Decoded::Truncate(position)),
            Operation::Create(row) | Operation::Upsert(row) | Operation::Read(row) => {
                (RowState::Present(row), None)
            }
            Operation::Delete(row) => (RowState::Gone, row.or_else(|| change.before.clone())),
        };
        let key = match (
            key,
            raw.key.is_some() || self.settings.key_columns.is_empty(),
        ) {
            (key, true) => key?,
            (_, false) => {
                self.key_of_columns(&state, row_of_key.as_ref(), change.before.as_ref())?
            }
        };
        Ok(decoded(key, state, position, origin))
    }

    /// What the value says; `None` of a tombstone.
    fn change(&mut self, raw: &RawRecord) -> Result<Option<Change>, Failure> {
        let Some(value) = raw.value.as_deref() else {
            return Ok(None);
        };
        let framed = wire::unframe(Part::Value, value, &raw.headers)?;
        match self.schemas.encoding(framed.schema)? {
            // Flattened without schemas, a tombstone arrives as the literal `null`.
            Encoding::Json if framed.data == b"null" => Ok(None),
            Encoding::Json => self.json.value(framed.data, &self.settings).map(Some),
            Encoding::Avro(reader) => reader.value(framed.data, &self.settings).map(Some),
        }
    }

    /// The key of a record without one, by the configured columns.
    fn key_of_columns(
        &self,
        state: &RowState,
        deleted: Option<&Row>,
        before: Option<&Row>,
    ) -> Result<RowKey, Failure> {
        let RowSettings {
            key_columns: columns,
            section,
            ..
        } = &self.settings;
        let row = match state {
            RowState::Present(row) => row,
            RowState::Gone => deleted.ok_or_else(|| {
                Failure::record(
                    "no_key",
                    "a row without key was deleted, and the record doesn't say which; run `ALTER TABLE … REPLICA IDENTITY FULL`",
                )
            })?,
        };
        let key = key::of_columns(row, columns, section)?;
        if let (RowState::Present(_), Some(before)) = (state, before)
            && key::of_columns(before, columns, section)? != key
        {
            return Err(Failure::record(
                "key_changed",
                "the columns that rows.key_columns names were changed; set the connector's message.key.columns, so that it sends a delete and a create",
            ));
        }
        Ok(key)
    }
}

fn position(raw: &RawRecord, change: Option<&Change>) -> Position {
    Position {
        commit_ms: change.and_then(|change| change.commit_ms),
        source: change.and_then(|change| change.source),
        ..Position::of_record(raw)
    }
}

fn decoded(key: RowKey, state: RowState, position: Position, origin: Origin) -> Decoded {
    Decoded::Change(RowChange {
        key,
        state,
        position,
        origin,
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

#[cfg(test)]
mod robustness;
