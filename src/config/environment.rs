//! Environment variables: `VECTIDE__SECTION__KEY`, each read as its key's type wants it.

use std::{ffi::OsString, fs, io, path::Path};

use toml::{Table, Value, de::ValueDeserializer};

use super::{
    problem::{Place, Problem, Problems},
    setting::{Found, unknown_key},
    shape::{Kind, Shape},
};

/// What the name of every variable that is read begins with.
pub const PREFIX: &str = "VECTIDE__";

/// What the variables set. One with an empty value is as if it were not set, as
/// `NAME=${OTHER:-}` in a compose file means it.
pub(super) fn read(variables: &[(OsString, OsString)]) -> Found {
    let mut found = Found::default();
    for (name, value) in variables {
        let Some(name) = name.to_str() else { continue };
        let Some(key) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let place = Place::Environment(name.to_owned());
        match value.to_str() {
            Some("") => {}
            Some(text) => variable(&mut found, key, text, place),
            None => found.refuse(place, &[], "is not valid UTF-8"),
        }
    }
    found
}

fn variable(found: &mut Found, key: &str, text: &str, place: Place) {
    let segments: Vec<String> = key.split("__").map(str::to_ascii_lowercase).collect();
    let mut shape = Shape::of_config();
    let mut rest = segments.as_slice();
    while let (Shape::Section(_), Some((segment, tail))) = (shape, rest.split_first()) {
        let Some(child) = shape.child(segment) else {
            let section = known(&segments, rest);
            let message = unknown_key(shape, section, segment, variable_name);
            return found.refuse(place, &segments, message);
        };
        (shape, rest) = (child, tail);
    }
    let path = known(&segments, rest);
    match (shape, rest) {
        (Shape::Leaf(kind), []) => found.push(path, value(*kind, text), place),
        (Shape::Leaf(Kind::Secret), [how]) => {
            let reference = Table::from_iter([(how.clone(), Value::String(text.to_owned()))]);
            found.push(path, Value::Table(reference), place);
        }
        (Shape::Leaf(_), _) => {
            let message = format!("unknown key; did you mean {}?", variable_name(path));
            found.refuse(place, &segments, message);
        }
        (Shape::Open(kind), []) => match inline_table(text) {
            Some(table) => {
                let entries = table
                    .into_iter()
                    .map(|(key, value)| (key, value, place.clone()));
                found.push_entries(*kind, path, entries.collect());
            }
            None => found.refuse(
                place,
                path,
                "expected a table, such as { \"name\" = \"value\" }",
            ),
        },
        (Shape::Open(kind), rest) => {
            let entry = (rest.join("__"), value(*kind, text), place);
            found.push_entries(*kind, path, vec![entry]);
        }
        (Shape::Tables(_), []) => match list_of_tables(text) {
            Some(tables) => found.push(path, tables, place),
            None => found.refuse(
                place,
                path,
                "expected a list of tables, such as [{ topics = [\"shop.orders\"] }]",
            ),
        },
        (Shape::Tables(_), _) => {
            let message = format!("is set as a whole, as {}", variable_name(path));
            found.refuse(place, &segments, message);
        }
        (Shape::Section(_), _) => {
            found.refuse(place, path, "is a section: name one of its keys");
        }
    }
}

/// The part of the path in front of `rest`.
fn known<'a>(segments: &'a [String], rest: &[String]) -> &'a [String] {
    segments
        .get(..segments.len() - rest.len())
        .unwrap_or(segments)
}

fn variable_name(path: &[String]) -> String {
    format!("{PREFIX}{}", path.join("__").to_ascii_uppercase())
}

/// Reads the text as the kind wants it. What does not fit stays text, for the key's own type to
/// refuse it in its own words.
fn value(kind: Kind, text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    match kind {
        Kind::Text => as_text(),
        Kind::Integer => text
            .trim()
            .parse()
            .map_or_else(|_| as_text(), Value::Integer),
        Kind::Number => text.trim().parse().map_or_else(|_| as_text(), Value::Float),
        Kind::Boolean => text
            .trim()
            .parse()
            .map_or_else(|_| as_text(), Value::Boolean),
        Kind::TextOrList => toml_value(text)
            .filter(Value::is_array)
            .unwrap_or_else(as_text),
        Kind::List if text.trim_start().starts_with('[') => toml_value(text)
            .filter(Value::is_array)
            .unwrap_or_else(as_text),
        Kind::List => text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(|item| Value::String(item.to_owned()))
            .collect::<Vec<_>>()
            .into(),
        Kind::Secret => inline_table(text).map_or_else(as_text, Value::Table),
    }
}

/// A table as TOML (`{ a = "b" }`) or as JSON (`{"a": "b"}`) writes it.
fn inline_table(text: &str) -> Option<Table> {
    match toml_value(text) {
        Some(Value::Table(table)) => Some(table),
        Some(_) => None,
        None => serde_json::from_str(text).ok(),
    }
}

/// A list of tables as TOML or as JSON writes it.
fn list_of_tables(text: &str) -> Option<Value> {
    let list = toml_value(text).or_else(|| serde_json::from_str(text).ok())?;
    let tables = list.as_array()?;
    tables.iter().all(Value::is_table).then_some(list)
}

fn toml_value(text: &str) -> Option<Value> {
    let parsed = ValueDeserializer::parse(text.trim()).ok()?;
    serde::Deserialize::deserialize(parsed).ok()
}

/// Adds what the file `.env` of the working directory sets to the environment of this process;
/// what the environment has already, it keeps. No such file is no problem.
///
/// Call it first thing in `main`: the environment may only be changed while there is one thread.
pub fn read_dot_env() -> Result<(), Problems> {
    let path = Path::new(".env");
    let problem = |line: Option<usize>, message: String| {
        let place = Place::File {
            path: path.to_owned(),
            line,
            column: None,
        };
        Problems::refuse_any(vec![Problem::at(place, "", message)])
    };
    match dotenvy::from_path(path) {
        Ok(()) => Ok(()),
        Err(error) if error.not_found() => Ok(()),
        // The line is not repeated: it may hold a secret.
        Err(dotenvy::Error::LineParse(broken, _)) => problem(
            line_of(path, &broken).unwrap_or_default(),
            "this is not NAME=value; a value with blanks needs quotes".into(),
        ),
        Err(dotenvy::Error::Io(error)) => problem(None, format!("cannot be read: {error}")),
        Err(_) => problem(None, "cannot be read".into()),
    }
}

fn line_of(path: &Path, broken: &str) -> io::Result<Option<usize>> {
    let text = fs::read_to_string(path)?;
    // What is handed over is the line, or the part of it that could not be read.
    let first = broken.lines().next().unwrap_or(broken);
    let line = text.lines().position(|line| line.contains(first));
    Ok(line.map(|index| index + 1))
}
