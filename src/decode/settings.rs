//! How the rows of a table are to be read.

use std::collections::HashMap;

use crate::{
    config::RowsConfig,
    record::{ColumnType, NeededColumns, Placeholder, TypeHint},
};

use super::flattened;

/// How the rows of a table are to be read.
#[derive(Debug, Clone)]
pub struct RowSettings {
    hints: HashMap<String, TypeHint>,
    pub(super) placeholder: Placeholder,
    /// What the transform that flattens puts before the names of the columns it adds.
    pub(super) prefix: String,
    /// For records without a key: the columns of the value that are one.
    pub(super) key_columns: Vec<String>,
    needed: NeededColumns,
    /// Where this is configured, for messages.
    pub(super) section: String,
}

impl Default for RowSettings {
    fn default() -> Self {
        Self::new(&RowsConfig::default(), NeededColumns::all())
    }
}

impl RowSettings {
    /// By configuration; columns that aren't needed are skipped.
    pub fn new(config: &RowsConfig, needed: NeededColumns) -> Self {
        Self {
            hints: config
                .types
                .iter()
                .map(|(column, hint)| (column.clone(), hint.clone()))
                .collect(),
            placeholder: config.unavailable_placeholder.clone(),
            prefix: config.flattened_prefix.clone(),
            key_columns: config.key_columns.clone(),
            needed,
            section: "rows".to_owned(),
        }
    }

    /// The same, where the configuration has it in another section than `rows`: messages name it.
    #[must_use]
    pub fn in_section(self, section: String) -> Self {
        Self { section, ..self }
    }

    /// The type that the configuration gives a column.
    pub(super) fn hint(&self, column: &str) -> Option<&ColumnType> {
        self.hints.get(column).map(TypeHint::column_type)
    }

    /// A column's type: what the configuration says, else what its schema says.
    pub(super) fn column_type(
        &self,
        column: &str,
        by_schema: impl FnOnce() -> ColumnType,
    ) -> ColumnType {
        if flattened::is_added(column, &self.prefix) {
            return ColumnType::Plain;
        }
        let is_key = || self.key_columns.iter().any(|key| key == column);
        let is_needed = self.needed.contains(column) || flattened::tells_notifications(column);
        if !is_needed && !is_key() {
            return ColumnType::Skipped;
        }
        self.hint(column).cloned().unwrap_or_else(by_schema)
    }

    /// Whether the row before the change is of use: only to find the key of a table that has none.
    pub(super) fn needs_before(&self) -> bool {
        !self.key_columns.is_empty()
    }
}
