//! The schema that a record was written with, as a schema registry keeps it.

use std::fmt;

use uuid::Uuid;

/// What a record, or one of its headers, says about the schema it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaId {
    /// Confluent's id, in four bytes; Apicurio's content id, in four or eight.
    Id(u64),
    /// Confluent's globally unique id.
    Guid(Uuid),
    /// Apicurio's global id, which counts versions of artifacts, not contents. It can be the number
    /// of another schema's content id.
    Global(u64),
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "schema {id}"),
            Self::Guid(guid) => write!(f, "schema {guid}"),
            Self::Global(id) => write!(f, "schema with the global id {id}"),
        }
    }
}

/// A schema as its registry has it. It never changes: another text gets another id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterSchema {
    /// Its language.
    pub language: SchemaLanguage,
    /// Its text.
    pub text: Box<str>,
    /// The texts of the schemas whose names it uses, each behind those that it uses itself.
    pub references: Vec<Box<str>>,
}

/// What a schema is written in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaLanguage {
    /// Avro: the record is Avro's binary encoding.
    Avro,
    /// JSON Schema: the record is JSON.
    JsonSchema,
    /// Something else, such as Protobuf, by the registry's name for it.
    Other(Box<str>),
}
