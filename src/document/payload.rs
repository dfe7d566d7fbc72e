//! The payload: which columns a point carries, under which names, and their hash.

use std::{collections::BTreeMap, collections::HashSet, sync::Arc};

use crate::{
    config::DocumentConfig,
    error::Failure,
    record::{NeededColumns, Payload, PayloadHash, RESERVED_FIELD, Row, Value},
};

use super::needed::missing;

/// Memory kept from row to row, in bytes: more than most rows need.
const KEPT: usize = 64 * 1024;

/// Turns rows into payloads by configuration.
#[derive(Debug, Clone)]
pub(super) struct PayloadMapping {
    include: Vec<String>,
    exclude: HashSet<String>,
    rename: BTreeMap<String, String>,
    ignore: HashSet<String>,
    optional: HashSet<String>,
    /// Where it is configured, for messages.
    section: String,
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
    /// `None` for one that the row lacks and may lack.
    column: Option<usize>,
    hashed: bool,
    is_renamed: bool,
}

impl PayloadMapping {
    pub(super) fn new(config: &DocumentConfig, section: &str) -> Self {
        let payload = &config.payload;
        Self {
            include: payload.include.clone(),
            exclude: payload.exclude.iter().cloned().collect(),
            rename: payload.rename.clone(),
            ignore: config.ignore.iter().cloned().collect(),
            optional: config.optional.iter().cloned().collect(),
            section: section.to_owned(),
            layout: Layout::default(),
            hashed: Vec::new(),
        }
    }

    /// Whether a column is in the payload.
    pub(super) fn keeps(&self, column: &str) -> bool {
        (self.include.is_empty() || self.include.iter().any(|it| it == column))
            && !self.exclude.contains(column)
            && column != RESERVED_FIELD
    }

    /// The name of the field that a column serves.
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

    /// Fails when the row lacks a column that is to be included.
    pub(super) fn apply(&mut self, row: &Row) -> Result<(Payload, PayloadHash), Failure> {
        if !self.layout.fits(row) {
            self.layout = self.lay_out(row)?;
        }
        self.hashed.clear();
        self.hashed.shrink_to(KEPT);
        let mut fields = Vec::with_capacity(self.layout.fields.len());
        for field in &self.layout.fields {
            let column = field.column.and_then(|column| row.columns().get(column));
            let value = column.map_or(&Value::Null, |(_, value)| value);
            if field.hashed {
                push_bytes(&mut self.hashed, b'n', field.name.as_bytes());
                push_value(&mut self.hashed, value);
            }
            fields.push((field.name.clone(), value.clone()));
        }
        Ok((fields.into(), PayloadHash::of(&self.hashed)))
    }

    fn lay_out(&self, row: &Row) -> Result<Layout, Failure> {
        let columns = row.columns().iter().enumerate();
        let mut fields: Vec<Field> = columns
            .filter(|(_, (column, _))| self.keeps(column))
            .map(|(index, (column, _))| self.field(column, Some(index)))
            .collect();
        for column in &self.include {
            let name = self.field_of(column);
            if fields.iter().any(|field| *field.name == *name) {
                continue;
            }
            let names = || self.include.iter().filter(|it| self.field_of(it) == name);
            if !names().any(|it| self.optional.contains(it)) {
                let names = names().map(String::as_str);
                return Err(missing(names, &self.section, "payload.include"));
            }
            fields.push(self.field(column, None));
        }
        // Of a renamed column and one of that name, the latter counts.
        fields.sort_by(|a, b| (&a.name, a.is_renamed).cmp(&(&b.name, b.is_renamed)));
        fields.dedup_by(|later, first| later.name == first.name);
        Ok(Layout {
            columns: row.columns().iter().map(|(name, _)| name.clone()).collect(),
            fields,
        })
    }

    fn field(&self, column: &str, index: Option<usize>) -> Field {
        let name = self.field_of(column);
        Field {
            name: name.into(),
            column: index,
            hashed: !self.ignore.contains(column),
            is_renamed: name != column,
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

/// The hash of payload fields, which are to be sorted by name.
pub fn hash_of_fields<'a>(fields: impl IntoIterator<Item = (&'a str, &'a Value)>) -> PayloadHash {
    let mut hashed = Vec::new();
    for (name, value) in fields {
        push_bytes(&mut hashed, b'n', name.as_bytes());
        push_value(&mut hashed, value);
    }
    PayloadHash::of(&hashed)
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
