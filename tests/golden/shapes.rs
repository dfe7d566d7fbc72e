//! Each record is told what it is, by the decoder as by the schemas.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use vectide::{
    decode::{Decoded, Decoder},
    record::{RawRecord, RowState},
};

use crate::{FILES, decoder, json, json_schema::problems, records};

/// The schemas of values, by name.
const SHAPES: [&str; 8] = [
    "envelope",
    "flattened",
    "heartbeat",
    "message",
    "schema_change",
    "tombstone",
    "transaction",
    "truncate",
];

/// A value without the schema around it.
fn value(raw: &RawRecord) -> Json {
    let Some(value) = raw.value.as_deref() else {
        return Json::Null;
    };
    let json: Json = serde_json::from_slice(value).unwrap();
    if json.get("schema").is_none() {
        return json;
    }
    assert_eq!(
        problems(&crate::json("json/with_schema.json"), &json),
        Vec::<String>::new()
    );
    json.get("payload").unwrap().clone()
}

/// The schema that the decoder's opinion belongs to.
fn shape(decoder: &mut Decoder, raw: &RawRecord, is_flattened: bool) -> &'static str {
    let key = decoder.key(raw);
    match decoder.decode(raw, key).unwrap() {
        Decoded::Skip(skip) => skip.label(),
        Decoded::Truncate(_) => "truncate",
        Decoded::Change(change) => match change.state {
            RowState::Gone if value(raw).is_null() => "tombstone",
            _ if is_flattened => "flattened",
            _ => "envelope",
        },
    }
}

#[test]
fn every_golden_record_is_what_its_schema_says_and_its_key_is_one() {
    let key_schema = json("json/key.json");
    // What Avro says is what its schema says.
    for file in FILES.into_iter().filter(|file| *file != "avro") {
        let mut decoder = decoder();
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for raw in records(file) {
            let shape = shape(&mut decoder, &raw, file.starts_with("flat"));
            let schema = json(&format!("json/{shape}.json"));
            let value = value(&raw);
            let found = problems(&schema, &value);
            assert!(found.is_empty(), "{file} {shape}: {found:?}\n{value}");
            if let Some(key) = &raw.key {
                let key: Json = serde_json::from_slice(key).unwrap();
                assert_eq!(problems(&key_schema, &key), Vec::<String>::new(), "{key}");
            }
            *seen.entry(shape).or_default() += 1;
        }
        let rows = if file.starts_with("flat") {
            "flattened"
        } else {
            "envelope"
        };
        for shape in [rows, "heartbeat", "message", "transaction"] {
            assert!(seen.contains_key(shape), "{file} has no {shape}: {seen:?}");
        }
        let has_tombstones = file != "flat_rewrite";
        assert_eq!(seen.contains_key("tombstone"), has_tombstones, "{file}");
        let has_truncate = !file.starts_with("flat");
        assert_eq!(seen.contains_key("truncate"), has_truncate, "{file}");
    }
}

#[test]
fn no_record_of_one_shape_is_taken_for_another_by_the_schemas() {
    let examples = [
        ("envelope", r#"{"op":"d","before":{"id":1},"source":{}}"#),
        ("envelope", r#"{"op":"c","after":{"id":1}}"#),
        ("heartbeat", r#"{"ts_ms":1}"#),
        ("message", r#"{"op":"m","message":{"prefix":"p"}}"#),
        ("schema_change", r#"{"source":{},"ddl":"CREATE TABLE a"}"#),
        ("tombstone", "null"),
        ("transaction", r#"{"status":"BEGIN","id":"1","ts_ms":1}"#),
        ("truncate", r#"{"op":"t","source":{}}"#),
    ];
    for (name, example) in examples {
        let example: Json = serde_json::from_str(example).unwrap();
        // Any object is a row without an envelope, as far as a schema can say.
        let fitting: Vec<_> = SHAPES
            .into_iter()
            .filter(|shape| *shape != "flattened")
            .filter(|shape| problems(&json(&format!("json/{shape}.json")), &example).is_empty())
            .collect();
        assert_eq!(fitting, [name], "{example}");
    }
}

#[test]
fn what_breaks_a_schema_is_found() {
    for (name, wrong) in [
        ("envelope", r#"{"op":"c","after":null}"#),
        ("envelope", r#"{"op":"z","after":{"id":1}}"#),
        ("envelope", r#"{"op":"c","after":{"_vectide":1}}"#),
        ("flattened", r#"{"id":1,"__deleted":"yes"}"#),
        ("heartbeat", r#"{"ts_ms":1,"id":1}"#),
        ("key", "null"),
        ("key", r#"{"id":null}"#),
        ("with_schema", r#"{"schema":{"type":"int"},"payload":{}}"#),
    ] {
        let wrong: Json = serde_json::from_str(wrong).unwrap();
        let found = problems(&json(&format!("json/{name}.json")), &wrong);
        assert!(!found.is_empty(), "{name}: {wrong}");
    }
}
