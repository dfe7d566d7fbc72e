//! The payload: which columns a point carries, under which names, and their hash.

use std::{collections::BTreeMap, collections::HashSet, sync::Arc};

use crate::{
    config::PayloadConfig,
    record::{NeededColumns, Payload, PayloadHash, RESERVED_FIELD, Row, Value},
};

/// Memory kept from row to row, in bytes: more than most rows need.
const KEPT: usize = 64 * 1024;

/// Turns rows into payloads by configuration.
#[derive(Debug, Clone)]
pub(super) struct PayloadMapping {
    include: HashSet<String>,
    exclude: HashSet<String>,
    rename: BTreeMap<String, String>,
    ignore: HashSet<String>,
    layout: Layout,
    /// What the row at hand is hashed as; kept for its memory. Hashing it at once takes half the
    /// time of hashing it bit by bit.
    hashed: Vec<u8>,
}

/// Where each payload field comes from, for rows of the columns met last.
#[derive(Debug, Clone, Default)]
struct Layout {
    columns: Vec<Arc<str>>,
    /// Sorted by name, so that the order of a table's columns doesn't change the hash.
    fields: Vec<Field>,
}

#[derive(Debug, Clone)]
struct Field {
    name: Arc<str>,
    column: usize,
    hashed: bool,
}

impl PayloadMapping {
    pub(super) fn new(config: &PayloadConfig, ignore: &[String]) -> Self {
        Self {
            include: config.include.iter().cloned().collect(),
            exclude: config.exclude.iter().cloned().collect(),
            rename: config.rename.clone(),
            ignore: ignore.iter().cloned().collect(),
            layout: Layout::default(),
            hashed: Vec::new(),
        }
    }

    /// Whether a column is in the payload.
    pub(super) fn keeps(&self, column: &str) -> bool {
        (self.include.is_empty() || self.include.contains(column))
            && !self.exclude.contains(column)
            && column != RESERVED_FIELD
    }

    /// The name of the field that a column is in.
    pub(super) fn field_of<'a>(&'a self, column: &'a str) -> &'a str {
        self.rename.get(column).map_or(column, String::as_str)
    }

    /// The columns that the payload or anything else is made of.
    pub(super) fn needed_columns<'a>(
        &self,
        others: impl Iterator<Item = &'a str>,
    ) -> NeededColumns {
        if self.include.is_empty() {
            let mut left_out = self.exclude.clone();
            for other in others {
                left_out.remove(other);
            }
            return NeededColumns::AllBut(left_out);
        }
        let included = self.include.iter().cloned();
        NeededColumns::Only(included.chain(others.map(str::to_owned)).collect())
    }

    pub(super) fn apply(&mut self, row: &Row) -> (Payload, PayloadHash) {
        if !self.layout.fits(row) {
            self.layout = self.lay_out(row);
        }
        self.hashed.clear();
        self.hashed.shrink_to(KEPT);
        let mut fields = Vec::with_capacity(self.layout.fields.len());
        for field in &self.layout.fields {
            let Some((_, value)) = row.columns().get(field.column) else {
                continue;
            };
            if field.hashed {
                push_bytes(&mut self.hashed, b'n', field.name.as_bytes());
                push_value(&mut self.hashed, value);
            }
            fields.push((field.name.clone(), value.clone()));
        }
        (fields.into(), PayloadHash::of(&self.hashed))
    }

    fn lay_out(&self, row: &Row) -> Layout {
        let mut fields: Vec<Field> = row
            .columns()
            .iter()
            .enumerate()
            .filter(|(_, (column, _))| self.keeps(column))
            .map(|(index, (column, _))| Field {
                name: match self.rename.get(&**column) {
                    Some(name) => name.as_str().into(),
                    None => column.clone(),
                },
                column: index,
                hashed: !self.ignore.contains(&**column),
            })
            .collect();
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        Layout {
            columns: row.columns().iter().map(|(name, _)| name.clone()).collect(),
            fields,
        }
    }
}

impl Layout {
    /// Names are shared between the rows of a partition, so comparing addresses nearly always
    /// decides; equal names at other addresses are only laid out anew.
    fn fits(&self, row: &Row) -> bool {
        self.columns.len() == row.columns().len()
            && self
                .columns
                .iter()
                .zip(row.columns())
                .all(|(known, (name, _))| Arc::ptr_eq(known, name))
    }
}

/// A value of the version column, hashed: only ever compared for equality.
pub(super) fn version_of(value: &Value) -> u64 {
    let mut hashed = Vec::new();
    push_value(&mut hashed, value);
    let hash = blake3::hash(&hashed);
    u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("8 of 32 bytes"))
}

fn push_value(hashed: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => push_bytes(hashed, b'0', &[]),
        Value::Unavailable => push_bytes(hashed, b'u', &[]),
        Value::Bool(value) => push_bytes(hashed, b'b', &[u8::from(*value)]),
        Value::Int(value) => push_bytes(hashed, b'i', &value.to_le_bytes()),
        Value::Float(value) => push_bytes(hashed, b'f', &value.to_bits().to_le_bytes()),
        Value::Decimal(digits) => push_bytes(hashed, b'd', digits.as_bytes()),
        Value::String(text) => push_bytes(hashed, b's', text.as_bytes()),
        Value::Json(json) => push_bytes(hashed, b'j', json.to_string().as_bytes()),
    }
}

/// Tag, length, bytes: so that no two different payloads are hashed as the same bytes.
fn push_bytes(hashed: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    hashed.push(tag);
    hashed.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    hashed.extend_from_slice(bytes);
}
