//! One column: its name, its type, and how its JSON becomes a [`Value`].

use std::{fmt, sync::Arc};

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
    value::{MapAccessDeserializer, SeqAccessDeserializer},
};

use crate::record::{Row, Value};

use super::{decimal, key::BorrowedName, schema::SchemaCache};

/// Debezium's default for `unavailable.value.placeholder`, as a text column has it.
const UNAVAILABLE: &str = "__debezium_unavailable_value";

/// The same as bytes in base64, as a bytea column has it.
const UNAVAILABLE_BYTES: &str = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==";

/// The name-based UUID of it, as an array of uuids has it.
const UNAVAILABLE_UUID: &str = "b68a35a7-17ad-35b3-af2a-ae46edb4545a";

/// Whether an array or object is the form that the placeholder takes for its type: one element in
/// arrays of text, bytes, JSON and uuids; the placeholder's bytes in arrays of numbers; an entry of
/// an hstore.
fn is_unavailable(json: &serde_json::Value) -> bool {
    let is_placeholder =
        |text: &str| text == UNAVAILABLE || text == UNAVAILABLE_BYTES || text == UNAVAILABLE_UUID;
    match json {
        serde_json::Value::Array(values) => match values.as_slice() {
            [serde_json::Value::String(text)] => is_placeholder(text),
            numbers => {
                numbers.len() == UNAVAILABLE.len()
                    && numbers
                        .iter()
                        .zip(UNAVAILABLE.bytes())
                        .all(|(number, byte)| number.as_u64() == Some(u64::from(byte)))
            }
        },
        serde_json::Value::Object(fields) => {
            fields.len() == 1 && fields.keys().all(|name| is_placeholder(name))
        }
        _ => false,
    }
}

fn json_column(json: serde_json::Value) -> Value {
    if is_unavailable(&json) {
        Value::Unavailable
    } else {
        Value::Json(Box::new(json))
    }
}

/// How a column's JSON is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnType {
    /// As it stands.
    Plain,
    /// The base64 of an unscaled integer; the schema gives the scale.
    Decimal {
        /// Digits behind the point.
        scale: i32,
    },
    /// An object of scale and base64.
    VariableScaleDecimal,
}

/// The columns of the rows read last, in their order: the next row most likely has the same, so
/// finding a column is one comparison, and all rows share the names.
#[derive(Debug, Default)]
pub(super) struct Columns {
    known: Vec<(Arc<str>, ColumnType)>,
}

impl Columns {
    /// Forgets all types, because another schema was loaded.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }

    fn find(&mut self, index: usize, name: &str, schema: &SchemaCache) -> (Arc<str>, ColumnType) {
        if let Some((known, column_type)) = self.known.get(index)
            && **known == *name
        {
            return (known.clone(), *column_type);
        }
        if let Some((known, column_type)) = self.known.iter().find(|(known, _)| **known == *name) {
            return (known.clone(), *column_type);
        }
        let column = (Arc::from(name), schema.column_type(name));
        // A bound, so that objects with ever new names can't fill the memory.
        if self.known.len() < 4_096 {
            self.known.push(column.clone());
        }
        column
    }
}

/// Reads one row object.
pub(super) struct RowSeed<'a> {
    pub(super) columns: &'a mut Columns,
    pub(super) schema: &'a SchemaCache,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = Option<Row>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = Option<Row>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut row = Vec::with_capacity(self.columns.known.len());
        while let Some(BorrowedName(name)) = map.next_key::<BorrowedName<'de>>()? {
            let (name, column_type) = self.columns.find(row.len(), &name, self.schema);
            let value = map.next_value_seed(ColumnSeed {
                name: &name,
                column_type,
            })?;
            row.push((name, value));
        }
        Ok(Some(Row::new(row)))
    }
}

struct ColumnSeed<'a> {
    name: &'a str,
    column_type: ColumnType,
}

impl ColumnSeed<'_> {
    fn no_decimal<E: Error>(&self) -> E {
        E::custom(format_args!("column `{}` is no decimal", self.name))
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
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value)
            .map_or_else(|_| Value::Decimal(value.to_string().into()), Value::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        match self.column_type {
            ColumnType::Decimal { scale } => decimal::from_base64(text, scale)
                .map(Value::Decimal)
                .ok_or_else(|| self.no_decimal()),
            _ if text == UNAVAILABLE || text == UNAVAILABLE_BYTES => Ok(Value::Unavailable),
            ColumnType::Plain | ColumnType::VariableScaleDecimal => Ok(Value::String(text.into())),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        let object = MapAccessDeserializer::new(map);
        if self.column_type == ColumnType::VariableScaleDecimal {
            let parts = ScaleAndValue::deserialize(object)?;
            return decimal::from_base64(&parts.value, parts.scale)
                .map(Value::Decimal)
                .ok_or_else(|| self.no_decimal());
        }
        serde_json::Value::deserialize(object).map(json_column)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Value, A::Error> {
        let array = SeqAccessDeserializer::new(seq);
        serde_json::Value::deserialize(array).map(json_column)
    }
}

#[derive(Deserialize)]
struct ScaleAndValue {
    scale: i32,
    value: String,
}

/// Skips a value that nothing needs.
pub(super) type Ignored = IgnoredAny;
