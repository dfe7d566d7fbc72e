//! The product table, and rows in one form wherever they were read, so that they can be compared.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use crate::document::wanted_vector;
use crate::postgres::Postgres;

/// Makes the table as the deployment's sample does, with Debezium's role and publication; REPLICA IDENTITY stays at its default.
pub(crate) fn create(postgres: &Postgres) -> Result<()> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/docker/init.sql");
    postgres.query(&fs::read_to_string(file)?)?;
    Ok(())
}

/// Beside a row's columns: which vector its point has, or should have.
pub(crate) const VECTOR: &str = "vector";

/// What is compared.
const COLUMNS: [&str; 9] = [
    "id",
    "sku",
    "title",
    "category",
    "description",
    "price",
    "stock",
    "updated_at",
    VECTOR,
];

/// A row: column to value, as text without the differences that mean nothing; a null is absent.
pub(crate) type Row = BTreeMap<&'static str, String>;

/// Rows by id.
pub(crate) type Rows = BTreeMap<i64, Row>;

/// Reads the whole table.
pub(crate) fn read(postgres: &Postgres) -> Result<Rows> {
    let lines = postgres.query("SELECT row_to_json(products) FROM products")?;
    lines
        .lines()
        .map(|line| row(&serde_json::from_str(line)?))
        .collect()
}

/// A row from its columns as JSON, and the vector that its point should have.
pub(crate) fn row(columns: &Map<String, Value>) -> Result<(i64, Row)> {
    let id = columns
        .get("id")
        .and_then(Value::as_i64)
        .with_context(|| format!("no id in {columns:?}"))?;
    let mut row: Row = COLUMNS
        .iter()
        .filter_map(|&column| Some((column, plain(column, columns.get(column)?)?)))
        .collect();
    row.insert(VECTOR, wanted_vector(&row));
    Ok((id, row))
}

/// A value as text: a null is none, a price has two decimals, a time is UTC without trailing zeros.
fn plain(column: &str, value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some(match column {
        "price" => match text.split_once('.') {
            Some((whole, fraction)) => format!("{whole}.{fraction:0<2}"),
            None => format!("{text}.00"),
        },
        "updated_at" => {
            let utc = text
                .strip_suffix("+00:00")
                .or(text.strip_suffix('Z'))
                .unwrap_or(&text);
            if utc.contains('.') {
                utc.trim_end_matches('0').trim_end_matches('.').to_owned()
            } else {
                utc.to_owned()
            }
        }
        _ => text,
    })
}

/// The beginning of a value.
fn shown(value: Option<&String>) -> String {
    value.map_or_else(
        || "null".to_owned(),
        |value| value.chars().take(60).collect(),
    )
}

/// How a copy differs from the table.
#[derive(Default)]
pub(crate) struct Differences {
    lines: Vec<String>,
}

impl Differences {
    /// Compares a copy with the table, row by row and column by column.
    pub(crate) fn between(table: &Rows, copy: &Rows) -> Self {
        let mut lines = Vec::new();
        for (id, row) in table {
            match copy.get(id) {
                None => lines.push(format!("product {id} is missing")),
                Some(copied) => lines.extend(COLUMNS.iter().filter_map(|column| {
                    let (found, wanted) = (copied.get(column), row.get(column));
                    (found != wanted).then(|| {
                        format!(
                            "product {id}: {column} is {}, in the table {}",
                            shown(found),
                            shown(wanted)
                        )
                    })
                })),
            }
        }
        lines.extend(
            copy.keys()
                .filter(|id| !table.contains_key(id))
                .map(|id| format!("product {id} is not in the table")),
        );
        Self { lines }
    }

    /// Their number.
    pub(crate) fn count(&self) -> usize {
        self.lines.len()
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 20;
        write!(f, "{} differences", self.lines.len())?;
        for line in self.lines.iter().take(SHOWN) {
            write!(f, "\n  {line}")?;
        }
        if self.lines.len() > SHOWN {
            write!(f, "\n  ...")
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(list: &Value) -> Rows {
        let list = list.as_array().expect("a list of rows");
        list.iter()
            .map(|columns| row(columns.as_object().expect("a row")).expect("an id"))
            .collect()
    }

    #[test]
    fn spellings_of_one_value_are_equal() {
        let table = rows(
            &json!([{"id": 1, "price": 12.5, "description": null, "updated_at": "2025-01-02T03:04:05.6+00:00"}]),
        );
        let copy = rows(
            &json!([{"id": 1, "price": "12.50", "updated_at": "2025-01-02T03:04:05.600000Z"}]),
        );
        assert_eq!(Differences::between(&table, &copy).count(), 0);
    }

    #[test]
    fn a_missing_a_changed_and_a_surplus_row_are_differences() {
        let table = rows(&json!([{"id": 1, "stock": 1}, {"id": 2, "stock": 2}]));
        let copy = rows(&json!([{"id": 2, "stock": 20}, {"id": 3, "stock": 3}]));
        let differences = Differences::between(&table, &copy);
        assert_eq!(
            differences.to_string(),
            "3 differences\n  product 1 is missing\n  product 2: stock is 20, in the table 2\n  product 3 is not in the table"
        );
    }
}
