#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;

use super::*;
use crate::record::{Offset, Row, Value};

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
    let raw = record(key, value);
    Decoder::default().decode(&raw, Decoder::key(&raw))
}

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
            lsn: Some(22_653_688),
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
    let mut decode = |value| {
        let raw = record(Some(r#"{"id":1}"#), Some(value));
        decoder.decode(&raw, Decoder::key(&raw)).unwrap()
    };
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
            Decoded::Skip(skip) => panic!("skipped as {skip:?}"),
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
        (key, Some(r#"{"name":"Tent"}"#), "no_envelope"),
        (key, Some(r#"{"op":"c","after":null}"#), "no_row"),
        (key, Some(r#"{"op":"t","source":{}}"#), "truncate"),
        (key, Some(r#"{"op":"z"}"#), "unknown_operation"),
        (None, Some(BARE), "no_key"),
        (None, None, "no_key"),
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
        failure.message.contains("`price` is no decimal"),
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

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(key in any::<Vec<u8>>(), value in any::<Vec<u8>>(), cut in 0_usize..2_000) {
        let mut decoder = Decoder::default();
        let mut raw = record(None, None);
        raw.key = Some(key.into());
        raw.value = Some(value.into());
        let _ = decoder.decode(&raw, Decoder::key(&raw));
        raw.value = WITH_SCHEMA.as_bytes().get(..cut).map(Into::into);
        let _ = decoder.decode(&raw, Decoder::key(&raw));
    }
}
