//! Records in JSON, as Kafka Connect's JSON converter writes them: each of key and value bare, or
//! with its schema around it as `{schema, payload}`.

mod key;
mod mongodb;
mod names;
mod row;
mod schema;
mod value;

use std::fmt;

use crate::{
    error::{Failure, quoted},
    record::{Row, RowKey},
};

use super::{change::Change, settings::RowSettings};

use names::BorrowedName;
use row::Columns;
use schema::SchemaCache;

/// Reads keys and values in JSON, and remembers what they have in common: the last schema, and the
/// columns in their order.
#[derive(Debug, Default)]
pub(super) struct JsonReader {
    key_schemas: SchemaCache,
    schemas: SchemaCache,
    columns: Columns,
}

impl JsonReader {
    /// The canonical form of a key.
    pub(super) fn key(&mut self, bytes: &[u8], settings: &RowSettings) -> Result<RowKey, Failure> {
        key::canonical(bytes, &mut self.key_schemas, settings)
    }

    /// What a value says.
    pub(super) fn value(
        &mut self,
        bytes: &[u8],
        settings: &RowSettings,
    ) -> Result<Change, Failure> {
        value::read(bytes, self, settings)
    }
}

/// What is wrong with a text, with what serde found in it quoted.
pub(super) fn complaint(error: &dyn fmt::Display) -> String {
    let said = error.to_string();
    for kind in ["invalid type: ", "invalid value: ", "unknown variant "] {
        if let Some(rest) = said.strip_prefix(kind)
            && let Some((found, expected)) = rest.rsplit_once(", expected ")
        {
            return format!("{kind}{}, expected {expected}", quoted(found));
        }
    }
    said
}

/// The row that the text of a MongoDB document holds.
pub(super) fn document(text: &str, settings: &RowSettings) -> Result<Row, serde_json::Error> {
    mongodb::row(text, settings)
}
