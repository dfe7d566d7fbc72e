#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::{
    config::DocumentConfig,
    record::{Origin, Position, RowKey, Value},
};

fn documents() -> DocumentBuilder {
    let mut config = DocumentConfig::default();
    config.columns.product = Some("title".into());
    config.columns.category = None;
    config.columns.description = Some("description".into());
    DocumentBuilder::new(&config, None).unwrap()
}

fn record(offset: i64) -> RawRecord {
    RawRecord {
        topic: "t".into(),
        partition: 0,
        offset: Offset(offset),
        timestamp_ms: Some(offset),
        key: None,
        value: None,
        headers: Vec::new(),
    }
}

fn news(offset: i64, state: RowState) -> (Result<RowChange, Failure>, RawRecord) {
    let raw = record(offset);
    let change = RowChange {
        key: RowKey::single_integer(1),
        state,
        position: Position::of_record(&raw),
        origin: Origin::Changed,
    };
    (Ok(change), raw)
}

fn row(offset: i64, title: &str, description: Value) -> (Result<RowChange, Failure>, RawRecord) {
    let columns = vec![
        ("title".into(), Value::String(title.into())),
        ("description".into(), description),
    ];
    news(offset, RowState::Present(Row::new(columns)))
}

/// A row that lacks a column.
fn columnless(offset: i64) -> (Result<RowChange, Failure>, RawRecord) {
    let columns = vec![("title".into(), Value::Null)];
    news(offset, RowState::Present(Row::new(columns)))
}

fn end(told: Vec<(Result<RowChange, Failure>, RawRecord)>, from: i64) -> Found {
    let (mut story, mut documents) = (Story::default(), documents());
    for (news, raw) in told {
        story.add(news, raw, &mut documents);
    }
    story.end(Offset(from))
}

fn found(found: Found) -> RowChange {
    match found {
        Found::News(news) => news.0,
        other => unreachable!("there is news, not {other:?}"),
    }
}

#[test]
fn the_last_record_counts() {
    let told = vec![row(4, "Tent", Value::Null), news(7, RowState::Gone)];
    let change = found(end(told, 4));
    assert_eq!(
        (change.position.offset, change.state),
        (Offset(7), RowState::Gone)
    );
}

#[test]
fn what_a_record_does_not_repeat_is_taken_from_the_one_before() {
    let told = vec![
        row(4, "Tent", Value::String("Sleeps two".into())),
        row(7, "Tarp", Value::Unavailable),
    ];
    let RowState::Present(row) = found(end(told, 4)).state else {
        unreachable!("the row exists")
    };
    let description = Value::String("Sleeps two".into());
    assert_eq!(row.get("description"), Some(&description));
}

#[test]
fn nothing_is_taken_from_before_a_delete() {
    let told = vec![
        row(4, "Tent", Value::String("Sleeps two".into())),
        news(5, RowState::Gone),
        row(7, "Tarp", Value::Unavailable),
    ];
    let RowState::Present(row) = found(end(told, 4)).state else {
        unreachable!("the row exists")
    };
    assert_eq!(row.get("description"), Some(&Value::Unavailable));
}

#[test]
fn a_record_that_can_t_be_used_does_not_count_where_an_earlier_one_can() {
    let failure = Failure::record("not_json", "no JSON");
    let told = vec![
        row(4, "Tent", Value::Null),
        (Err(failure.clone()), record(5)),
        columnless(6),
    ];
    assert_eq!(found(end(told, 4)).position.offset, Offset(4));
    let told = vec![(Err(failure.clone()), record(5))];
    assert_eq!(end(told, 4), Found::Refused("decode", failure));
    let told = vec![columnless(6)];
    let Found::Refused("document", failure) = end(told, 4) else {
        unreachable!("a column is missing")
    };
    assert_eq!(failure.reason, "missing_column");
}

#[test]
fn without_a_record_the_row_is_gone_only_where_the_whole_partition_was_read() {
    assert_eq!(end(Vec::new(), 0), Found::Nothing);
    assert!(matches!(end(Vec::new(), 1), Found::Unknown(_)));
}
