#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;

use super::*;
use crate::{
    config::RowsConfig,
    record::{NeededColumns, Offset, Row, SourcePosition, Value},
};

fn record(key: Option<&str>, value: Option<&str>) -> RawRecord {
    RawRecord {
        topic: "shop.public.products".into(),
        partition: 2,
        offset: Offset(40),
        timestamp_ms: Some(1_700_000_000_500),
        key: key.map(|text| text.as_bytes().into()),
        value: value.map(|text| text.as_bytes().into()),
        headers: Vec::new(),
    }
}

fn decode(key: Option<&str>, value: Option<&str>) -> Result<Decoded, Failure> {
    decode_with(&mut Decoder::default(), key, value)
}

fn decode_with(
    decoder: &mut Decoder,
    key: Option<&str>,
    value: Option<&str>,
) -> Result<Decoded, Failure> {
    let raw = record(key, value);
    let key = decoder.key(&raw);
    decoder.decode(&raw, key)
}

fn decoder(rows: &RowsConfig) -> Decoder {
    Decoder::new(RowSettings::new(rows, NeededColumns::all()))
}

const KEY: Option<&str> = Some(r#"{"id":1}"#);

fn row(decoded: Decoded) -> Row {
    match decoded {
        Decoded::Change(RowChange {
            state: RowState::Present(row),
            ..
        }) => row,
        other => panic!("no row: {other:?}"),
    }
}

const BARE: &str = r#"{"before":null,"after":{"id":1,"title":"Tent","price":"39.90","stock":3,"tags":["a"],"x":null},"source":{"version":"3.6.3.Final","connector":"postgresql","ts_ms":1700000000000,"snapshot":"false","lsn":22653688},"transaction":null,"op":"u","ts_ms":1700000000400}"#;

const WITH_SCHEMA: &str = r#"{"schema":{"type":"struct","fields":[{"type":"struct","fields":[],"optional":true,"field":"before"},{"type":"struct","fields":[{"type":"int64","optional":false,"field":"id"},{"type":"bytes","optional":false,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"12"},"field":"price"},{"type":"struct","fields":[],"optional":true,"name":"io.debezium.data.VariableScaleDecimal","field":"list_price"}],"optional":true,"field":"after"}],"optional":false,"name":"shop.public.products.Envelope","version":2},"payload":{"before":null,"after":{"id":1,"price":"AfQ=","list_price":{"scale":4,"value":"ESoL"}},"source":{"ts_ms":1700000000000,"lsn":7},"op":"c"}}"#;

#[test]
fn a_bare_envelope_gives_the_row_and_its_position() {
    let decoded = decode(Some(r#"{"id":1}"#), Some(BARE)).unwrap();
    let Decoded::Change(change) = &decoded else {
        panic!("no change: {decoded:?}")
    };
    assert_eq!(change.key.as_str(), "[1]");
    assert_eq!(
        change.position,
        Position {
            offset: Offset(40),
            timestamp_ms: 1_700_000_000_500,
            commit_ms: Some(1_700_000_000_000),
            source: Some(SourcePosition(22_653_688)),
        }
    );
    let row = row(decoded);
    assert_eq!(row.get("title"), Some(&Value::String("Tent".into())));
    assert_eq!(row.get("stock"), Some(&Value::Int(3)));
    assert_eq!(row.get("x"), Some(&Value::Null));
    assert_eq!(
        row.get("tags"),
        Some(&Value::Json(Box::new(serde_json::json!(["a"]))))
    );
    assert_eq!(row.get("absent"), None);
}

#[test]
fn a_schema_makes_decimals_exact() {
    let row = row(decode(Some(r#"{"id":1}"#), Some(WITH_SCHEMA)).unwrap());
    assert_eq!(row.get("price"), Some(&Value::Decimal("5.00".into())));
    assert_eq!(
        row.get("list_price"),
        Some(&Value::Decimal("112.4875".into()))
    );
}

#[test]
fn a_record_without_schema_after_one_with_is_read_without() {
    let mut decoder = Decoder::default();
    let mut decode = |value| decode_with(&mut decoder, KEY, Some(value)).unwrap();
    decode(WITH_SCHEMA);
    let bare = row(decode(BARE));
    assert_eq!(bare.get("price"), Some(&Value::String("39.90".into())));
    let again = row(decode(WITH_SCHEMA));
    assert_eq!(again.get("price"), Some(&Value::Decimal("5.00".into())));
}

#[test]
fn a_payload_written_before_its_schema_is_read_with_it() {
    let parsed: serde_json::Value = serde_json::from_str(WITH_SCHEMA).unwrap();
    let (schema, payload) = (
        parsed.get("schema").unwrap(),
        parsed.get("payload").unwrap(),
    );
    let swapped = format!(r#"{{"payload":{payload},"schema":{schema}}}"#);
    let row = row(decode(Some(r#"{"id":1}"#), Some(&swapped)).unwrap());
    assert_eq!(row.get("price"), Some(&Value::Decimal("5.00".into())));
}

#[test]
fn deletes_and_tombstones_say_that_the_row_is_gone() {
    let delete = r#"{"before":{"id":1},"after":null,"source":{"ts_ms":5},"op":"d"}"#;
    for value in [Some(delete), None, Some("null")] {
        match decode(Some(r#"{"id":1}"#), value).unwrap() {
            Decoded::Change(change) => assert_eq!(change.state, RowState::Gone, "{value:?}"),
            other => panic!("no change: {other:?}"),
        }
    }
}

#[test]
fn what_carries_no_row_is_skipped_by_its_shape() {
    for (value, skip) in [
        (
            r#"{"op":"m","ts_ms":1,"source":{},"message":{"prefix":"p"}}"#,
            Skip::Message,
        ),
        (r#"{"ts_ms":1700000000000}"#, Skip::Heartbeat),
        (
            r#"{"status":"BEGIN","id":"784:22697456","ts_ms":1}"#,
            Skip::Transaction,
        ),
        (
            r#"{"source":{},"ts_ms":1,"databaseName":"shop","schemaName":null,"ddl":"CREATE …","tableChanges":[]}"#,
            Skip::SchemaChange,
        ),
        (
            r#"{"id":"7","aggregate_type":"Initial Snapshot","type":"COMPLETED","additional_data":{},"timestamp":1}"#,
            Skip::Notification,
        ),
    ] {
        assert_eq!(decode(None, Some(value)).unwrap(), Decoded::Skip(skip));
    }
}

#[test]
fn every_undecodable_record_says_why() {
    let key = Some(r#"{"id":1}"#);
    for (key, value, reason) in [
        (key, Some("not json"), "undecodable_value"),
        (key, Some("[1,2]"), "undecodable_value"),
        (key, Some("{\"op\":"), "undecodable_value"),
        (key, Some("{} {}"), "undecodable_value"),
        (key, Some(r#"{"op":"c","after":null}"#), "no_row"),
        (key, Some(r#"{"op":"z","source":{}}"#), "unknown_operation"),
        (None, Some(BARE), "no_key"),
        (None, None, "no_key"),
        (None, Some(r#"{"name":"Tent"}"#), "no_key"),
        (Some("x"), Some(BARE), "undecodable_key"),
    ] {
        let failure = decode(key, value).unwrap_err();
        assert_eq!(failure.reason, reason, "{key:?} {value:?}");
        assert!(!failure.message.is_empty());
    }
}

#[test]
fn a_decimal_that_is_none_is_a_fault_of_the_record_and_names_the_column() {
    let broken = WITH_SCHEMA.replace("AfQ=", "n/a");
    let failure = decode(Some(r#"{"id":1}"#), Some(&broken)).unwrap_err();
    assert!(
        failure
            .message
            .contains("column `price`: “n/a” is no decimal(2)"),
        "{}",
        failure.message
    );
}

#[test]
fn the_connectors_placeholder_is_no_value_but_a_text_that_mentions_it_is() {
    let value = r#"{"op":"u","after":{"a":"__debezium_unavailable_value","b":"a __debezium_unavailable_value b"}}"#;
    let row = row(decode(Some(r#"{"id":1}"#), Some(value)).unwrap());
    assert_eq!(row.get("a"), Some(&Value::Unavailable));
    assert!(matches!(row.get("b"), Some(Value::String(_))));
}

#[test]
fn the_placeholder_is_recognised_in_the_form_of_each_type() {
    let numbers: Vec<u8> = b"__debezium_unavailable_value".to_vec();
    for form in [
        serde_json::json!("X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="),
        serde_json::json!(["__debezium_unavailable_value"]),
        serde_json::json!(["X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="]),
        serde_json::json!(["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]),
        serde_json::json!(numbers),
        serde_json::json!({"__debezium_unavailable_value": "__debezium_unavailable_value"}),
    ] {
        let value = format!(r#"{{"op":"u","after":{{"a":{form}}}}}"#);
        let row = row(decode(Some(r#"{"id":1}"#), Some(&value)).unwrap());
        assert_eq!(row.get("a"), Some(&Value::Unavailable), "{form}");
    }
}

#[test]
fn an_integer_beyond_64_bits_signed_keeps_its_digits() {
    let value = r#"{"op":"c","after":{"n":18446744073709551615}}"#;
    let row = row(decode(Some(r#"{"id":1}"#), Some(value)).unwrap());
    assert_eq!(
        row.get("n"),
        Some(&Value::Decimal("18446744073709551615".into()))
    );
}

#[test]
fn a_truncate_is_told_with_its_position() {
    let value = r#"{"before":null,"after":null,"source":{"ts_ms":5,"lsn":9},"op":"t"}"#;
    let Decoded::Truncate(position) = decode(None, Some(value)).unwrap() else {
        panic!("no truncate")
    };
    assert_eq!(position.source, Some(SourcePosition(9)));
    assert_eq!(position.commit_ms, Some(5));
}

#[test]
fn a_flattened_row_is_told_from_an_envelope_by_its_content() {
    for value in [
        r#"{"id":1,"title":"Tent","__deleted":"false","__op":"u","__lsn":7}"#,
        r#"{"source":"web","title":"Tent","op":"sale"}"#,
        r#"{"op":"c","title":"Tent"}"#,
        r#"{"ts_ms":5,"title":"Tent"}"#,
        r#"{"after":"noon","title":"Tent"}"#,
        r#"{"schema":"eu","title":"Tent"}"#,
        r#"{"schema":"eu","payload":"x","title":"Tent"}"#,
        r#"{"payload":"x","title":"Tent"}"#,
        r#"{"schema":{},"title":"Tent"}"#,
        r#"{"status":"paid","id":7,"title":"Tent","ts_ms":1}"#,
        r#"{"id":7,"type":"a","aggregate_type":"b","additional_data":"c","title":"Tent"}"#,
        r#"{"schema":{"type":"struct","fields":[{"type":"string","field":"title"}]},"payload":{"id":1,"title":"Tent"}}"#,
    ] {
        let row = row(decode(KEY, Some(value)).unwrap());
        assert_eq!(
            row.get("title"),
            Some(&Value::String("Tent".into())),
            "{value}"
        );
        assert_eq!(row.get("__lsn"), None);
    }
}

#[test]
fn a_flattened_delete_is_a_delete() {
    let value = r#"{"id":1,"title":"","stock":0,"__deleted":"true","__op":"d"}"#;
    let Decoded::Change(change) = decode(KEY, Some(value)).unwrap() else {
        panic!("no change")
    };
    assert_eq!(change.state, RowState::Gone);
}

#[test]
fn a_flattened_row_that_was_deleted_is_null_with_its_schema_around_it() {
    let schema =
        r#"{"type":"struct","fields":[{"type":"string","field":"title"}],"optional":true}"#;
    for value in [
        format!(r#"{{"schema":{schema},"payload":null}}"#),
        format!(r#"{{"payload":null,"schema":{schema}}}"#),
        r#"{"schema":null,"payload":null}"#.to_owned(),
    ] {
        let Decoded::Change(change) = decode(KEY, Some(&value)).unwrap() else {
            panic!("no change: {value}")
        };
        assert_eq!(change.state, RowState::Gone, "{value}");
    }
}

#[test]
fn an_array_of_dates_that_did_not_change_is_no_array_of_dates() {
    let numbers = serde_json::json!(b"__debezium_unavailable_value");
    let rows = RowsConfig {
        types: [("days".to_owned(), "date[]".parse().unwrap())].into(),
        ..RowsConfig::default()
    };
    let value = format!(r#"{{"op":"u","after":{{"days":{numbers}}}}}"#);
    let row = row(decode_with(&mut decoder(&rows), KEY, Some(&value)).unwrap());
    assert_eq!(row.get("days"), Some(&Value::Unavailable));
}

#[test]
fn a_notification_is_one_also_where_nothing_needs_its_columns() {
    let needed = NeededColumns::Only(["title".to_owned()].into());
    let mut decoder = Decoder::new(RowSettings::new(&RowsConfig::default(), needed));
    let value = r#"{"id":"7","aggregate_type":"Initial Snapshot","type":"COMPLETED","additional_data":{},"timestamp":1}"#;
    assert_eq!(
        decode_with(&mut decoder, KEY, Some(value)).unwrap(),
        Decoded::Skip(Skip::Notification)
    );
}

#[test]
fn a_schema_gives_flattened_rows_their_types_too() {
    let value = r#"{"schema":{"type":"struct","fields":[{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"},"field":"price"},{"type":"array","items":{"type":"int32","name":"io.debezium.time.Date"},"field":"days"}]},"payload":{"price":"AfQ=","days":[0,19782]}}"#;
    let row = row(decode(KEY, Some(value)).unwrap());
    assert_eq!(row.get("price"), Some(&Value::Decimal("5.00".into())));
    let days = serde_json::json!(["1970-01-01", "2024-02-29"]);
    assert_eq!(row.get("days"), Some(&Value::Json(Box::new(days))));
}

#[test]
fn without_a_schema_an_encoded_decimal_is_refused_until_a_hint_says_what_it_is() {
    let value = r#"{"op":"u","after":{"title":"Tent","price":"Iyc="}}"#;
    let mut untyped = Decoder::default();
    let failure = decode_with(&mut untyped, KEY, Some(value)).unwrap_err();
    assert!(failure.message.contains("column `price`"), "{failure}");
    assert!(failure.message.contains("rows.types"), "{failure}");
    // Without padding it could be a word, but now the column is known for what it holds.
    let word = value.replace("Iyc=", "ESoL");
    assert!(decode_with(&mut untyped, KEY, Some(&word)).is_err());

    let mut rows = RowsConfig::default();
    rows.types
        .insert("price".into(), "decimal(2)".parse().unwrap());
    let row = row(decode_with(&mut decoder(&rows), KEY, Some(value)).unwrap());
    assert_eq!(row.get("price"), Some(&Value::Decimal("89.99".into())));
}

#[test]
fn a_column_that_nothing_needs_is_not_even_looked_at() {
    let needed = NeededColumns::Only(["title".to_owned()].into());
    let mut decoder = Decoder::new(RowSettings::new(&RowsConfig::default(), needed));
    let value = r#"{"op":"u","after":{"id":1,"price":"Iyc=","title":"Tent"}}"#;
    let row = row(decode_with(&mut decoder, KEY, Some(value)).unwrap());
    assert_eq!(row.columns().len(), 1);
    assert_eq!(row.get("title"), Some(&Value::String("Tent".into())));
}

#[test]
fn of_two_columns_of_one_name_the_last_counts() {
    let value = r#"{"op":"u","after":{"id":1,"title":"a","title":"b"}}"#;
    let row = row(decode(KEY, Some(value)).unwrap());
    assert_eq!(row.get("title"), Some(&Value::String("b".into())));
    assert_eq!(row.columns().len(), 2);
}

#[test]
fn a_table_without_a_key_is_known_by_the_columns_that_are_configured() {
    let rows = RowsConfig {
        key_columns: vec!["name".into(), "n".into()],
        ..RowsConfig::default()
    };
    let mut decoder = decoder(&rows);
    let key_of = |decoded| match decoded {
        Decoded::Change(change) => change.key.as_str().to_owned(),
        other => panic!("no change: {other:?}"),
    };
    let create = r#"{"before":null,"after":{"name":"a","n":1},"source":{},"op":"c"}"#;
    let created = decode_with(&mut decoder, None, Some(create)).unwrap();
    assert_eq!(key_of(created), r#"["a",1]"#);
    let delete = r#"{"before":{"name":"a","n":1},"after":null,"source":{},"op":"d"}"#;
    let deleted = decode_with(&mut decoder, None, Some(delete)).unwrap();
    assert_eq!(key_of(deleted), r#"["a",1]"#);
    let tombstone = decode_with(&mut decoder, None, None).unwrap();
    assert_eq!(tombstone, Decoded::Skip(Skip::Tombstone));
    for (value, reason) in [
        (
            r#"{"before":null,"after":null,"source":{},"op":"d"}"#,
            "no_key",
        ),
        (
            r#"{"before":null,"after":{"name":"a"},"source":{},"op":"c"}"#,
            "no_key",
        ),
        (
            r#"{"before":{"name":"a","n":1},"after":{"name":"b","n":1},"source":{},"op":"u"}"#,
            "key_changed",
        ),
    ] {
        let failure = decode_with(&mut decoder, None, Some(value)).unwrap_err();
        assert_eq!(failure.reason, reason, "{value}");
    }
}

/// The envelopes of other databases differ in `source` and, MongoDB's, in `after`.
#[test]
fn the_envelopes_of_other_databases_are_read() {
    let oracle = r#"{"before":null,"after":{"ID":1},"source":{"connector":"oracle","ts_ms":5,"scn":"2868546","commit_scn":"2868554"},"op":"c"}"#;
    let sql_server = r#"{"before":null,"after":{"id":1},"source":{"connector":"sqlserver","ts_ms":5,"change_lsn":"00000027:00000758:0003","commit_lsn":"00000027:00000758:0005","event_serial_no":1},"op":"c"}"#;
    let mysql = r#"{"before":null,"after":{"id":1},"source":{"connector":"mysql","ts_ms":5,"file":"mysql-bin.000003","pos":484,"row":0},"op":"c"}"#;
    let mongodb = r#"{"before":null,"after":"{\"_id\": {\"$oid\": \"64b7\"}, \"title\": \"Tent\"}","source":{"connector":"mongodb","ts_ms":5,"ord":31},"op":"c"}"#;
    for (value, source) in [
        (oracle, Some(SourcePosition(2_868_546))),
        (sql_server, None),
        (mysql, Some(SourcePosition((3 << 36) + 484))),
        (mongodb, None),
    ] {
        let Decoded::Change(change) = decode(KEY, Some(value)).unwrap() else {
            panic!("no change: {value}")
        };
        assert_eq!(change.position.source, source, "{value}");
        assert_eq!(change.position.commit_ms, Some(5));
    }
    let row = row(decode(KEY, Some(mongodb)).unwrap());
    assert_eq!(row.get("title"), Some(&Value::String("Tent".into())));
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(key in any::<Vec<u8>>(), value in any::<Vec<u8>>(), cut in 0_usize..2_000) {
        let mut decoder = Decoder::default();
        let mut raw = record(None, None);
        raw.key = Some(key.into());
        raw.value = Some(value.into());
        let key = decoder.key(&raw);
        let _ = decoder.decode(&raw, key);
        raw.value = WITH_SCHEMA.as_bytes().get(..cut).map(Into::into);
        let key = decoder.key(&raw);
        let _ = decoder.decode(&raw, key);
    }
}
