//! As much of JSON Schema (2020-12) as the schemas use. A validator of all of it brings along more than the whole test is worth.

use serde_json::Value as Json;

/// What is wrong with a value; panics at a keyword that is not known here, so that no schema can say more than is checked.
pub(crate) fn problems(schema: &Json, value: &Json) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, value, "$", &mut found);
    found
}

fn check(root: &Json, schema: &Json, value: &Json, place: &str, found: &mut Vec<String>) {
    let keywords = match schema {
        Json::Bool(true) => return,
        Json::Bool(false) => return found.push(format!("{place} must not be there")),
        schema => schema.as_object().unwrap(),
    };
    for (keyword, rule) in keywords {
        match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => {}
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                check(root, root.pointer(pointer).unwrap(), value, place, found);
            }
            "type" => {
                let names: Vec<_> = match rule {
                    Json::Array(names) => names.iter().collect(),
                    name => vec![name],
                };
                if !names
                    .iter()
                    .any(|name| is_of(name.as_str().unwrap(), value))
                {
                    found.push(format!("{place} is no {rule}: {value}"));
                }
            }
            "const" => {
                if value != rule {
                    found.push(format!("{place} is not {rule}: {value}"));
                }
            }
            "enum" => {
                if !rule.as_array().unwrap().contains(value) {
                    found.push(format!("{place} is none of {rule}: {value}"));
                }
            }
            "anyOf" => {
                let fits = |any: &Json| {
                    let mut found = Vec::new();
                    check(root, any, value, place, &mut found);
                    found.is_empty()
                };
                if !rule.as_array().unwrap().iter().any(fits) {
                    found.push(format!("{place} fits none of {rule}: {value}"));
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, item, &format!("{place}[{index}]"), found);
                }
            }
            "required" => {
                for name in rule.as_array().unwrap() {
                    let name = name.as_str().unwrap();
                    if value.is_object() && value.get(name).is_none() {
                        found.push(format!("{place} has no {name}"));
                    }
                }
            }
            "minProperties" => {
                let count = value.as_object().map(|fields| fields.len() as u64);
                if count.is_some_and(|count| count < rule.as_u64().unwrap()) {
                    found.push(format!("{place} has too few fields"));
                }
            }
            "properties" => {
                for (name, rule) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        check(root, rule, value, &format!("{place}.{name}"), found);
                    }
                }
            }
            "additionalProperties" => {
                let known = keywords.get("properties").and_then(Json::as_object);
                for (name, value) in value.as_object().into_iter().flatten() {
                    if known.is_none_or(|known| !known.contains_key(name)) {
                        check(root, rule, value, &format!("{place}.{name}"), found);
                    }
                }
            }
            unknown => panic!("`{unknown}` is not checked"),
        }
    }
}

fn is_of(name: &str, value: &Json) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        unknown => panic!("`{unknown}` is no type"),
    }
}
