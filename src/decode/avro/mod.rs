//! Records in Avro's binary encoding, as schema registries' converters write them.
//!
//! A schema's JSON is compiled once, to types that refer to each other by number and to a plan: which
//! field is the operation, which columns are needed and of which type. Reading a record is one pass
//! over its bytes by that plan. `docs/adr/0010-own-avro-reader.md` says why no library does it.

mod change;
mod cursor;
mod key;
mod schema;
#[cfg(test)]
mod tests;
mod types;
mod value;

use crate::{
    decode::{change::Change, convert::Mismatch, settings::RowSettings, wire::Part},
    error::Failure,
    record::{RowKey, SchemaId, WriterSchema},
};

use self::{change::ChangePlan, key::KeyPlan, types::Types};

/// A schema, ready to be read by.
#[derive(Debug)]
pub(super) struct AvroReader {
    id: SchemaId,
    types: Types,
    key: KeyPlan,
    change: ChangePlan,
}

/// Why bytes are no value of their schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("it ends too early")]
    Truncated,
    #[error("{0} bytes follow its end")]
    Trailing(usize),
    #[error("a number is longer than 64 bits")]
    Number,
    #[error("{0} stands for neither true nor false")]
    Boolean(u8),
    #[error("a text is not UTF-8")]
    NotUtf8,
    #[error("{0} is no length that it can have")]
    Length(i64),
    #[error("{chosen} is none of the {count} branches or symbols")]
    Choice { chosen: i64, count: usize },
    #[error("its values lie too deep in each other")]
    TooDeep,
    #[error("it has more values than its bytes can hold")]
    TooMany,
    #[error("it has a decimal that is none")]
    Decimal,
    #[error("`after` is no document: {0}")]
    Document(String),
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    #[error("column `{column}`: {why}")]
    Column { column: String, why: Box<Broken> },
}

impl Broken {
    fn in_column(self, column: &str) -> Self {
        Self::Column {
            column: column.to_owned(),
            why: Box::new(self),
        }
    }
}

impl AvroReader {
    /// Compiles a schema for rows that are read as the settings say.
    pub(super) fn new(
        id: SchemaId,
        schema: &WriterSchema,
        settings: &RowSettings,
    ) -> Result<Self, Failure> {
        let (types, root) = schema::compile(schema).map_err(|error| {
            Failure::record(
                "unusable_schema",
                format!("{id} of the registry can't be used: {error}"),
            )
        })?;
        Ok(Self {
            id,
            key: KeyPlan::new(&types, root, settings),
            change: ChangePlan::new(&types, root, settings),
            types,
        })
    }

    /// The canonical form of a key.
    pub(super) fn key(&self, data: &[u8], settings: &RowSettings) -> Result<RowKey, Failure> {
        self.key
            .read(&self.types, data, settings)
            .unwrap_or_else(|broken| Err(self.undecodable(Part::Key, &broken)))
    }

    /// What a value says.
    pub(super) fn value(&self, data: &[u8], settings: &RowSettings) -> Result<Change, Failure> {
        self.change
            .read(&self.types, data, settings)
            .unwrap_or_else(|broken| Err(self.undecodable(Part::Value, &broken)))
    }

    fn undecodable(&self, part: Part, broken: &Broken) -> Failure {
        part.undecodable(format!(
            "the record's {} is not the Avro of {}: {broken}",
            part.name(),
            self.id
        ))
    }
}
