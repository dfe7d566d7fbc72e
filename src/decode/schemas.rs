//! The schemas that a partition's records were written with so far, each ready to be read by.

use hashbrown::HashMap;

use crate::{
    error::Failure,
    record::{SchemaId, SchemaLanguage, WriterSchema},
};

use super::{avro::AvroReader, settings::RowSettings};

/// How a key or value is to be read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Encoding<'a> {
    Json,
    Avro(&'a AvroReader),
}

/// Schemas by id.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    known: HashMap<SchemaId, Known>,
}

#[derive(Debug)]
enum Known {
    Avro(Box<AvroReader>),
    Json,
    /// Records that were written with it can't be read.
    Unusable(Failure),
}

impl Schemas {
    pub(super) fn has(&self, id: SchemaId) -> bool {
        self.known.contains_key(&id)
    }

    pub(super) fn learn(&mut self, id: SchemaId, schema: &WriterSchema, settings: &RowSettings) {
        let known = match &schema.language {
            SchemaLanguage::Avro => match AvroReader::new(id, schema, settings) {
                Ok(reader) => Known::Avro(Box::new(reader)),
                Err(failure) => Known::Unusable(failure),
            },
            SchemaLanguage::JsonSchema => Known::Json,
            SchemaLanguage::Other(language) => Known::Unusable(Failure::record(
                "unusable_schema",
                format!(
                    "{id} of the registry is in {}, which can't be read: let the connector write Avro or JSON",
                    language.escape_debug()
                ),
            )),
        };
        self.known.insert(id, known);
    }

    /// How what was written with a schema is to be read; without one it is JSON.
    pub(super) fn encoding(&self, schema: Option<SchemaId>) -> Result<Encoding<'_>, Failure> {
        let Some(id) = schema else {
            return Ok(Encoding::Json);
        };
        match self.known.get(&id) {
            Some(Known::Avro(reader)) => Ok(Encoding::Avro(reader)),
            Some(Known::Json) => Ok(Encoding::Json),
            Some(Known::Unusable(failure)) => Err(failure.clone()),
            None => Err(Failure::record(
                "unknown_schema",
                format!("{id} was not looked up"),
            )),
        }
    }
}
