//! One row in JSON: its columns' names, their types, and how each value becomes a [`Value`].

use std::{cell::Cell, fmt, sync::Arc};

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
    value::{MapAccessDeserializer, SeqAccessDeserializer},
};

use crate::record::{ColumnType, Placeholder, Row, Value};

use super::{
    super::{
        convert::{self, Mismatch},
        settings::RowSettings,
    },
    BorrowedName, mongodb,
    schema::SchemaCache,
};

/// More columns than any database's table can have (MySQL: 4,096) are refused.
pub(super) const MOST_COLUMNS: usize = 4_096;

/// Longer names of columns than any database has are refused, because names are remembered.
const LONGEST_NAME: usize = 1_024;

/// The columns of the rows read last, in their order: the next row most likely has the same, so
/// finding a column is one comparison, and all rows share the names.
#[derive(Debug, Default)]
pub(super) struct Columns {
    known: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    name: Arc<str>,
    value_type: ColumnType,
    /// One of its texts looked like an encoded number, and nothing says what it is: so nothing in
    /// it is taken for a text any more.
    encoded: Cell<bool>,
}

impl Columns {
    /// Forgets all types, because another schema was loaded.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }

    /// The column's place among those known.
    fn find(
        &mut self,
        index: usize,
        name: &str,
        schema: &SchemaCache,
        settings: &RowSettings,
    ) -> usize {
        if self
            .known
            .get(index)
            .is_some_and(|known| *known.name == *name)
        {
            return index;
        }
        if let Some(found) = self.known.iter().position(|known| *known.name == *name) {
            return found;
        }
        // A bound, so that objects with ever new names can't fill the memory.
        if self.known.len() >= MOST_COLUMNS {
            self.known.clear();
        }
        self.known.push(Column {
            name: Arc::from(name),
            value_type: settings.column_type(name, || schema.column_type(name)),
            encoded: Cell::new(false),
        });
        self.known.len() - 1
    }
}

/// Reads one row: an object, or, from MongoDB, the text of one.
pub(super) struct RowSeed<'a> {
    pub(super) columns: &'a mut Columns,
    pub(super) schema: &'a SchemaCache,
    pub(super) settings: &'a RowSettings,
}

impl RowSeed<'_> {
    /// Reads the columns; the name of the first may have been read already.
    pub(super) fn columns<'de, A: MapAccess<'de>>(
        self,
        first: Option<BorrowedName<'de>>,
        mut map: A,
    ) -> Result<Row, A::Error> {
        let mut row = Vec::with_capacity(self.columns.known.len());
        let mut next = match first {
            Some(first) => Some(first),
            None => map.next_key()?,
        };
        let mut index = 0;
        let mut in_order = true;
        while let Some(BorrowedName(name)) = next {
            if name.len() > LONGEST_NAME {
                return Err(A::Error::custom(format_args!(
                    "the name of a column is longer than {LONGEST_NAME} bytes"
                )));
            }
            let found = self.columns.find(index, &name, self.schema, self.settings);
            in_order &= found == index;
            if index >= MOST_COLUMNS {
                return Err(A::Error::custom(format_args!(
                    "the row has more than {MOST_COLUMNS} columns"
                )));
            }
            if let Some(column) = self.columns.known.get(found) {
                if column.value_type == ColumnType::Skipped {
                    map.next_value::<IgnoredAny>()?;
                } else {
                    let value = map.next_value_seed(ColumnSeed {
                        column,
                        column_type: &column.value_type,
                        placeholder: &self.settings.placeholder,
                    })?;
                    put(&mut row, in_order, &column.name, value);
                }
            }
            index += 1;
            next = map.next_key()?;
        }
        // A row may be held for long; room for the columns of others isn't charged to anybody.
        if row.capacity() > 2 * row.len() + 16 {
            row.shrink_to_fit();
        }
        Ok(Row::new(row))
    }
}

/// Of two columns of one name the last counts, as in most readers of JSON.
fn put(row: &mut Vec<(Arc<str>, Value)>, in_order: bool, name: &Arc<str>, value: Value) {
    if !in_order && let Some((_, earlier)) = row.iter_mut().find(|(known, _)| known == name) {
        *earlier = value;
    } else {
        row.push((name.clone(), value));
    }
}

/// What stands where a row is expected.
pub(super) enum Found {
    /// A row.
    Row(Row),
    /// Null.
    Null,
    /// Something else: the object around it is no envelope.
    Other,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row or null")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Found, A::Error> {
        self.columns(None, map).map(Found::Row)
    }

    fn visit_unit<E>(self) -> Result<Found, E> {
        Ok(Found::Null)
    }

    /// A document of MongoDB's.
    fn visit_str<E: Error>(self, text: &str) -> Result<Found, E> {
        if !text.starts_with('{') {
            return Ok(Found::Other);
        }
        mongodb::row(text, self.settings)
            .map(Found::Row)
            .map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Found, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Found, E> {
        Ok(Found::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Found, E> {
        Ok(Found::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Found, E> {
        Ok(Found::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Found, E> {
        Ok(Found::Other)
    }
}

struct ColumnSeed<'a> {
    column: &'a Column,
    column_type: &'a ColumnType,
    placeholder: &'a Placeholder,
}

impl ColumnSeed<'_> {
    fn error<E: Error>(&self, mismatch: &Mismatch) -> E {
        if matches!(mismatch, Mismatch::NeedsType(_)) {
            self.column.encoded.set(true);
        }
        E::custom(format_args!("column `{}`: {mismatch}", self.column.name))
    }
}

impl<'de> DeserializeSeed<'de> for ColumnSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ColumnSeed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(convert::from_bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(convert::from_int(self.column_type, value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(match i64::try_from(value) {
            Ok(value) => convert::from_int(self.column_type, value),
            Err(_) => Value::Decimal(value.to_string().into()),
        })
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(convert::from_float(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        let converted = if self.column.encoded.get() {
            convert::from_text_of_encoded(text, self.placeholder)
        } else {
            convert::from_text(self.column_type, text, self.placeholder)
        };
        converted.map_err(|mismatch| self.error(&mismatch))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        let json = serde_json::Value::deserialize(MapAccessDeserializer::new(map))?;
        convert::from_object(self.column_type, json, self.placeholder)
            .map_err(|mismatch| self.error(&mismatch))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Value, A::Error> {
        let array = serde_json::Value::deserialize(SeqAccessDeserializer::new(seq))?;
        convert::from_array(self.column_type, array, self.placeholder)
            .map_err(|mismatch| self.error(&mismatch))
    }
}
