//! One column, by the names it may have.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserializer, Serialize, Serializer,
    de::{SeqAccess, Visitor},
};

/// The names that one column may have: of these, the first that a row has counts. Written as one
/// name, or as a list of them; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnNames(Vec<String>);

impl ColumnNames {
    /// The names, the preferred one first.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

impl From<String> for ColumnNames {
    fn from(name: String) -> Self {
        Self(vec![name])
    }
}

impl From<&str> for ColumnNames {
    fn from(name: &str) -> Self {
        Self::from(name.to_owned())
    }
}

impl<const N: usize> From<[&str; N]> for ColumnNames {
    fn from(names: [&str; N]) -> Self {
        Self(names.map(str::to_owned).to_vec())
    }
}

/// The optional value of a key: `""` and `[]` name no column.
pub(super) mod or_none {
    use super::{ColumnNames, Deserializer, NamesVisitor, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde hands over the field by reference")]
    pub(crate) fn serialize<S: Serializer>(
        names: &Option<ColumnNames>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match names.as_ref().map(ColumnNames::names) {
            None => serializer.serialize_str(""),
            Some([name]) => serializer.serialize_str(name),
            Some(names) => names.serialize(serializer),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<ColumnNames>, D::Error> {
        let mut names = deserializer.deserialize_any(NamesVisitor)?;
        names.retain(|name| !name.is_empty());
        Ok(Some(ColumnNames(names)).filter(|names| !names.0.is_empty()))
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column's name, or a list of names")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(vec![name.to_owned()])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = seq.next_element()? {
            names.push(name);
        }
        Ok(names)
    }
}

/// For the schema alone; see `or_none`.
impl JsonSchema for ColumnNames {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ColumnNames".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "array"],
            "items": { "type": "string" },
            "format": "text-or-list",
        })
    }
}
