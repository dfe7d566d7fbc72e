//! One value as a source gave it, before it is a part of a [`Config`].

use serde::Deserialize;
use toml::{Table, Value};

use super::{
    Config,
    problem::{Place, Problem},
    shape::{Kind, Shape},
};

/// A known key, the value it was given, and where.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) path: Vec<String>,
    pub(super) value: Value,
    pub(super) place: Place,
}

/// What a source was found to hold.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) settings: Vec<Setting>,
    pub(super) problems: Vec<Problem>,
    /// The source could not be read to its end: what it lacks is no news.
    pub(super) is_partial: bool,
}

impl Setting {
    pub(super) fn key(&self) -> String {
        self.path.join(".")
    }

    /// Whether this is the entry of a list of tables, or the list, that `key` is in.
    pub(super) fn is_around(&self, key: &str) -> bool {
        (self.value.is_table() || self.value.is_array())
            && key
                .strip_prefix(&self.key())
                .is_some_and(|rest| rest.starts_with(['.', '[']))
    }

    /// Reads the value alone into an otherwise empty configuration, so that one value's error
    /// hides no other's.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let mut table = Table::new();
        self.insert_into(&mut table);
        match Config::deserialize(Value::Table(table)) {
            Ok(_) => Ok(()),
            Err(error) => Err(Problem::at(
                self.place.clone(),
                self.key(),
                plain(error.message()),
            )),
        }
    }

    /// Puts the value at its path, over what an earlier source put there.
    pub(super) fn insert_into(&self, table: &mut Table) {
        let Some((key, sections)) = self.path.split_last() else {
            return;
        };
        let mut table = table;
        for section in sections {
            match section_of(table, section) {
                Some(inner) => table = inner,
                // Paths follow the known shape, in which a section is never a value.
                None => return,
            }
        }
        if list_and_index(key).is_some() && sections.is_empty() {
            section_of(table, key);
        } else {
            table.insert(key.clone(), self.value.clone());
        }
    }
}

impl Found {
    pub(super) fn push(&mut self, path: &[String], value: Value, place: Place) {
        self.settings.push(Setting {
            path: path.to_vec(),
            value,
            place,
        });
    }

    pub(super) fn refuse(&mut self, place: Place, path: &[String], message: impl Into<String>) {
        self.problems
            .push(Problem::at(place, path.join("."), message));
    }

    /// Takes the entries of a table with free keys. Bare dotted keys (`fetch.min.bytes = 1`) are
    /// nested tables to TOML and one name to the reader: they are joined again. Numbers and
    /// booleans are taken as text where text is wanted.
    pub(super) fn push_entries(
        &mut self,
        kind: Kind,
        path: &[String],
        entries: Vec<(String, Value, Place)>,
    ) {
        for (key, value, place) in entries {
            let mut path = path.to_vec();
            path.push(key);
            self.push_entry(kind, &mut path, value, &place);
        }
    }

    fn push_entry(&mut self, kind: Kind, path: &mut [String], value: Value, place: &Place) {
        match value {
            Value::Table(table) if !(kind == Kind::Secret && is_reference(&table)) => {
                for (rest, value) in table {
                    let mut path = path.to_vec();
                    if let Some(key) = path.last_mut() {
                        *key = format!("{key}.{rest}");
                    }
                    self.push_entry(kind, &mut path, value, place);
                }
            }
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) if kind == Kind::Text => {
                let text = Value::String(value.to_string());
                self.push(path, text, place.clone());
            }
            value => self.push(path, value, place.clone()),
        }
    }
}

/// The section by this name, made if it isn't there yet: `kafka`, or `tables[1]`, the second entry
/// of a list.
fn section_of<'a>(table: &'a mut Table, name: &str) -> Option<&'a mut Table> {
    let Some((list, index)) = list_and_index(name) else {
        let section = table
            .entry(name)
            .or_insert_with(|| Value::Table(Table::new()));
        return section.as_table_mut();
    };
    let list = table
        .entry(list)
        .or_insert_with(|| Value::Array(Vec::new()))
        .as_array_mut()?;
    while list.len() <= index {
        list.push(Value::Table(Table::new()));
    }
    list.get_mut(index)?.as_table_mut()
}

/// `tables[1]` is the entry 1 of `tables`.
fn list_and_index(name: &str) -> Option<(&str, usize)> {
    let (list, index) = name.strip_suffix(']')?.split_once('[')?;
    Some((list, index.parse().ok()?))
}

fn is_reference(table: &Table) -> bool {
    ["env", "file"]
        .iter()
        .any(|key| table.get(*key).is_some_and(Value::is_str))
}

/// The message for a key that does not exist. `spell` writes a path as this source writes it.
pub(super) fn unknown_key(
    section: &Shape,
    path: &[String],
    key: &str,
    spell: impl Fn(&[String]) -> String,
) -> String {
    match section.nearest(path, key) {
        Some(nearest) => format!("unknown key; did you mean {}?", spell(&nearest)),
        None => "unknown key".into(),
    }
}

/// The parser's words for types, in the operator's.
fn plain(message: &str) -> String {
    const WORDS: [(&str, &str); 7] = [
        ("expected usize", "expected a whole number, 0 or more"),
        ("expected u32", "expected a whole number, 0 or more"),
        ("expected i32", "expected a whole number"),
        ("expected a sequence", "expected a list"),
        ("expected a boolean", "expected true or false"),
        ("expected path string", "expected a path in quotes"),
        ("wanted string or table", "expected a name in quotes"),
    ];
    WORDS
        .iter()
        .fold(message.to_owned(), |text, (theirs, ours)| {
            text.replace(theirs, ours)
        })
}
