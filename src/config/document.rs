//! `[document]`, `[document.columns]` and `[document.payload]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::absent;

/// How a row becomes the text that is embedded, the payload and the point's id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DocumentConfig {
    /// The text to embed, as a minijinja template over the row's columns, such as
    /// `"{{ title }}: {{ description }}"`. When absent, it is made of `document.columns`.
    pub template: Option<String>,
    /// The columns behind the lines of the text, when there is no `document.template`.
    pub columns: DocumentColumns,
    /// Which columns a searcher finds in the point's payload, and by which names.
    pub payload: PayloadConfig,
    /// Columns whose change alone changes nothing, such as `updated_at`: they do not make a
    /// payload differ. Written to the payload when something else changes.
    pub ignore: Vec<String>,
    /// What a point's id is made of.
    pub point_id: PointIdKind,
    /// Keep the columns that the text was made of in the point, so that a row which comes
    /// without its unchanged large values can be completed from the index.
    pub store_source_columns: bool,
}

impl Default for DocumentConfig {
    fn default() -> Self {
        Self {
            template: None,
            columns: DocumentColumns::default(),
            payload: PayloadConfig::default(),
            ignore: Vec::new(),
            point_id: PointIdKind::default(),
            store_source_columns: true,
        }
    }
}

/// The columns behind the default text's lines. A line is left out where its column is `""`,
/// absent from the row, or null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DocumentColumns {
    /// The column behind the line `Product: …`.
    #[serde(with = "absent::empty_text")]
    #[schemars(with = "String")]
    pub product: Option<String>,
    /// The column behind the line `Category: …`.
    #[serde(with = "absent::empty_text")]
    #[schemars(with = "String")]
    pub category: Option<String>,
    /// The column behind the line `Price: …`. Left out of the text by default, because then
    /// every price change would buy a new embedding; name the column to have the line.
    #[serde(with = "absent::empty_text")]
    #[schemars(with = "String")]
    pub price: Option<String>,
    /// The column behind the line `Description: …`.
    #[serde(with = "absent::empty_text")]
    #[schemars(with = "String")]
    pub description: Option<String>,
}

impl Default for DocumentColumns {
    fn default() -> Self {
        Self {
            product: Some("title".into()),
            category: Some("category".into()),
            price: None,
            description: Some("description".into()),
        }
    }
}

/// Which columns go into the payload.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PayloadConfig {
    /// The columns to take; empty means every column.
    pub include: Vec<String>,
    /// Columns to leave out of those taken.
    pub exclude: Vec<String>,
    /// Payload fields with a name of their own: column to field.
    pub rename: BTreeMap<String, String>,
}

/// How a point's id is made from a row's key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PointIdKind {
    /// A UUIDv5 of table and key: fits every key, and several tables in one collection.
    #[default]
    Uuid5,
    /// The key itself, where it is one column with whole numbers from 0 on, and of one table.
    Integer,
}
