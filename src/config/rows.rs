//! `[rows]` and `[rows.types]`.

use std::{borrow::Cow, collections::BTreeMap, fmt::Display, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::record::{Placeholder, TypeHint};

use super::validate::Report;

/// How the connector's rows are to be read, where the records themselves don't say it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RowsConfig {
    /// Columns' types, for records that carry no schema, and over what a schema says: `text`,
    /// `decimal` (digits), `decimal(2)` (base64 at that scale), `variable_decimal`, `date`,
    /// `time_millis`, `time_micros`, `time_nanos`, `timestamp_millis`, `timestamp_micros`,
    /// `timestamp_nanos`, `json`, `bytes`, `bits`, `set`, `geo` (a point, as Qdrant's
    /// longitude and latitude); with `[]` behind it for an array.
    pub types: BTreeMap<String, TypeHint>,
    /// For tables without a primary key, whose records have no key: the columns that are one.
    /// Safe only where rows are never changed, or the topic has one partition: without keys Kafka
    /// does not keep a row's changes in order. Better: the connector's `message.key.columns`.
    pub key_columns: Vec<String>,
    /// What happens to the points when the table is truncated.
    pub truncate: TruncatePolicy,
    /// The connector's `unavailable.value.placeholder`, which stands for a large value that did
    /// not change: a text, or `hex:` and bytes.
    #[serde(with = "as_text")]
    #[schemars(with = "String")]
    pub unavailable_placeholder: Placeholder,
    /// The prefix of the columns that `ExtractNewRecordState` adds to flattened rows
    /// (`add.fields.prefix`), such as `__op` and `__lsn`. `__deleted` is called so whatever it is.
    pub flattened_prefix: String,
}

impl Default for RowsConfig {
    fn default() -> Self {
        Self {
            types: BTreeMap::new(),
            key_columns: Vec::new(),
            truncate: TruncatePolicy::default(),
            unavailable_placeholder: Placeholder::default(),
            flattened_prefix: "__".into(),
        }
    }
}

/// What to do when a table is truncated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TruncatePolicy {
    /// The points of all rows from before the truncate go.
    #[default]
    Apply,
    /// The partition stops at the truncate and says so, until somebody has decided.
    Block,
    /// The points stay.
    Ignore,
}

impl RowsConfig {
    /// Refuses by key; `section` is where this stands, such as `rows`.
    pub(super) fn validate(&self, section: &str, report: &mut Report) {
        let key = &format!("{section}.key_columns");
        for (at, column) in self.key_columns.iter().enumerate() {
            report.not_blank(key, column);
            let earlier = self.key_columns.get(..at).unwrap_or_default();
            report.refuse_if(
                earlier.contains(column),
                key,
                format!("{column:?} is named twice"),
            );
        }
    }
}

impl JsonSchema for TypeHint {
    fn schema_name() -> Cow<'static, str> {
        "TypeHint".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "description": "A column's type, such as `decimal(2)`."})
    }
}

impl Serialize for TypeHint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TypeHint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        as_text::deserialize(deserializer)
    }
}

/// A value that is written as text.
mod as_text {
    use super::{Deserialize, Deserializer, Display, FromStr, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
