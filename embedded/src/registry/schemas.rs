//! The schemas, by id and by subject and version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A schema as it is registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Its text.
    pub schema: String,
    /// `JSON` for JSON Schema; unset for Avro.
    #[serde(
        default,
        rename = "schemaType",
        skip_serializing_if = "Option::is_none"
    )]
    pub schema_type: Option<String>,
    /// The schemas whose names it uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
}

impl Schema {
    /// An Avro schema that refers to no other.
    pub fn avro(text: impl Into<String>) -> Self {
        Self {
            schema: text.into(),
            schema_type: None,
            references: Vec::new(),
        }
    }

    /// The id that this schema has in every registry.
    pub(super) fn guid(&self) -> Uuid {
        let text = serde_json::to_vec(self).expect("texts are always JSON");
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &text)
    }
}

/// A schema that another refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// The full name that is referred to.
    pub name: String,
    /// The subject that the schema is registered under.
    pub subject: String,
    /// The version of that subject.
    pub version: u32,
}

/// All schemas.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    by_id: BTreeMap<u32, Schema>,
    subjects: BTreeMap<String, Vec<u32>>,
}

impl Schemas {
    /// The id of a schema under a subject: the one that it has, or the next free one.
    pub(super) fn register(&mut self, subject: &str, schema: Schema) -> u32 {
        let known = self.by_id.iter().find(|(_, known)| **known == schema);
        let id = match known {
            Some((id, _)) => *id,
            None => self.by_id.last_key_value().map_or(1, |(last, _)| last + 1),
        };
        self.by_id.insert(id, schema);
        let versions = self.subjects.entry(subject.to_owned()).or_default();
        if !versions.contains(&id) {
            versions.push(id);
        }
        id
    }

    pub(super) fn put(&mut self, id: u32, schema: Schema) {
        self.by_id.insert(id, schema);
    }

    pub(super) fn forget(&mut self, id: u32) {
        self.by_id.remove(&id);
    }

    pub(super) fn by_id(&self, id: u32) -> Option<&Schema> {
        self.by_id.get(&id)
    }

    pub(super) fn by_guid(&self, guid: Uuid) -> Option<&Schema> {
        self.by_id.values().find(|schema| schema.guid() == guid)
    }

    pub(super) fn has_subject(&self, subject: &str) -> bool {
        self.subjects.contains_key(subject)
    }

    /// A version, by number or as `latest`, with its number and id.
    pub(super) fn version(&self, subject: &str, version: &str) -> Option<(usize, u32, &Schema)> {
        let versions = self.subjects.get(subject)?;
        let number = match version {
            "latest" | "-1" => versions.len(),
            number => number.parse().ok()?,
        };
        let id = *versions.get(number.checked_sub(1)?)?;
        Some((number, id, self.by_id.get(&id)?))
    }
}
