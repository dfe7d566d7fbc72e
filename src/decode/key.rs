//! Keys: from a record's key columns to the canonical form, whatever they were written in.

use serde::Serialize;

use crate::{
    error::Failure,
    record::{Row, RowKey, Value},
};

/// Builds a [`RowKey`], column by column, in the order of the key's columns.
#[derive(Debug)]
pub(super) struct KeyBuilder {
    canonical: String,
}

impl KeyBuilder {
    pub(super) fn new() -> Self {
        let mut canonical = String::with_capacity(24);
        canonical.push('[');
        Self { canonical }
    }

    /// Takes an integer in plain digits.
    pub(super) fn push_digits(&mut self, digits: &str) {
        self.separate();
        self.canonical.push_str(digits);
    }

    /// Takes a converted value. Decimals are texts, so that none is rounded.
    pub(super) fn push(&mut self, value: &Value) -> Result<(), Failure> {
        match value {
            Value::Null => return Err(null_key()),
            Value::Unavailable => {
                return Err(Failure::record(
                    "unavailable_key",
                    "a column of the record's key is the placeholder of an unavailable value",
                ));
            }
            Value::Int(number) => self.push_json(number),
            Value::Bool(value) => self.push_json(value),
            Value::Float(number) => self.push_json(number),
            Value::Decimal(text) | Value::String(text) => self.push_json(&**text),
            Value::Json(json) => self.push_json(json),
        }
        Ok(())
    }

    fn push_json(&mut self, value: &(impl Serialize + ?Sized)) {
        self.separate();
        let json = serde_json::to_string(value).expect("texts and numbers become JSON");
        self.canonical.push_str(&json);
    }

    fn separate(&mut self) {
        if self.canonical.len() > 1 {
            self.canonical.push(',');
        }
    }

    pub(super) fn finish(mut self) -> Result<RowKey, Failure> {
        if self.canonical.len() == 1 {
            return Err(Failure::record("no_key", "the record's key has no columns"));
        }
        self.canonical.push(']');
        Ok(RowKey::from_canonical(self.canonical))
    }
}

/// The key of a row by columns of its value, for a table whose records have no key. `section` is
/// where the configuration names them: that one is missing concerns the whole table.
pub(super) fn of_columns(row: &Row, columns: &[String], section: &str) -> Result<RowKey, Failure> {
    let mut key = KeyBuilder::new();
    for column in columns {
        let value = row.get(column).ok_or_else(|| {
            Failure::blocked(
                "no_key",
                format!("column `{column}` is missing; name another in {section}.key_columns"),
            )
        })?;
        key.push(value)?;
    }
    key.finish()
}

pub(super) fn null_key() -> Failure {
    Failure::record(
        "null_key",
        "a column of the record's key is null; a key can't be",
    )
}

/// A record of a table that has no key: no fault of the record. `section` is where the
/// configuration may name columns instead.
pub(super) fn no_key(section: &str) -> Failure {
    Failure::blocked(
        "no_key",
        format!(
            "its records have no key; give it a primary key, set the connector's message.key.columns, or name key columns in {section}.key_columns"
        ),
    )
}
