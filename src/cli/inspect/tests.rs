#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::{interpreter::Interpreter, show::Length, summary::Summary, warnings::warnings};
use crate::{
    config::Config,
    record::{Offset, RawRecord},
};

const SOURCE: &str = r#""source":{"connector":"postgresql","schema":"public","table":"products","ts_ms":1700000000000,"lsn":7}"#;

/// Records of one partition, in order; key and value as text.
fn records(parts: &[(Option<&str>, Option<&str>)]) -> Vec<RawRecord> {
    parts
        .iter()
        .zip(40..)
        .map(|((key, value), offset)| RawRecord {
            topic: "shop.public.products".into(),
            partition: 2,
            offset: Offset(offset),
            timestamp_ms: Some(1_700_000_000_500),
            key: key.map(|text| text.as_bytes().into()),
            value: value.map(|text| text.as_bytes().into()),
            headers: Vec::new(),
        })
        .collect()
}

/// An envelope around a row.
fn envelope(op: &str, after: &str) -> String {
    format!(r#"{{"before":null,"after":{after},{SOURCE},"op":"{op}","ts_ms":1700000000400}}"#)
}

fn config() -> Config {
    let mut config = Config::default();
    config.document.columns.category = None;
    config.document.columns.description = None;
    config
}

fn summary(records: &[RawRecord]) -> Summary {
    let mut interpreter = Interpreter::new(&config()).unwrap();
    let mut summary = Summary::default();
    for raw in records {
        summary.add(&interpreter.understand(raw));
    }
    summary
}

fn reasons(records: &[RawRecord]) -> Vec<&'static str> {
    let warnings = warnings(&summary(records));
    warnings.iter().map(|warning| warning.reason).collect()
}

const KEY: Option<&str> = Some(r#"{"id":1}"#);

#[test]
fn a_record_is_shown_with_its_place_its_columns_and_what_would_be_written() {
    let value = envelope(
        "u",
        r#"{"id":1,"title":"Tent","price":39.9,"description":null}"#,
    );
    let mut interpreter = Interpreter::new(&config()).unwrap();
    let raw = records(&[(KEY, Some(&value))]);
    let shown = interpreter
        .understand(&raw[0])
        .to_text(Length::Cut)
        .unwrap();
    assert_eq!(
        shown,
        r#"shop.public.products/2@40  update  [1]
  table     public.products
  point     450a2e46-90c6-54cb-bfce-52b2f79661f4
  position  in Kafka since 2023-11-14T22:13:20.500Z, committed 2023-11-14T22:13:20.000Z, log position 7
  encoding  key JSON without schema; value JSON without schema
  columns
    id           integer  1
    title        text     "Tent"
    price        float    39.9
    description  null     null
  text
    Product: Tent
  payload
    {"description":null,"id":1,"price":39.9,"title":"Tent"}
"#
    );
}

#[test]
fn a_record_as_json_has_the_same_in_full() {
    let value = envelope("c", r#"{"id":1,"title":"Tent"}"#);
    let mut interpreter = Interpreter::new(&config()).unwrap();
    let raw = records(&[(KEY, Some(&value)), (KEY, None), (None, Some("{"))]);
    let shown: Vec<_> = raw
        .iter()
        .map(|raw| interpreter.understand(raw).to_json())
        .collect();
    let field = |index: usize, pointer: &str| shown[index].pointer(pointer).cloned();
    assert_eq!(field(0, "/operation"), Some("create".into()));
    assert_eq!(field(0, "/columns/title/type"), Some("text".into()));
    assert_eq!(field(0, "/text"), Some("Product: Tent".into()));
    assert_eq!(field(0, "/payload/id"), Some(1.into()));
    assert_eq!(field(0, "/failure"), None);
    assert_eq!(field(1, "/operation"), Some("tombstone".into()));
    assert_eq!(field(1, "/columns"), None);
    assert_eq!(field(2, "/operation"), Some("unreadable".into()));
    assert_eq!(
        field(2, "/failure/reason"),
        Some("undecodable_value".into())
    );
}

#[test]
fn a_row_that_would_fail_is_shown_with_the_reason() {
    let raw = records(&[(None, Some(&envelope("c", r#"{"id":1,"title":"Tent"}"#)))]);
    let mut interpreter = Interpreter::new(&config()).unwrap();
    let shown = interpreter
        .understand(&raw[0])
        .to_text(Length::Cut)
        .unwrap();
    assert!(
        shown.starts_with("shop.public.products/2@40  create  no key\n"),
        "{shown}"
    );
    assert!(shown.contains("\n  blocks    no_key: "), "{shown}");
    assert!(shown.contains("\"Tent\""), "{shown}");
}

#[test]
fn a_summary_counts_by_partition_encoding_column_and_reason() {
    let (first, second) = (
        envelope("r", r#"{"id":1,"title":"Tent","stock":3}"#),
        envelope("u", r#"{"id":1,"title":null,"stock":"many"}"#),
    );
    let delete = format!(r#"{{"before":{{"id":1}},"after":null,{SOURCE},"op":"d"}}"#);
    let summary = summary(&records(&[
        (KEY, Some(&first)),
        (KEY, Some(&second)),
        (KEY, Some(&delete)),
        (KEY, None),
        (None, Some(r#"{"ts_ms":1700000000000}"#)),
    ]));
    assert_eq!(
        summary.to_text(Length::Cut).unwrap(),
        "shop.public.products: 5 records\n  \
           partition 2  @40–44  1 delete, 1 heartbeat, 1 snapshot, 1 tombstone, 1 update\n  \
           keys    1 null, 4 JSON without schema\n  \
           values  1 null, 4 JSON without schema; 3 in envelopes\n  \
           columns of 2 rows\n    \
             id     integer\n    \
             title  text               1 null\n    \
             stock  1 integer, 1 text\n  \
           would go to the dead letters\n    \
             1 empty_text, such as shop.public.products/2@41: the template makes no text of row “[1]”: all its columns are null or empty\n\n"
    );
    let json = summary.to_json();
    assert_eq!(json.pointer("/records"), Some(&5.into()));
    let topic = json.pointer("/topics/shop.public.products").unwrap();
    assert_eq!(
        topic.pointer("/partitions/2/operations/delete"),
        Some(&1.into())
    );
    assert_eq!(topic.pointer("/columns/1/null"), Some(&1.into()));
    assert_eq!(
        topic.pointer("/failures/0/example"),
        Some(&"shop.public.products/2@41".into())
    );
}

#[test]
fn nothing_to_read_is_said() {
    assert_eq!(summary(&[]).to_text(Length::Cut).unwrap(), "no records\n");
}

#[test]
fn what_is_in_order_is_warned_of_nothing() {
    let row = envelope("c", r#"{"id":1,"title":"Tent","stock":3}"#);
    let delete = format!(r#"{{"before":{{"id":1}},"after":null,{SOURCE},"op":"d"}}"#);
    let all = records(&[(KEY, Some(&row)), (KEY, Some(&delete)), (KEY, None)]);
    assert_eq!(reasons(&all), Vec::<&str>::new());
}

#[test]
fn columns_that_want_a_type_are_named_with_the_hint() {
    let row = envelope(
        "c",
        r#"{"id":1,"title":"Tent","price":"AfQ=","updated_at":1700000000000000}"#,
    );
    let warnings = warnings(&summary(&records(&[(KEY, Some(&row))])));
    let messages: Vec<_> = warnings.iter().map(|it| it.message.as_str()).collect();
    assert!(
        messages[0].contains("set rows.types.price = \"decimal(2)\""),
        "{messages:?}"
    );
    assert!(
        messages[1].contains("set rows.types.updated_at = \"timestamp_micros\""),
        "{messages:?}"
    );
    assert_eq!(messages.len(), 2);
}

#[test]
fn a_schema_that_says_what_a_column_is_leaves_nothing_to_suspect() {
    let payload = envelope("c", r#"{"id":1,"title":"Tent","price":"AfQ="}"#);
    let schema = r#"{"type":"struct","fields":[{"type":"struct","field":"after","fields":[{"type":"bytes","field":"price","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}}]}]}"#;
    let value = format!(r#"{{"schema":{schema},"payload":{payload}}}"#);
    assert_eq!(
        reasons(&records(&[(KEY, Some(&value))])),
        Vec::<&str>::new()
    );
}

#[test]
fn deletes_without_tombstones_are_warned_of() {
    let delete = format!(r#"{{"before":{{"id":1}},"after":null,{SOURCE},"op":"d"}}"#);
    assert_eq!(
        reasons(&records(&[(KEY, Some(&delete))])),
        ["no_tombstones"]
    );
}

#[test]
fn flattened_rows_that_never_signal_a_delete_are_warned_of() {
    let row = r#"{"id":1,"title":"Tent"}"#;
    let saying = r#"{"id":1,"title":"Tent","__deleted":"false"}"#;
    assert_eq!(reasons(&records(&[(KEY, Some(row))])), ["no_deletes"]);
    for tombstone in [None, Some("null")] {
        let all = records(&[(KEY, Some(row)), (KEY, tombstone)]);
        assert_eq!(reasons(&all), Vec::<&str>::new());
    }
    assert_eq!(
        reasons(&records(&[(KEY, Some(saying))])),
        Vec::<&str>::new()
    );
}

#[test]
fn rows_without_a_key_are_warned_of_and_messages_without_one_are_not() {
    let row = envelope("c", r#"{"id":1,"title":"Tent"}"#);
    let message = format!(r#"{{"op":"m",{SOURCE},"message":{{"prefix":"p"}}}}"#);
    assert_eq!(reasons(&records(&[(None, Some(&row))])), ["no_key"]);
    assert_eq!(
        reasons(&records(&[(None, Some(&message))])),
        Vec::<&str>::new()
    );
}

#[test]
fn unavailable_columns_are_named_together_with_the_table() {
    let row = envelope(
        "u",
        r#"{"id":1,"title":"Tent","a":"__debezium_unavailable_value","b":"__debezium_unavailable_value"}"#,
    );
    let warnings = warnings(&summary(&records(&[(KEY, Some(&row))])));
    assert_eq!(warnings.len(), 1);
    let message = &warnings[0].message;
    assert!(
        message.contains("`a` in 1, `b` in 1 of 1 rows"),
        "{message}"
    );
    assert!(message.contains("REPLICA IDENTITY DEFAULT"), "{message}");
    assert!(
        message.contains("ALTER TABLE public.products REPLICA IDENTITY FULL"),
        "{message}"
    );
}

#[test]
fn columns_that_come_and_go_are_told_once_with_the_first_record() {
    let (old, new) = (
        envelope("c", r#"{"id":1,"title":"Tent"}"#),
        envelope("c", r#"{"id":1,"name":"Tent"}"#),
    );
    let all = records(&[(KEY, Some(&old)), (KEY, Some(&new)), (KEY, Some(&new))]);
    let found: Vec<_> = warnings(&summary(&all))
        .into_iter()
        .map(|it| (it.reason, it.message.contains("shop.public.products/2@41")))
        .collect();
    assert_eq!(
        found,
        [("column_appeared", true), ("column_vanished", true)]
    );
}

#[test]
fn a_row_that_cannot_be_read_for_want_of_a_type_is_shown_as_it_stands_until_it_has_a_hint() {
    let value = envelope("c", r#"{"id":1,"title":"Tent","price":"AfQ="}"#);
    let raw = records(&[(KEY, Some(&value))]);
    let understood = Interpreter::new(&config()).unwrap().understand(&raw[0]);
    assert_eq!(understood.operation(), "create");
    assert_eq!(understood.failure().unwrap().reason, "undecodable_value");
    let shown = understood.to_json();
    assert_eq!(shown.pointer("/key"), Some(&"[1]".into()));
    assert_eq!(shown.pointer("/columns/price/value"), Some(&"AfQ=".into()));

    let mut config = config();
    let hint = "decimal(2)".parse().unwrap();
    config.rows.types.insert("price".to_owned(), hint);
    let understood = Interpreter::new(&config).unwrap().understand(&raw[0]);
    assert_eq!(understood.failure(), None);
    let shown = understood.to_json();
    assert_eq!(shown.pointer("/columns/price/value"), Some(&"5.00".into()));
    let mut summary = Summary::default();
    summary.add(&understood);
    assert_eq!(warnings(&summary), []);
}

#[test]
fn a_column_that_nothing_needs_does_not_fail_its_row() {
    let mut config = config();
    config.document.payload.exclude = vec!["price".to_owned()];
    let value = envelope("c", r#"{"id":1,"title":"Tent","price":"AfQ="}"#);
    let raw = records(&[(KEY, Some(&value))]);
    let understood = Interpreter::new(&config).unwrap().understand(&raw[0]);
    assert_eq!(understood.failure(), None);
}

#[test]
fn key_columns_take_the_place_of_a_key() {
    let mut config = config();
    config.rows.key_columns = vec!["id".to_owned()];
    let value = envelope("c", r#"{"id":1,"title":"Tent"}"#);
    let raw = records(&[(None, Some(&value))]);
    let understood = Interpreter::new(&config).unwrap().understand(&raw[0]);
    assert_eq!(understood.key.unwrap().as_str(), "[1]");
}

#[test]
fn a_row_that_the_index_completes_fails_not_and_says_what_it_waits_for() {
    let value = envelope("u", r#"{"id":1,"title":"__debezium_unavailable_value"}"#);
    let raw = records(&[(KEY, Some(&value))]);
    let understood = Interpreter::new(&config()).unwrap().understand(&raw[0]);
    assert_eq!(understood.failure(), None);
    let shown = understood.to_json();
    assert_eq!(shown.pointer("/incomplete/0"), Some(&"title".into()));
    let mut summary = Summary::default();
    summary.add(&understood);
    let warnings = warnings(&summary);
    assert!(
        warnings[0].message.contains("1 rows need them"),
        "{warnings:?}"
    );
}

#[test]
fn a_table_with_sections_of_its_own_is_read_by_them() {
    let mut config = config();
    config.tables = vec![crate::config::TableConfig {
        topics: vec!["^shop[.]".to_owned()],
        document: Some(crate::config::DocumentConfig {
            template: Some("A product: {{ title }}".to_owned()),
            ..crate::config::DocumentConfig::default()
        }),
        ..crate::config::TableConfig::default()
    }];
    let value = envelope("c", r#"{"id":1,"title":"Tent"}"#);
    let mut raw = records(&[(KEY, Some(&value)), (KEY, Some(&value))]);
    raw[1].topic = "orders".into();
    let mut interpreter = Interpreter::new(&config).unwrap();
    let mut text = |raw| {
        interpreter
            .understand(raw)
            .to_json()
            .pointer("/text")
            .cloned()
    };
    assert_eq!(text(&raw[0]), Some("A product: Tent".into()));
    assert_eq!(text(&raw[1]), Some("Product: Tent".into()));
}

#[test]
fn a_column_that_the_text_needs_and_no_row_has_blocks_the_table() {
    let row = envelope("c", r#"{"id":1,"name":"Tent"}"#);
    let shown = summary(&records(&[(KEY, Some(&row))])).to_text(Length::Cut);
    let shown = shown.unwrap();
    assert!(shown.contains("would block the table"), "{shown}");
    assert!(
        shown.contains("1 missing_column, such as shop.public.products/2@40"),
        "{shown}"
    );
}
