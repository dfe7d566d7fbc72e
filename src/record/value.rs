//! A row and its columns' values.

use std::{collections::HashSet, sync::Arc};

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

/// A decimal of up to this many digits survives being a 64-bit floating-point number.
const EXACT_DIGITS: usize = 15;

/// A decimal as a number, if that doesn't round it: `None` for one of more than 15 digits.
pub fn exact_number(digits: &str) -> Option<f64> {
    let significant = digits
        .trim_start_matches(['-', '0', '.'])
        .bytes()
        .filter(u8::is_ascii_digit)
        .count();
    digits.parse().ok().filter(|_| significant <= EXACT_DIGITS)
}

impl Value {
    /// An object or an array. Objects come with their fields sorted by name: neither a database nor
    /// an index keeps them in order, and the same value must hash, and read, the same.
    pub fn from_json(mut json: serde_json::Value) -> Self {
        json.sort_all_objects();
        Self::Json(Box::new(json))
    }

    /// The value as JSON: a decimal is a number where that doesn't round it, else text.
    pub fn into_json(self) -> serde_json::Value {
        match self {
            Self::Null | Self::Unavailable => serde_json::Value::Null,
            Self::Bool(value) => value.into(),
            Self::Int(value) => value.into(),
            Self::Float(value) => value.into(),
            Self::Decimal(digits) => match exact_number(&digits) {
                Some(number) => number.into(),
                None => String::from(digits).into(),
            },
            Self::String(text) => String::from(text).into(),
            Self::Json(json) => *json,
        }
    }
}

/// The columns that text, payload and version are made of: the others need not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NeededColumns {
    /// All, but for these.
    AllBut(HashSet<String>),
    /// Only these.
    Only(HashSet<String>),
}

impl NeededColumns {
    /// Every column.
    pub fn all() -> Self {
        Self::AllBut(HashSet::new())
    }

    /// Whether a column is one of them.
    pub fn contains(&self, column: &str) -> bool {
        match self {
            Self::AllBut(these) => !these.contains(column),
            Self::Only(these) => these.contains(column),
        }
    }
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

    /// Gives every unavailable value what `known` says of its column; those of which it says
    /// nothing stay.
    pub fn fill(&mut self, known: impl Fn(&str) -> Option<Value>) {
        for (name, value) in &mut self.columns {
            if *value == Value::Unavailable
                && let Some(known) = known(name)
            {
                *value = known;
            }
        }
    }

    /// Takes the row apart.
    pub fn into_columns(self) -> Vec<(Arc<str>, Value)> {
        self.columns
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_an_objects_fields_does_not_matter() {
        let value = |text: &str| serde_json::from_str(text).map(Value::from_json).ok();
        let one = value(r#"{"b": 1, "a": [{"y": 2, "x": 1}]}"#);
        let other = value(r#"{"a": [{"x": 1, "y": 2}], "b": 1}"#);
        let text = |value: Option<Value>| value.map(|value| value.into_json().to_string());
        assert_eq!(text(one), text(other));
    }
}
