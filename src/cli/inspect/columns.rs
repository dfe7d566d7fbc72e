//! The columns of many rows: their types, what is often absent, and which came or went on the way.
//! Pure.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde_json::{Map, Value as Json};

use crate::record::{Row, TypeHint, Value};

use super::{suspect::Suspect, understood::Place};

/// More columns than any table has are not told apart.
const MOST: usize = 4_096;

/// The columns of a topic's rows.
#[derive(Debug, Clone, Default)]
pub(super) struct Columns {
    rows: u64,
    /// In the order in which they were met.
    known: Vec<ColumnSummary>,
    by_name: HashMap<Arc<str>, usize>,
    /// What the last row of each partition had.
    last: HashMap<i32, BTreeSet<Arc<str>>>,
    changes: Vec<ColumnChange>,
}

/// One column.
#[derive(Debug, Clone)]
pub(super) struct ColumnSummary {
    pub(super) name: Arc<str>,
    /// In how many rows it is.
    pub(super) present: u64,
    /// How often it has a value of a type, by the type's name; without null and unavailable.
    pub(super) types: BTreeMap<&'static str, u64>,
    pub(super) nulls: u64,
    pub(super) unavailable: u64,
    /// What it may be although no type says so.
    pub(super) suspect: Suspect,
}

/// A column that came or went: in a partition a row has it, and the one before or behind hasn't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ColumnChange {
    pub(super) column: Arc<str>,
    pub(super) appeared: bool,
    /// The first record with, or without, it.
    pub(super) place: Place,
}

impl Columns {
    pub(super) fn add_row(&mut self, row: &Row, place: &Place) {
        self.rows += 1;
        for (name, value) in row.columns() {
            let Some(column) = self.entry(name) else {
                continue;
            };
            column.present += 1;
            match value {
                Value::Null => column.nulls += 1,
                Value::Unavailable => column.unavailable += 1,
                other => *column.types.entry(type_name(other)).or_default() += 1,
            }
        }
        self.compare(row, place);
    }

    /// Looks at values whose type no schema says, nor a hint.
    pub(super) fn suspect(&mut self, row: &Map<String, Json>, hints: &BTreeMap<String, TypeHint>) {
        for (name, value) in row.iter().filter(|(name, _)| !hints.contains_key(*name)) {
            if let Some(column) = self.entry(&Arc::from(name.as_str())) {
                column.suspect.add(value);
            }
        }
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The columns in the order in which they were met.
    pub(super) fn all(&self) -> &[ColumnSummary] {
        &self.known
    }

    pub(super) fn changes(&self) -> &[ColumnChange] {
        &self.changes
    }

    fn entry(&mut self, name: &Arc<str>) -> Option<&mut ColumnSummary> {
        if let Some(&index) = self.by_name.get(name) {
            return self.known.get_mut(index);
        }
        if self.known.len() >= MOST {
            return None;
        }
        self.by_name.insert(name.clone(), self.known.len());
        self.known.push(ColumnSummary {
            name: name.clone(),
            present: 0,
            types: BTreeMap::new(),
            nulls: 0,
            unavailable: 0,
            suspect: Suspect::default(),
        });
        self.known.last_mut()
    }

    fn compare(&mut self, row: &Row, place: &Place) {
        let last = self.last.entry(place.partition).or_default();
        let is_same = last.len() == row.columns().len()
            && row.columns().iter().all(|(name, _)| last.contains(name));
        if is_same {
            return;
        }
        let now: BTreeSet<Arc<str>> = row.columns().iter().map(|(name, _)| name.clone()).collect();
        if !last.is_empty() {
            let appeared = now.difference(last).map(|column| (column, true));
            let vanished = last.difference(&now).map(|column| (column, false));
            for (column, appeared) in appeared.chain(vanished) {
                let is_known =
                    |change: &ColumnChange| change.column == *column && change.appeared == appeared;
                // Told once, where it was seen first, not once for each partition.
                if self.changes.len() < MOST && !self.changes.iter().any(is_known) {
                    self.changes.push(ColumnChange {
                        column: column.clone(),
                        appeared,
                        place: place.clone(),
                    });
                }
            }
        }
        *last = now;
    }
}

impl ColumnSummary {
    /// In how many rows it is not.
    pub(super) fn missing(&self, rows: u64) -> u64 {
        rows.saturating_sub(self.present)
    }
}

/// A value's type in one word.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Int(_) => "integer",
        Value::Float(_) => "float",
        Value::Decimal(_) => "decimal",
        Value::String(_) => "text",
        Value::Unavailable => "unavailable",
        Value::Json(json) if json.is_array() => "list",
        Value::Json(_) => "object",
    }
}
