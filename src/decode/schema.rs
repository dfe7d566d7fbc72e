//! The Kafka Connect schema that travels with each value: which columns need more than their JSON.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::column::ColumnType;

/// The columns' types, by name, of the rows inside an envelope.
#[derive(Debug, Default)]
pub(super) struct RowSchema {
    columns: Vec<(Box<str>, ColumnType)>,
}

impl RowSchema {
    /// A column's type; plain for one the schema doesn't mention.
    pub(super) fn column_type(&self, name: &str) -> ColumnType {
        self.columns
            .iter()
            .find(|(column, _)| &**column == name)
            .map_or(ColumnType::Plain, |(_, column_type)| *column_type)
    }

    /// From the schema of an envelope: the fields of `after`.
    pub(super) fn parse(schema: &RawValue) -> Result<Self, serde_json::Error> {
        let envelope: Struct<'_> = serde_json::from_str(schema.get())?;
        let Some(after) = envelope
            .fields
            .iter()
            .find(|field| field.field.as_deref() == Some("after"))
        else {
            return Ok(Self::default());
        };
        let columns = after
            .fields
            .iter()
            .filter_map(|field| Some((field.field.as_deref()?.into(), field.column_type())))
            .collect();
        Ok(Self { columns })
    }
}

/// One field, or the schema itself: the parts of Connect's JSON schema that matter here.
#[derive(Deserialize)]
struct Struct<'a> {
    #[serde(borrow, default)]
    fields: Vec<Struct<'a>>,
    #[serde(borrow, default)]
    field: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(default)]
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(default)]
    scale: Option<String>,
}

impl Struct<'_> {
    fn column_type(&self) -> ColumnType {
        match self.name.as_deref() {
            Some("org.apache.kafka.connect.data.Decimal") => {
                let scale = self
                    .parameters
                    .as_ref()
                    .and_then(|parameters| parameters.scale.as_deref())
                    .and_then(|scale| scale.parse().ok());
                ColumnType::Decimal {
                    scale: scale.unwrap_or(0),
                }
            }
            Some("io.debezium.data.VariableScaleDecimal") => ColumnType::VariableScaleDecimal,
            _ => ColumnType::Plain,
        }
    }
}

/// Schemas met before. Each record repeats its schema, some kilobytes of it, so a record whose
/// schema is the last one's, byte for byte, costs one comparison.
#[derive(Debug, Default)]
pub(super) struct SchemaCache {
    last: Option<(Box<str>, RowSchema)>,
}

impl SchemaCache {
    /// The row schema inside this envelope schema, and whether it is another than the last one.
    pub(super) fn load(&mut self, schema: &RawValue) -> Result<bool, serde_json::Error> {
        if self
            .last
            .as_ref()
            .is_some_and(|(text, _)| **text == *schema.get())
        {
            return Ok(false);
        }
        let parsed = RowSchema::parse(schema)?;
        self.last = Some((schema.get().into(), parsed));
        Ok(true)
    }

    /// Forgets the schema: the record at hand has none. Says whether there was one.
    pub(super) fn unload(&mut self) -> bool {
        self.last.take().is_some()
    }

    /// The type of a column under the schema last loaded.
    pub(super) fn column_type(&self, name: &str) -> ColumnType {
        self.last
            .as_ref()
            .map_or(ColumnType::Plain, |(_, schema)| schema.column_type(name))
    }
}
