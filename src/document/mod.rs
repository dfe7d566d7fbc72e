//! Document: a [`Row`] comes in, what the index should hold for it goes out.
//!
//! A [`Document`] is the text to embed, the payload a searcher sees, and a hash of each, by which
//! the index is compared with the table.

mod needed;
mod payload;
mod point;
mod template;

use std::sync::Arc;

use crate::{
    config::DocumentConfig,
    error::Failure,
    record::{Document, NeededColumns, Payload, Row, RowKey, TextHash, Value},
};

pub use payload::hash_of_fields;
pub use point::PointIds;
pub use template::{Template, TemplateError};

use payload::PayloadMapping;

/// Makes documents of rows. Each partition has one of its own: it remembers the layout of the rows
/// it has met.
#[derive(Debug, Clone)]
pub struct DocumentBuilder {
    template: Arc<Template>,
    payload: PayloadMapping,
    store_source_columns: bool,
    version_column: Option<String>,
}

impl DocumentBuilder {
    /// A builder by configuration; `version_column` is the window's.
    pub fn new(
        config: &DocumentConfig,
        version_column: Option<&str>,
    ) -> Result<Self, TemplateError> {
        Self::of_section("document", config, version_column)
    }

    /// Like [`new`](Self::new), where the configuration has it in this section: messages name it.
    pub fn of_section(
        section: &str,
        config: &DocumentConfig,
        version_column: Option<&str>,
    ) -> Result<Self, TemplateError> {
        Ok(Self {
            version_column: version_column.map(str::to_owned),
            template: Arc::new(Template::new(config, section)?),
            payload: PayloadMapping::new(config, section),
            store_source_columns: config.store_source_columns,
        })
    }

    /// The columns that documents are made of: no other need be decoded.
    pub fn needed_columns(&self) -> NeededColumns {
        let made_of = self
            .template
            .columns()
            .chain(self.version_column.as_deref());
        self.payload.needed_columns(made_of)
    }

    /// Like [`build`](Self::build), but fails also when the text comes out empty: for whoever has no use
    /// for a row that can't be embedded.
    pub fn build_with_text(&mut self, key: &RowKey, row: &Row) -> Result<Document, Failure> {
        let document = self.build(row)?;
        document.without_text(key).map_or(Ok(document), Err)
    }

    /// The document of a row without unavailable values; see [`Self::unavailable`].
    ///
    /// Fails as blocked, because it concerns the whole table, when a column is missing (which is
    /// not the same as null) that text or payload need. Fails, as a fault of the record, when one
    /// is unavailable.
    pub fn build(&mut self, row: &Row) -> Result<Document, Failure> {
        if let Some(column) = self.unavailable(row).next() {
            return Err(unavailable_value(column));
        }
        let text = self.template.render(row)?;
        let text_hash = TextHash::of_text(&text);
        let (payload, payload_hash) = self.payload.apply(row)?;
        let source_columns = if self.store_source_columns {
            self.source_columns(row)
        } else {
            Payload::default()
        };
        let version = self
            .version_column
            .as_deref()
            .and_then(|column| row.get(column))
            .map(payload::version_of);
        Ok(Document {
            text,
            text_hash,
            payload,
            payload_hash,
            source_columns,
            version,
        })
    }

    /// The payload of a row, which may have unavailable values. Fails when it lacks a column that is
    /// to be included.
    pub fn payload(&mut self, row: &Row) -> Result<Payload, Failure> {
        self.payload.apply(row).map(|(payload, _)| payload)
    }

    /// The columns that are needed and that the connector did not repeat, because they did not
    /// change (unchanged TOAST): never embedded and never stored, they must be
    /// [completed](Self::complete) first.
    pub fn unavailable<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = &'a Arc<str>> {
        row.columns()
            .iter()
            .filter(|(name, value)| {
                *value == Value::Unavailable
                    && (self.template.uses(name) || self.payload.keeps(name))
            })
            .map(|(name, _)| name)
    }

    /// The payload field that a column is in, if it is in any.
    pub fn field_of(&self, column: &str) -> Option<Arc<str>> {
        self.payload
            .keeps(column)
            .then(|| self.payload.field_of(column).into())
    }

    /// Fills a row's unavailable values from what an earlier state of the same row left: a
    /// document's, or a point's, payload and source columns. What isn't known stays unavailable.
    pub fn complete(&self, row: &mut Row, payload: &Payload, source_columns: &Payload) {
        row.fill(|column| {
            let known = if self.payload.keeps(column) {
                payload.get(self.payload.field_of(column))
            } else {
                source_columns.get(column)
            };
            known.cloned()
        });
    }

    fn source_columns(&self, row: &Row) -> Payload {
        row.columns()
            .iter()
            .filter(|(name, _)| self.template.uses(name) && !self.payload.keeps(name))
            .cloned()
            .collect::<Vec<(Arc<str>, Value)>>()
            .into()
    }
}

/// A value that did not change, and of which nothing is known.
pub fn unavailable_value(column: &str) -> Failure {
    Failure::record(
        "unavailable_value",
        format!(
            "column `{column}` did not change, the connector does not repeat it, and no earlier value is known; run `ALTER TABLE … REPLICA IDENTITY FULL` and touch the row, or leave the column out of text and payload"
        ),
    )
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
