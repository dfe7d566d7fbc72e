//! The tables of `docs/configuration.md` are made of the schema. `UPDATE_DOCS=1 cargo test`
//! writes them anew.

use std::{fmt::Write, fs, path::Path};

use serde_json::Value as Json;

use super::load;
use crate::config::{json_schema, shape::non_null};

const BEGIN: &str =
    "<!-- keys: begin (made of the schema; UPDATE_DOCS=1 cargo test writes it anew) -->\n";
const END: &str = "<!-- keys: end -->\n";

#[test]
fn the_reference_lists_every_key_as_the_schema_has_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page marks its tables");
    let (tables, after) = rest.split_once(END).expect("the page marks its tables");

    let mut expected = String::from("\n");
    section(&mut expected, "", &json_schema());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, [before, BEGIN, &expected, END, after].concat()).unwrap();
    } else {
        assert_eq!(
            tables, expected,
            "docs/configuration.md is out of date: UPDATE_DOCS=1 cargo test writes it anew"
        );
    }
}

#[test]
fn the_page_shows_what_a_wrong_file_really_says() {
    let page = include_str!("../../../docs/configuration.md");
    let block = |language: &str| {
        let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
        rest.split_once("```").unwrap().0
    };
    let (_, shown) = block("text").split_once('\n').unwrap();
    let said = load(block("toml"), &[]).unwrap_err();
    assert_eq!(shown.trim_end(), said);
}

/// The section's own keys as a table, then the sections in it.
fn section(page: &mut String, name: &str, schema: &Json) {
    let properties: Vec<_> = fields(schema).unwrap().iter().collect();
    let (sections, keys): (Vec<_>, Vec<_>) = properties
        .into_iter()
        .partition(|(_, schema)| fields(schema).is_some());
    if !name.is_empty() {
        let heading = match schema["type"].as_str() {
            Some("array") => format!("[[{name}]]"),
            _ => format!("[{name}]"),
        };
        write!(page, "## `{heading}`\n\n{}\n\n", text(schema)).unwrap();
    }
    if !keys.is_empty() {
        page.push_str("| Key | Type | Default | Meaning |\n|---|---|---|---|\n");
        for (key, schema) in keys {
            let (kind, default) = (kind(schema), default(schema));
            let meaning = meaning(schema).replace('|', "\\|");
            writeln!(page, "| `{key}` | {kind} | {default} | {meaning} |").unwrap();
        }
        page.push('\n');
    }
    for (key, schema) in sections {
        let dot = if name.is_empty() { "" } else { "." };
        section(page, &format!("{name}{dot}{key}"), schema);
    }
}

/// The keys of a section, or of each entry of a list of sections. An optional section is none: it
/// is like another, which is told once.
fn fields(schema: &Json) -> Option<&serde_json::Map<String, Json>> {
    if schema["type"].is_array() {
        return None;
    }
    let section = schema.get("items").unwrap_or(schema);
    section.get("properties")?.as_object()
}

fn kind(schema: &Json) -> String {
    let schema = non_null(schema);
    if schema.get("properties").is_some() {
        return "section".into();
    }
    if let Some(format) = schema["format"].as_str() {
        match format {
            "duration" => return "duration".into(),
            "allowance" => return "amount".into(),
            "day" => return "day".into(),
            "byte-size" => return "size".into(),
            "secret-reference" => return "secret".into(),
            "text-or-list" => return "text, or list of text".into(),
            _ => {}
        }
    }
    if schema.get("oneOf").is_some() {
        return "choice".into();
    }
    if let Some(values) = schema
        .get("additionalProperties")
        .filter(|values| values.is_object())
    {
        return match kind(values).as_str() {
            "text" => "table of text".into(),
            kind => format!("table of {kind}s"),
        };
    }
    let name = schema["type"]
        .as_str()
        .or_else(|| schema["type"][0].as_str());
    match name {
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some("integer" | "number") => "number".into(),
        Some("boolean") => "true or false".into(),
        Some("string") => "text".into(),
        other => panic!("the reference has no word for the type {other:?}: {schema}"),
    }
}

fn default(schema: &Json) -> String {
    match &schema["default"] {
        Json::Null => "none".into(),
        Json::Array(items) if items.is_empty() => "none".into(),
        Json::Object(entries) if entries.is_empty() => "none".into(),
        value => format!("`{value}`"),
    }
}

/// The description, and the values to choose from with theirs.
fn meaning(schema: &Json) -> String {
    let mut meaning = text(schema);
    let inner = non_null(schema);
    let inner = inner
        .get("additionalProperties")
        .filter(|values| values.is_object())
        .unwrap_or(inner);
    if inner["format"] != "secret-reference" {
        for choice in inner["oneOf"].as_array().into_iter().flatten() {
            let value = choice["const"].as_str().unwrap();
            write!(meaning, "<br>`{value}`: {}", text(choice)).unwrap();
        }
    }
    meaning
}

/// A description in one line.
fn text(schema: &Json) -> String {
    let text = schema["description"].as_str().unwrap();
    text.replace('\n', " ")
}
