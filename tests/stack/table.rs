//! The product table, and rows in one form wherever they were read, so that they can be compared.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use crate::postgres::Postgres;

/// Makes the table as the deployment's sample does, with Debezium's role and publication; REPLICA IDENTITY stays at its default.
pub(crate) fn create(postgres: &Postgres) -> Result<()> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/docker/init.sql");
    postgres.query(&fs::read_to_string(file)?)?;
    Ok(())
}

/// The columns that are compared.
const COLUMNS: [&str; 8] = [
    "id",
    "sku",
    "title",
    "category",
    "description",
    "price",
    "stock",
    "updated_at",
];

/// A row: column to value, as text without the differences that mean nothing.
pub(crate) type Row = BTreeMap<&'static str, Option<String>>;

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

/// A row from its columns as JSON.
pub(crate) fn row(columns: &Map<String, Value>) -> Result<(i64, Row)> {
    let id = columns
        .get("id")
        .and_then(Value::as_i64)
        .with_context(|| format!("no id in {columns:?}"))?;
    let row = COLUMNS.iter().map(|&column| {
        (
            column,
            columns.get(column).and_then(|value| plain(column, value)),
        )
    });
    Ok((id, row.collect()))
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
                Some(copied) => lines.extend(
                    row.iter()
                        .filter(|&(column, value)| copied.get(column) != Some(value))
                        .map(|(column, value)| {
                            format!(
                                "product {id}: {column} is {:?}, in the table {value:?}",
                                copied.get(column)
                            )
                        }),
                ),
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
