#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod encoder;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{cursor::Cursor, schema::SchemaError, *};
use crate::{
    config::RowsConfig,
    decode::change::Operation,
    record::{NeededColumns, Row, SchemaLanguage, SourcePosition, Value},
};

use encoder::{bytes, long, text};

fn writer_schema(text: &str, references: &[&str]) -> WriterSchema {
    WriterSchema {
        language: SchemaLanguage::Avro,
        text: text.into(),
        references: references.iter().map(|text| (*text).into()).collect(),
    }
}

fn reader(schema: &Json) -> AvroReader {
    AvroReader::new(
        SchemaId::Id(7),
        &writer_schema(&schema.to_string(), &[]),
        &RowSettings::default(),
    )
    .unwrap()
}

/// Reads bytes as JSON and skips them: both must take all of them.
fn read(schema: &WriterSchema, data: &[u8]) -> Result<Json, Broken> {
    let (types, root) = schema::compile(schema).unwrap();
    let mut cursor = Cursor::new(data);
    let json = value::json(&mut cursor, &types, root);
    let json = json.and_then(|json| cursor.end().map(|()| json));
    let mut skipped = Cursor::new(data);
    let skipping = value::skip(&mut skipped, &types, root).and_then(|()| skipped.end());
    // Skipping does not look whether texts are UTF-8.
    if json != Err(Broken::NotUtf8) {
        assert_eq!(skipping.is_ok(), json.is_ok());
    }
    json
}

fn read_plain(schema: &Json, data: &[u8]) -> Result<Json, Broken> {
    read(&writer_schema(&schema.to_string(), &[]), data)
}

/// Written by apache-avro 0.21: random schemas, random values of each.
#[test]
fn what_apache_avro_writes_is_read_as_it_was_meant() {
    for line in include_str!("reference.jsonl").lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let hex = case["hex"].as_str().unwrap();
        let data: Vec<u8> = (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        assert_eq!(
            read_plain(&case["schema"], &data).as_ref(),
            Ok(&case["json"]),
            "{case}"
        );
        for end in 0..data.len() {
            assert!(read_plain(&case["schema"], &data[..end]).is_err());
        }
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_read_again(value in encoder::values()) {
        let mut data = Vec::new();
        value.encode(&mut data);
        prop_assert_eq!(read_plain(&value.schema(), &data), Ok(value.json()));
        data.push(0);
        prop_assert_eq!(read_plain(&value.schema(), &data), Err(Broken::Trailing(1)));
    }

    #[test]
    fn no_bytes_make_it_panic_whatever_the_schema(
        value in encoder::values(),
        data in any::<Vec<u8>>(),
    ) {
        let _ = read_plain(&value.schema(), &data);
        let reader = reader(&value.schema());
        let settings = RowSettings::default();
        let _ = reader.key(&data, &settings);
        let _ = reader.value(&data, &settings);
    }

    #[test]
    fn a_change_that_is_cut_or_altered_never_makes_it_panic(
        at in 0_usize..200,
        byte in any::<u8>(),
    ) {
        let reader = reader(&envelope());
        let mut data = change("u");
        let end = at % data.len();
        prop_assert!(reader.value(&data[..end], &RowSettings::default()).is_err());
        data[end] = byte;
        let _ = reader.value(&data, &RowSettings::default());
    }
}

#[test]
fn blocks_may_say_their_size_and_be_several() {
    let schema = json!({"type": "array", "items": "long"});
    // Two elements in two bytes, then one.
    let data = [
        long(-2),
        long(2),
        long(7),
        long(8),
        long(1),
        long(9),
        long(0),
    ]
    .concat();
    assert_eq!(read_plain(&schema, &data), Ok(json!([7, 8, 9])));
}

#[test]
fn a_type_may_be_used_again_and_within_itself() {
    let schema = json!({
        "type": "record", "name": "a-b.Node", "fields": [
            {"name": "v", "type": {"type": "enum", "name": "Kind", "symbols": ["X", "Y"]}},
            {"name": "w", "type": "a-b.Kind"},
            {"name": "next", "type": ["null", "Node"]},
        ],
    });
    let node = |last| [long(1), long(0), long(last)].concat();
    let data = [node(1), node(0)].concat();
    assert_eq!(
        read_plain(&schema, &data),
        Ok(json!({"v": "Y", "w": "X", "next": {"v": "Y", "w": "X", "next": null}}))
    );
    let endless = node(1).repeat(100);
    assert_eq!(read_plain(&schema, &endless), Err(Broken::TooDeep));
}

#[test]
fn a_record_that_holds_itself_has_no_end_and_is_refused() {
    let schema = json!({"type": "record", "name": "A", "fields": [{"name": "a", "type": "A"}]});
    assert_eq!(read_plain(&schema, &[]), Err(Broken::TooDeep));
}

#[test]
fn nulls_without_end_are_refused() {
    let schema = json!({"type": "array", "items": "null"});
    let many = [long(1 << 40), long(0)].concat();
    assert_eq!(read_plain(&schema, &many), Err(Broken::Length(1 << 40)));
}

#[test]
fn names_may_come_from_another_schema() {
    let schema = writer_schema(
        r#"{"type":"record","name":"Row","namespace":"shop","fields":[{"name":"id","type":"shop.types.Id"},{"name":"m","type":"Money"}]}"#,
        &[
            r#"{"type":"fixed","name":"Id","namespace":"shop.types","size":2}"#,
            r#"{"type":"record","name":"Money","namespace":"shop","fields":[{"name":"cents","type":"long"}]}"#,
        ],
    );
    assert_eq!(
        read(&schema, b"ab\x08"),
        Ok(json!({"id": "YWI=", "m": {"cents": 4}}))
    );
}

#[test]
fn every_schema_that_is_none_says_why() {
    let mut deep = json!("long");
    for _ in 0..70 {
        deep = json!({"type": "array", "items": deep});
    }
    for (schema, error) in [
        ("{", None),
        ("7", Some(SchemaError::NotAType("7".to_owned()))),
        (
            "\"Nobody\"",
            Some(SchemaError::UnknownName("Nobody".to_owned())),
        ),
        (
            r#"{"type":"record","name":"A"}"#,
            Some(SchemaError::Missing {
                of: "record",
                missing: "fields",
            }),
        ),
        (
            r#"{"type":"array"}"#,
            Some(SchemaError::Missing {
                of: "array",
                missing: "items",
            }),
        ),
        (&deep.to_string(), Some(SchemaError::TooDeep)),
    ] {
        let found = schema::compile(&writer_schema(schema, &[])).unwrap_err();
        match error {
            Some(error) => assert_eq!(found, error),
            None => assert!(matches!(found, SchemaError::NotJson(_))),
        }
        let failure = AvroReader::new(
            SchemaId::Id(7),
            &writer_schema(schema, &[]),
            &RowSettings::default(),
        )
        .unwrap_err();
        assert_eq!(failure.reason, "unusable_schema");
        assert!(
            failure.message.starts_with("schema 7 of the registry"),
            "{failure}"
        );
    }
}

fn connect(kind: &str, name: &str) -> Json {
    json!({"type": kind, "connect.version": 1, "connect.name": name})
}

/// A table's row as Debezium's converter describes it, with names not adjusted.
fn row_schema() -> Json {
    json!({"type": "record", "name": "Value", "fields": [
        {"name": "id", "type": "long"},
        {"name": "title", "type": "string"},
        {"name": "price", "type": {
            "type": "bytes", "scale": 2, "precision": 12, "logicalType": "decimal",
            "connect.version": 1, "connect.parameters": {"scale": "2"},
            "connect.name": "org.apache.kafka.connect.data.Decimal",
        }},
        {"name": "list_price", "type": ["null", {
            "type": "record", "name": "VariableScaleDecimal", "namespace": "io.debezium.data",
            "fields": [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}],
            "connect.name": "io.debezium.data.VariableScaleDecimal",
        }]},
        {"name": "released", "type": ["null", connect("int", "io.debezium.time.Date")]},
        {"name": "updated_at", "type": connect("long", "io.debezium.time.MicroTimestamp")},
        {"name": "attributes", "type": ["null", connect("string", "io.debezium.data.Json")]},
        {"name": "tags", "type": ["null", {"type": "array", "items": ["null", "string"]}]},
        {"name": "image", "type": ["null", "bytes"]},
        {"name": "rating", "type": ["null", "float"]},
        {"name": "description", "type": ["null", "string"]},
    ], "connect.name": "my-shop.public.products.Value"})
}

fn envelope() -> Json {
    json!({"type": "record", "name": "Envelope", "namespace": "my-shop.public.products", "fields": [
        {"name": "before", "type": ["null", row_schema()], "default": null},
        {"name": "after", "type": ["null", "Value"], "default": null},
        {"name": "source", "type": {
            "type": "record", "name": "Source", "namespace": "io.debezium.connector.postgresql",
            "fields": [
                {"name": "version", "type": "string"},
                {"name": "ts_ms", "type": "long"},
                {"name": "snapshot", "type": [connect("string", "io.debezium.data.Enum"), "null"]},
                {"name": "lsn", "type": ["null", "long"]},
            ],
        }},
        {"name": "op", "type": "string"},
        {"name": "ts_ms", "type": ["null", "long"]},
    ]})
}

fn row() -> Vec<u8> {
    [
        long(1),
        text("Tent"),
        bytes(&[0x01, 0xf4]),
        [long(1), long(4), bytes(&[0x11, 0x2a, 0x0b])].concat(),
        [long(1), long(19_782)].concat(),
        long(1_795_168_800_500_000),
        [long(1), text(r#"{"a": 1}"#)].concat(),
        [long(1), long(2), long(1), text("a"), long(0), long(0)].concat(),
        [long(1), bytes(b"\0\x01")].concat(),
        [long(1), 4.7_f32.to_le_bytes().to_vec()].concat(),
        [long(1), text("__debezium_unavailable_value")].concat(),
    ]
    .concat()
}

fn change(op: &str) -> Vec<u8> {
    let after = if op == "d" {
        long(0)
    } else {
        [long(1), row()].concat()
    };
    let before = [long(1), row()].concat();
    let source = [
        text("3.6.3.Final"),
        long(1_700_000_000_000),
        long(0),
        text("false"),
        long(1),
        long(22_653_688),
    ]
    .concat();
    [before, after, source, text(op), long(1), long(5)].concat()
}

fn value(schema: &Json, data: &[u8]) -> Result<Change, Failure> {
    reader(schema).value(data, &RowSettings::default())
}

fn upserted(change: Change) -> Row {
    match change.operation {
        Operation::Create(row) | Operation::Upsert(row) | Operation::Read(row) => row,
        other => unreachable!("no row: {other:?}"),
    }
}

#[test]
fn an_envelope_gives_the_row_its_columns_types_and_its_place_in_the_log() {
    let change = value(&envelope(), &change("u")).unwrap();
    assert_eq!(change.commit_ms, Some(1_700_000_000_000));
    assert_eq!(change.source, Some(SourcePosition(22_653_688)));
    assert_eq!(change.before, None);
    let text = |text: &str| Value::String(text.into());
    let json = |json| Value::Json(Box::new(json));
    let expected = [
        ("id", Value::Int(1)),
        ("title", text("Tent")),
        ("price", Value::Decimal("5.00".into())),
        ("list_price", Value::Decimal("112.4875".into())),
        ("released", text("2024-02-29")),
        ("updated_at", text("2026-11-20T10:00:00.5")),
        ("attributes", json(json!({"a": 1}))),
        ("tags", json(json!(["a", null]))),
        ("image", text("AAE=")),
        ("rating", Value::Float(4.7)),
        ("description", Value::Unavailable),
    ];
    let row = upserted(change);
    let columns: Vec<_> = row
        .columns()
        .iter()
        .map(|(name, value)| (&**name, value.clone()))
        .collect();
    assert_eq!(columns, expected);
}

#[test]
fn columns_that_nothing_uses_are_not_built() {
    let only = ["title", "price"].map(str::to_owned).into();
    let settings = RowSettings::new(&RowsConfig::default(), NeededColumns::Only(only));
    let schema = writer_schema(&envelope().to_string(), &[]);
    let reader = AvroReader::new(SchemaId::Id(7), &schema, &settings).unwrap();
    let row = upserted(reader.value(&change("u"), &settings).unwrap());
    let names: Vec<&str> = row.columns().iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["title", "price"]);
}

#[test]
fn every_operation_is_told() {
    let operation = |op: &str| value(&envelope(), &change(op)).map(|change| change.operation);
    assert!(matches!(operation("c"), Ok(Operation::Create(_))));
    assert!(matches!(operation("u"), Ok(Operation::Upsert(_))));
    assert!(matches!(operation("r"), Ok(Operation::Read(_))));
    assert!(matches!(operation("d"), Ok(Operation::Delete(None))));
    assert!(matches!(operation("t"), Ok(Operation::Truncate)));
    assert!(matches!(operation("m"), Ok(Operation::Skip(_))));
    assert_eq!(operation("z").unwrap_err().reason, "unknown_operation");
}

#[test]
fn markers_are_told_by_the_names_of_their_fields() {
    use crate::decode::Skip;
    let record = |fields: Json| json!({"type": "record", "name": "R", "fields": fields});
    let field = |name: &str, of: &str| json!({"name": name, "type": of});
    for (schema, data, skip) in [
        (
            record(json!([field("ts_ms", "long")])),
            long(7),
            Skip::Heartbeat,
        ),
        (
            record(json!([
                field("status", "string"),
                field("id", "string"),
                field("ts_ms", "long")
            ])),
            [text("BEGIN"), text("784:1"), long(1)].concat(),
            Skip::Transaction,
        ),
    ] {
        match value(&schema, &data).unwrap().operation {
            Operation::Skip(found) => assert_eq!(found, skip),
            other => unreachable!("{other:?}"),
        }
    }
}

#[test]
fn a_flattened_row_is_told_by_its_fields_also_where_they_are_called_like_an_envelopes() {
    let schema = json!(["null", {"type": "record", "name": "Value", "fields": [
        {"name": "status", "type": "string"},
        {"name": "__deleted", "type": ["null", "string"]},
        {"name": "__lsn", "type": ["null", "long"]},
    ]}]);
    let data = [
        long(1),
        text("sold"),
        long(1),
        text("false"),
        long(1),
        long(9),
    ]
    .concat();
    let change = value(&schema, &data).unwrap();
    assert_eq!(change.source, Some(SourcePosition(9)));
    let row = upserted(change);
    assert_eq!(row.get("status"), Some(&Value::String("sold".into())));
    assert_eq!(row.get("__deleted"), None);
    let tombstone = value(&schema, &long(0)).unwrap();
    assert!(matches!(tombstone.operation, Operation::Delete(None)));
}

#[test]
fn a_document_of_mongodb_is_read_from_its_text() {
    let schema = json!({"type": "record", "name": "Envelope", "fields": [
        {"name": "after", "type": ["null", connect("string", "io.debezium.data.Json")]},
        {"name": "op", "type": ["null", "string"]},
    ]});
    let data = [long(1), text(r#"{"title": "Tent"}"#), long(1), text("c")].concat();
    let row = upserted(value(&schema, &data).unwrap());
    assert_eq!(row.get("title"), Some(&Value::String("Tent".into())));
}

#[test]
fn what_is_no_change_is_a_fault_of_the_record() {
    assert_eq!(
        value(&json!("long"), &long(1)).unwrap_err().reason,
        "no_envelope"
    );
    let cut = value(&envelope(), &change("u")[..30]).unwrap_err();
    assert_eq!(cut.reason, "undecodable_value");
    assert!(cut.message.contains("schema 7"), "{cut}");
    let mut wrong = row();
    // The decimal's length, behind the id and the title.
    wrong[6] = 0;
    wrong.splice(7..9, []);
    let data = [long(0), [long(1), wrong].concat()].concat();
    let data = [data, change("u")[1 + row().len() * 2 + 1..].to_vec()].concat();
    let failure = value(&envelope(), &data).unwrap_err();
    assert!(failure.message.contains("column `price`"), "{failure}");
}

#[test]
fn a_key_is_the_same_from_avro_as_from_json() {
    let field = |name: &str, of: Json| json!({"name": name, "type": of});
    let record = |fields: Vec<Json>| json!({"type": "record", "name": "Key", "fields": fields});
    let decimal = json!({
        "type": "bytes", "connect.name": "org.apache.kafka.connect.data.Decimal",
        "connect.parameters": {"scale": "2"},
    });
    let key = |schema: &Json, data: Vec<u8>| {
        let settings = RowSettings::default();
        reader(schema)
            .key(&data, &settings)
            .map(|key| key.as_str().to_owned())
    };
    for (schema, data, canonical) in [
        (record(vec![field("id", json!("long"))]), long(17), "[17]"),
        (
            record(vec![field("a", json!("long")), field("b", json!("string"))]),
            [long(1), text("23\"")].concat(),
            r#"[1,"23\""]"#,
        ),
        (
            record(vec![field("d", connect("int", "io.debezium.time.Date"))]),
            long(19_782),
            "[19782]",
        ),
        (
            record(vec![field("n", decimal)]),
            bytes(&[0x01, 0xf4]),
            r#"["5.00"]"#,
        ),
        (
            record(vec![field("b", json!("bytes"))]),
            bytes(&[0, 1]),
            r#"["AAE="]"#,
        ),
        (
            record(vec![field("f", json!("float"))]),
            4.7_f32.to_le_bytes().to_vec(),
            "[4.7]",
        ),
        (json!("string"), text("a"), r#"["a"]"#),
    ] {
        assert_eq!(key(&schema, data).as_deref(), Ok(canonical), "{schema}");
    }
    let optional = record(vec![field("a", json!(["null", "string"]))]);
    assert_eq!(
        key(&optional, [long(1), text("x")].concat()).as_deref(),
        Ok(r#"["x"]"#)
    );
    for (schema, data, reason) in [
        (optional, long(0), "null_key"),
        (record(Vec::new()), Vec::new(), "no_key"),
        (json!("long"), Vec::new(), "undecodable_key"),
    ] {
        assert_eq!(key(&schema, data).unwrap_err().reason, reason);
    }
}
