//! The payload of a point.

use std::sync::Arc;

use super::Value;

/// The payload field under which Vectide keeps its own bookkeeping; no column may take it.
pub const RESERVED_FIELD: &str = "_vectide";

/// A point's fields, as searchers see them. Cheap to clone: a document and the writes made of it
/// share them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Payload {
    fields: Arc<[(Arc<str>, Value)]>,
}

impl Payload {
    /// The fields, in order.
    pub fn fields(&self) -> &[(Arc<str>, Value)] {
        &self.fields
    }

    /// A field's value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields
            .iter()
            .find(|(field, _)| &**field == name)
            .map(|(_, value)| value)
    }
}

impl From<Vec<(Arc<str>, Value)>> for Payload {
    fn from(fields: Vec<(Arc<str>, Value)>) -> Self {
        Self {
            fields: fields.into(),
        }
    }
}
