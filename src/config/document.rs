//! `[document]`, `[document.columns]` and `[document.payload]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    column_names::{ColumnNames, or_none},
    validate::Report,
};

/// The payload field that holds what Vectide itself must know of a point.
const RESERVED_FIELD: &str = "_vectide";

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
    /// Columns that a row may lack: they then count as null. Every other column that the text is
    /// made of, or that `document.payload.include` names, is needed: rows that lack it are held,
    /// and their table is blocked, until the configuration or a later row says what to do.
    pub optional: Vec<String>,
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
            optional: Vec::new(),
            ignore: Vec::new(),
            point_id: PointIdKind::default(),
            store_source_columns: true,
        }
    }
}

/// The columns behind the default text's lines: one column, or a list of the names that it may
/// have, of which the first that a row has counts, as while a column is being renamed:
/// `["name", "title"]`. A line is left out where its column is `""`, or null in the row. A row
/// without the column blocks its table, unless `document.optional` names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DocumentColumns {
    /// The column behind the line `Product: …`.
    #[serde(with = "or_none")]
    #[schemars(with = "ColumnNames")]
    pub product: Option<ColumnNames>,
    /// The column behind the line `Category: …`.
    #[serde(with = "or_none")]
    #[schemars(with = "ColumnNames")]
    pub category: Option<ColumnNames>,
    /// The column behind the line `Price: …`. Left out of the text by default, because then
    /// every price change would buy a new embedding; name the column to have the line.
    #[serde(with = "or_none")]
    #[schemars(with = "ColumnNames")]
    pub price: Option<ColumnNames>,
    /// The column behind the line `Description: …`.
    #[serde(with = "or_none")]
    #[schemars(with = "ColumnNames")]
    pub description: Option<ColumnNames>,
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
    /// Payload fields with a name of their own: column to field. Where another column has the
    /// field's name itself, both serve the field, as while a column is being renamed; of a row
    /// that has both, the one of that name wins.
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

impl DocumentConfig {
    /// Refuses by key; `section` is where this stands, such as `document`.
    pub(super) fn validate(&self, section: &str, report: &mut Report) {
        match &self.template {
            Some(template) => validate_template(&format!("{section}.template"), template, report),
            None => report.refuse_if(
                self.columns.is_empty(),
                format!("{section}.columns"),
                "names no column: there would be no text to embed",
            ),
        }
        self.payload.validate(&format!("{section}.payload"), report);
    }
}

fn validate_template(key: &str, template: &str, report: &mut Report) {
    report.not_blank(key, template);
    let environment = minijinja::Environment::new();
    if let Err(error) = environment.template_from_str(template) {
        let line = error.line().map_or_else(String::new, |line| {
            format!(" (line {line} of the template)")
        });
        let what = error.detail().unwrap_or("syntax error");
        report.refuse(key, format!("{what}{line}"));
    }
}

impl DocumentColumns {
    fn is_empty(&self) -> bool {
        [
            &self.product,
            &self.category,
            &self.price,
            &self.description,
        ]
        .into_iter()
        .all(Option::is_none)
    }
}

impl PayloadConfig {
    fn validate(&self, section: &str, report: &mut Report) {
        for column in &self.exclude {
            report.refuse_if(
                self.include.contains(column),
                format!("{section}.exclude"),
                format!("{column:?} is included, too"),
            );
        }
        // By field: the column that is renamed to it.
        let mut fields: BTreeMap<&str, &str> = BTreeMap::new();
        for (column, field) in &self.rename {
            let key = format!("{section}.rename.{column}");
            report.refuse_if(field.trim().is_empty(), &key, "names no field");
            report.refuse_if(
                field == RESERVED_FIELD,
                &key,
                format!("{RESERVED_FIELD:?} is where Vectide keeps its own bookkeeping"),
            );
            let is_left_out = self.exclude.contains(column)
                || !(self.include.is_empty() || self.include.contains(column));
            report.refuse_if(is_left_out, &key, "renames a column that is left out");
            if let Some(other) = fields.insert(field, column) {
                report.refuse(
                    &key,
                    format!("the field {field:?} has the column {other:?} already"),
                );
            }
        }
    }
}
