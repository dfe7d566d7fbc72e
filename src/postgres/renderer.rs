//! From what the server prints of a row to the row as the decoder has it.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value as Json;

use crate::record::{Row, RowKey, Value};

use super::{
    catalogue::{Catalogue, Type},
    form::{Form, forms_of},
    statement::KeyLiterals,
};

/// What the server prints of a row's columns; a null is `None`.
pub(super) type Printed = Vec<Option<String>>;

/// Rows of the topic, to learn from: each key's last one.
#[derive(Debug, Default)]
pub struct Sample {
    /// Keys and rows; the last one is the newest.
    pub rows: Vec<(RowKey, Row)>,
}

/// A column that is not compared, or not in all rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsure {
    /// The column's name.
    pub column: String,
    /// Why.
    pub why: &'static str,
}

/// The table's key, or what it is made of, does not fit that of its records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing tells rows apart.
    #[error("the table {0} has no primary key: name its key in rows.key_columns")]
    NoKey(String),
    /// There is no such column.
    #[error("the table {table} has no column `{column}`, which is a part of its key")]
    NoColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// How records write it is not known.
    #[error(
        "the key's column `{column}` is of the type {of}: keys that are compared are integers, texts, uuids, numerics, enums or truth values"
    )]
    Type {
        /// The column.
        column: String,
        /// Its type.
        of: String,
    },
    /// Records have another key than the table.
    #[error(
        "the records' keys, such as {0}, are not made of the table's primary key: name the key's columns in rows.key_columns"
    )]
    Other(String),
    /// There is nothing to learn from.
    #[error(
        "the topic has no records of rows, by which it could be told how the connector writes them"
    )]
    NothingToLearnFrom,
}

/// A column of the records.
#[derive(Debug)]
struct Column {
    name: Arc<str>,
    /// Its place in what is selected; `None` where the table has no such column.
    place: Option<usize>,
    forms: Vec<Form>,
    /// How often which of the forms were right, as bits.
    seen: BTreeMap<u64, u64>,
}

/// Makes rows as the decoder has them, once it has learnt how (`learn`).
#[derive(Debug)]
pub struct Renderer {
    /// The columns that are selected, those of the key first.
    selected: Vec<String>,
    key: Vec<Type>,
    columns: Vec<Column>,
}

impl Renderer {
    /// For the columns that the newest row of the sample has. `key_columns` are those that the
    /// configuration names; without any, the primary key's.
    pub fn new(
        catalogue: &Catalogue,
        sample: &Sample,
        key_columns: &[String],
    ) -> Result<Self, KeyError> {
        let (example, newest) = sample.rows.last().ok_or(KeyError::NothingToLearnFrom)?;
        let key = key_order(catalogue, sample, key_columns)
            .ok_or_else(|| KeyError::Other(example.to_string()))?;
        if key.is_empty() {
            return Err(KeyError::NoKey(catalogue.table.to_string()));
        }
        let mut types = Vec::new();
        for name in &key {
            let column = catalogue.column(name).ok_or_else(|| KeyError::NoColumn {
                table: catalogue.table.to_string(),
                column: name.clone(),
            })?;
            if !is_of_keys(&column.of) {
                return Err(KeyError::Type {
                    column: name.clone(),
                    of: column.of.name.to_string(),
                });
            }
            types.push(column.of.clone());
        }
        let mut selected = key;
        let mut columns = Vec::new();
        for (name, _) in newest.columns() {
            let column = catalogue.column(name);
            let place = column.map(|_| {
                let known = selected.iter().position(|selected| **selected == **name);
                known.unwrap_or_else(|| {
                    selected.push(name.to_string());
                    selected.len() - 1
                })
            });
            columns.push(Column {
                name: name.clone(),
                place,
                forms: column.map_or_else(Vec::new, |column| forms_of(&column.of)),
                seen: BTreeMap::new(),
            });
        }
        Ok(Self {
            selected,
            key: types,
            columns,
        })
    }

    /// The columns that are to be read.
    pub(super) fn selected(&self) -> &[String] {
        &self.selected
    }

    /// Those of the key.
    pub(super) fn key_columns(&self) -> &[String] {
        self.selected.get(..self.key.len()).unwrap_or_default()
    }

    /// A key as literals; `None` where the table can't have it.
    pub fn literals(&self, key: &RowKey) -> Option<KeyLiterals> {
        let literals = KeyLiterals::of_key(key, self.key.len())?;
        let values: Vec<Json> = serde_json::from_str(key.as_str()).ok()?;
        let fits = values
            .iter()
            .zip(&self.key)
            .all(|(value, of)| match &*of.name {
                "int2" => value.as_i64().is_some_and(|it| i16::try_from(it).is_ok()),
                "int4" => value.as_i64().is_some_and(|it| i32::try_from(it).is_ok()),
                "int8" => value.is_i64(),
                "bool" => value.is_boolean(),
                "uuid" => value
                    .as_str()
                    .is_some_and(|it| it.parse::<uuid::Uuid>().is_ok()),
                "numeric" => value
                    .as_str()
                    .is_some_and(|it| Form::Digits.read(it).is_some()),
                _ => value.is_string(),
            });
        fits.then_some(literals)
    }

    /// The key of a row as literals.
    pub(super) fn printed_key(&self, printed: &Printed) -> Option<KeyLiterals> {
        let key: Option<Vec<&str>> = printed
            .iter()
            .take(self.key.len())
            .map(Option::as_deref)
            .collect();
        key.map(KeyLiterals::of_printed)
    }

    /// The key of a row in canonical form.
    pub(super) fn key(&self, printed: &Printed) -> Option<RowKey> {
        let values = self.key.iter().zip(printed).map(|(of, printed)| {
            let printed = printed.as_deref()?;
            Some(match &*of.name {
                "int2" | "int4" | "int8" => Json::from(printed.parse::<i64>().ok()?),
                "bool" => Json::from(printed == "t"),
                _ => Json::from(printed),
            })
        });
        let values: Vec<Json> = values.collect::<Option<_>>()?;
        let canonical = serde_json::to_string(&values).ok()?;
        Some(RowKey::from_canonical(canonical))
    }

    /// Learns from a row of the topic what the server prints of the same row.
    pub(super) fn learn(&mut self, row: &Row, printed: &Printed) {
        for column in &mut self.columns {
            let printed = column
                .place
                .and_then(|place| printed.get(place)?.as_deref());
            let (Some(printed), Some(value)) = (printed, row.get(&column.name)) else {
                continue;
            };
            if matches!(value, Value::Null | Value::Unavailable) {
                continue;
            }
            let mut right = 0;
            for (bit, form) in column.forms.iter().enumerate() {
                if form.read(printed).as_ref() == Some(value) {
                    right |= 1 << bit;
                }
            }
            *column.seen.entry(right).or_default() += 1;
        }
    }

    /// Keeps the forms that what was seen allows: those that were right where others were, too, and were
    /// right less often, go. Where nothing was seen all stay; where nothing was right none does.
    pub(super) fn conclude(&mut self) {
        for column in &mut self.columns {
            if column.seen.is_empty() {
                continue;
            }
            let is_right = |bits: &u64, form: usize| bits & (1 << form) != 0;
            let is_kept = |form: usize| {
                let is_worse = |than: usize| {
                    let alone = |one: usize, other: usize| {
                        let mut seen = column.seen.keys();
                        seen.any(|bits| is_right(bits, one) && !is_right(bits, other))
                    };
                    alone(than, form) && !alone(form, than)
                };
                column.seen.keys().any(|bits| is_right(bits, form))
                    && !(0..column.forms.len()).any(is_worse)
            };
            let kept: Vec<Form> = column
                .forms
                .iter()
                .enumerate()
                .filter(|(form, _)| is_kept(*form))
                .map(|(_, form)| form.clone())
                .collect();
            column.forms = kept;
        }
    }

    /// The row as the decoder has it. What can't be told is unavailable.
    pub(super) fn row(&self, printed: &Printed) -> Row {
        let value = |column: &Column| {
            let Some(place) = column.place else {
                return Value::Unavailable;
            };
            match printed.get(place) {
                Some(Some(printed)) => column.read(printed),
                _ => Value::Null,
            }
        };
        let columns = self.columns.iter();
        Row::new(
            columns
                .map(|column| (column.name.clone(), value(column)))
                .collect(),
        )
    }

    /// A row of the topic without what can never be told of the table's, so that both are compared by the
    /// same.
    pub fn without_unsure(&self, row: Row) -> Row {
        let is_unsure = |name: &str| {
            let column = self.columns.iter().find(|column| *column.name == *name);
            column.is_none_or(|column| column.forms.is_empty())
        };
        let columns = row.into_columns().into_iter().map(|(name, value)| {
            let value = if is_unsure(&name) {
                Value::Unavailable
            } else {
                value
            };
            (name, value)
        });
        Row::new(columns.collect())
    }

    /// The columns that are not compared, and why.
    pub fn unsure(&self) -> Vec<Unsure> {
        let columns = self.columns.iter().filter_map(|column| {
            let why = match (column.place, &column.forms[..]) {
                (None, _) => "the table has no such column",
                (Some(_), []) => "how the connector writes its type is not known",
                (Some(_), [_]) => return None,
                (Some(_), _) if column.seen.is_empty() => {
                    "no record that was looked at has a value of it, so only nulls are compared, and what is written one way only"
                }
                (Some(_), _) => return None,
            };
            Some(Unsure {
                column: column.name.to_string(),
                why,
            })
        });
        columns.collect()
    }
}

impl Column {
    /// What all forms agree on that can have written it.
    fn read(&self, printed: &str) -> Value {
        let mut read = self.forms.iter().filter_map(|form| form.read(printed));
        match read.next() {
            Some(value) if read.all(|other| other == value) => value,
            _ => Value::Unavailable,
        }
    }
}

/// The names of the key's columns in the order in which records have them: the primary key's, or the
/// table's; `None` where the sample's keys are made of neither.
fn key_order(catalogue: &Catalogue, sample: &Sample, configured: &[String]) -> Option<Vec<String>> {
    if !configured.is_empty() {
        return Some(configured.to_vec());
    }
    let by_key = catalogue.primary_key.clone();
    let in_table = catalogue.columns.iter().map(|column| &column.name);
    let by_table: Vec<String> = in_table
        .filter(|name| by_key.contains(name))
        .cloned()
        .collect();
    [by_key, by_table].into_iter().find(|order| {
        order.is_empty()
            || sample
                .rows
                .iter()
                .all(|(key, row)| is_made_of(key, row, order))
    })
}

/// Whether a key may be made of these columns, by those of them that the row has.
fn is_made_of(key: &RowKey, row: &Row, columns: &[String]) -> bool {
    let Ok(values) = serde_json::from_str::<Vec<Json>>(key.as_str()) else {
        return false;
    };
    values.len() == columns.len()
        && values
            .iter()
            .zip(columns)
            .all(|(part, column)| match row.get(column) {
                Some(Value::Int(number)) => part.as_i64() == Some(*number),
                Some(Value::String(text) | Value::Decimal(text)) => {
                    !part.is_string() || part.as_str() == Some(text)
                }
                _ => true,
            })
}

fn is_of_keys(of: &Type) -> bool {
    const OTHERS: [&str; 14] = [
        "date",
        "timestamp",
        "timestamptz",
        "time",
        "timetz",
        "interval",
        "bytea",
        "bit",
        "varbit",
        "float4",
        "float8",
        "json",
        "jsonb",
        "money",
    ];
    of.element.is_none() && !OTHERS.contains(&&*of.name)
}

#[cfg(test)]
#[path = "renderer_tests.rs"]
mod tests;
