//! `vectide.example.toml` is kept true: it is what many configurations begin as.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::load;
use crate::config::{Config, shape::Shape};

const EXAMPLE: &str = include_str!("../../../vectide.example.toml");

/// The one key that has no default and must be set.
const REQUIRED: &str = "kafka.topics";

#[test]
fn it_loads_without_problems() {
    load(EXAMPLE, &[]).unwrap();
}

#[test]
fn it_sets_every_default_as_the_code_has_it() {
    let shown = leaves(EXAMPLE);
    let defaults = leaves(&toml::to_string(&Config::default()).unwrap());
    for (key, value) in &shown {
        if key != REQUIRED {
            let default = defaults.iter().find(|(name, _)| name == key);
            assert_eq!(
                Some(value),
                default.map(|(_, value)| value),
                "{key}: the example shows another value than the default"
            );
        }
    }
    let names: BTreeSet<_> = shown.iter().map(|(key, _)| key).collect();
    for (key, value) in &defaults {
        assert!(names.contains(key), "{key} = {value} is not shown");
    }
}

#[test]
fn its_commented_keys_are_the_optional_ones_and_read_when_uncommented() {
    let all = uncommented();
    let set = leaves(EXAMPLE);
    let mut known = Vec::new();
    keys(Shape::of_config(), "", &mut known);
    for (key, is_open) in known {
        let is_shown = leaves(&all)
            .iter()
            .any(|(name, _)| *name == key || (is_open && name.starts_with(&format!("{key}."))));
        assert!(is_shown, "{key} is not in the example");
    }
    // Not every option fits every other, so this looks at types and names, not at rules.
    let table: Table = all.parse().unwrap();
    let config: Config = serde::Deserialize::deserialize(Value::Table(table)).unwrap();
    assert_ne!(config, load(EXAMPLE, &[]).unwrap());
    assert!(leaves(&all).len() > set.len());
}

/// The example with its `#key = value` lines as settings; prose begins with `# `.
fn uncommented() -> String {
    EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest,
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Every key with its value; tables that are references to secrets are values.
fn leaves(text: &str) -> Vec<(String, Value)> {
    fn walk(table: Table, prefix: &str, leaves: &mut Vec<(String, Value)>) {
        for (key, value) in table {
            let key = format!("{prefix}{key}");
            match value {
                Value::Table(table)
                    if !table.contains_key("env") && !table.contains_key("file") =>
                {
                    walk(table, &format!("{key}."), leaves);
                }
                Value::Array(tables) if tables.iter().any(Value::is_table) => {
                    for table in tables {
                        let Value::Table(table) = table else { continue };
                        walk(table, &format!("{key}."), leaves);
                    }
                }
                value => leaves.push((key, value)),
            }
        }
    }
    let mut found = Vec::new();
    walk(text.parse().unwrap(), "", &mut found);
    found
}

/// Every known key, and whether it is a table with free keys.
fn keys(shape: &Shape, prefix: &str, found: &mut Vec<(String, bool)>) {
    for (key, shape) in shape.children() {
        let key = format!("{prefix}{key}");
        match shape {
            Shape::Section(_) => keys(shape, &format!("{key}."), found),
            // A section of a table is like the one at the top level, which is shown in full.
            Shape::Tables(entry) => {
                for (name, shape) in entry.children() {
                    let is_open = matches!(shape, Shape::Section(_));
                    found.push((format!("{key}.{name}"), is_open));
                }
            }
            Shape::Open(_) => found.push((key, true)),
            Shape::Leaf(_) => found.push((key, false)),
        }
    }
}
