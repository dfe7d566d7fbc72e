//! A row and its columns' values.

use std::sync::Arc;

/// A column's value, as far as text and payload need to tell types apart.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL null.
    Null,
    /// A truth value.
    Bool(bool),
    /// Any integer that fits.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// An exact decimal in plain notation, such as `19.90`: scale kept, no exponent.
    Decimal(Box<str>),
    /// Text, and whatever has no better form: dates as the connector writes them, uuids, enums.
    String(Box<str>),
    /// The connector's placeholder for a column that did not change and that PostgreSQL did not
    /// repeat (unchanged TOAST). It is no value: it is never embedded and never stored.
    Unavailable,
    /// An object or an array.
    Json(Box<serde_json::Value>),
}

/// A row: its columns in the order in which the connector wrote them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    columns: Vec<(Arc<str>, Value)>,
}

impl Row {
    /// A row of these columns.
    pub fn new(columns: Vec<(Arc<str>, Value)>) -> Self {
        Self { columns }
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[(Arc<str>, Value)] {
        &self.columns
    }

    /// A column's value; `None` when the row has no such column, which is not the same as null.
    pub fn get(&self, column: &str) -> Option<&Value> {
        self.columns
            .iter()
            .find(|(name, _)| &**name == column)
            .map(|(_, value)| value)
    }
}
