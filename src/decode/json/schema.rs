//! The Kafka Connect schema that travels with a value: what its columns are.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::record::ColumnType;

use super::{super::logical_name, row::MOST_COLUMNS};

/// The columns' types, by name, of the rows inside an envelope, or of a flattened row or a key.
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
            .map_or(ColumnType::Plain, |(_, column_type)| column_type.clone())
    }

    /// From the schema of an envelope: the fields of `after`; of anything else: its own fields.
    fn parse(schema: &RawValue) -> Result<Self, serde_json::Error> {
        let schema: Schema<'_> = serde_json::from_str(schema.get())?;
        let after = schema
            .fields
            .iter()
            .find(|field| field.field.as_deref() == Some("after") && !field.fields.is_empty());
        let columns = after
            .map_or(&schema.fields, |after| &after.fields)
            .iter()
            .take(MOST_COLUMNS)
            .filter_map(|field| Some((field.field.as_deref()?.into(), field.column_type())))
            .collect();
        Ok(Self { columns })
    }
}

/// One field, or the schema itself: the parts of Connect's JSON schema that matter here.
#[derive(Deserialize)]
struct Schema<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    fields: Vec<Schema<'a>>,
    #[serde(borrow, default)]
    items: Option<Box<Schema<'a>>>,
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

impl Schema<'_> {
    fn column_type(&self) -> ColumnType {
        if let Some(name) = self.name.as_deref() {
            let scale = self
                .parameters
                .as_ref()
                .and_then(|parameters| parameters.scale.as_deref())
                .and_then(|scale| scale.parse().ok());
            return logical_name::column_type(name, scale);
        }
        match (&*self.kind, &self.items) {
            ("array", Some(items)) => match items.column_type() {
                ColumnType::Plain => ColumnType::Plain,
                element => ColumnType::Array(Box::new(element)),
            },
            ("bytes", _) => ColumnType::Bytes,
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
    /// Loads this schema; says whether it is another than the last one.
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
            .map_or(ColumnType::Untyped, |(_, schema)| schema.column_type(name))
    }
}
