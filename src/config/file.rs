//! The TOML file: its settings with their lines.

use std::path::Path;

use serde::Deserialize;
use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::{
    problem::{Place, Problem},
    setting::{Found, unknown_key},
    shape::Shape,
};

/// What `text`, the content of the file at `path`, sets, and what is wrong with it. Everything
/// that the parser can make sense of is looked at, also behind a syntax error.
pub(super) fn read(path: &Path, text: &str) -> Found {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        path,
        text,
        broken_lines: Vec::new(),
        found: Found::default(),
    };
    for error in errors {
        let (line, column) = reader.position(error.span().map_or(text.len(), |span| span.start));
        reader.broken_lines.push(line);
        // One slip, such as a missing comma, makes the parser stumble over many lines behind it.
        if std::mem::replace(&mut reader.found.is_partial, true) {
            continue;
        }
        let place = Place::File {
            path: path.to_owned(),
            line: Some(line),
            column: Some(column),
        };
        let message = format!("this is not TOML: {}", error.message());
        reader.found.problems.push(Problem::at(place, "", message));
    }
    reader.section(Shape::of_config(), &mut Vec::new(), document.into_inner());
    reader.found
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    /// Lines with a syntax error: what was recovered from them is guesswork.
    broken_lines: Vec<usize>,
    found: Found,
}

impl Reader<'_> {
    fn section(&mut self, shape: &Shape, path: &mut Vec<String>, table: DeTable<'_>) {
        for (name, value) in table {
            let place = self.place(name.span().start);
            let name = name.into_inner().into_owned();
            let child = shape.child(&name);
            path.push(name);
            match child {
                _ if self.is_broken(&place) && !value.get_ref().is_table() => {}
                None => self.unknown(shape, path, place),
                Some(Shape::Leaf(_)) => match own(value) {
                    Ok(value) => self.found.push(path, value, place),
                    Err(message) => self.found.refuse(place, path, message),
                },
                Some(Shape::Tables(entry)) => self.tables(entry, path, value.into_inner(), place),
                Some(section) => match value.into_inner() {
                    DeValue::Table(table) => match section {
                        Shape::Open(kind) => {
                            let entries = self.entries(path, table);
                            self.found.push_entries(*kind, path, entries);
                        }
                        _ => self.section(section, path, table),
                    },
                    other => {
                        let message = format!(
                            "is a table ([{}]), not a value of type {}",
                            path.join("."),
                            other.type_str()
                        );
                        self.found.refuse(place, path, message);
                    }
                },
            }
            path.pop();
        }
    }

    /// Each entry is a setting of its own, too, so that one that sets nothing is there.
    fn tables(&mut self, shape: &Shape, path: &[String], value: DeValue<'_>, place: Place) {
        let name = path.join(".");
        let DeValue::Array(entries) = value else {
            let message = format!("is a list of tables: write [[{name}]] above each");
            return self.found.refuse(place, path, message);
        };
        for (index, entry) in entries.into_iter().enumerate() {
            let mut path = vec![format!("{name}[{index}]")];
            let place = self.place(entry.span().start);
            match entry.into_inner() {
                DeValue::Table(table) => {
                    self.found.push(&path, Value::Table(Table::new()), place);
                    self.section(shape, &mut path, table);
                }
                other => {
                    let message = format!("is a table, not a value of type {}", other.type_str());
                    self.found.refuse(place, &path, message);
                }
            }
        }
    }

    fn entries(&mut self, path: &[String], table: DeTable<'_>) -> Vec<(String, Value, Place)> {
        let mut entries = Vec::new();
        for (key, value) in table {
            let place = self.place(key.span().start);
            match own(value) {
                _ if self.is_broken(&place) => {}
                Ok(value) => entries.push((key.into_inner().into_owned(), value, place)),
                Err(message) => self.found.refuse(place, path, message),
            }
        }
        entries
    }

    fn unknown(&mut self, section: &Shape, path: &[String], place: Place) {
        if let Some((key, parents)) = path.split_last() {
            let message = unknown_key(section, parents, key, |nearest| {
                // A neighbour is named by its last part, as it would be written there.
                let short = nearest.strip_prefix(parents).unwrap_or(nearest);
                format!("`{}`", short.join("."))
            });
            self.found.refuse(place, path, message);
        }
    }

    fn place(&self, offset: usize) -> Place {
        Place::File {
            path: self.path.to_owned(),
            line: Some(self.position(offset).0),
            column: None,
        }
    }

    fn is_broken(&self, place: &Place) -> bool {
        matches!(place, Place::File { line: Some(line), .. } if self.broken_lines.contains(line))
    }

    /// Line and column, from 1.
    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let column = before
            .get(line_start..)
            .map_or(0, |line| line.chars().count())
            + 1;
        (line, column)
    }
}

/// The value without its borrow of the text; fails on a number that fits no type.
fn own(value: Spanned<DeValue<'_>>) -> Result<Value, String> {
    Value::deserialize(ValueDeserializer::from(value)).map_err(|error| error.message().to_owned())
}
