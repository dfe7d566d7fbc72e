#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use super::*;
use crate::{
    cli::explain::Ignored,
    config::DocumentConfig,
    document::DocumentBuilder,
    record::{
        KnownPoint, Offset, Origin, Payload, PayloadHash, PointId, Position, RawRecord, Row,
        RowChange, RowKey, RowState, SourcePosition, Stored, TextHash, Tombstone, TruncateMark,
        Value,
    },
};

const TOPIC: &str = "shop.public.products";
const POINT: PointId = PointId::Integer(17);

fn config() -> DocumentConfig {
    let mut config = DocumentConfig::default();
    config.columns.product = Some("title".into());
    config.columns.category = None;
    config.columns.description = None;
    config.ignore = vec!["seen".into()];
    config
}

fn columns(title: &str, price: &str, seen: i64) -> Vec<(Arc<str>, Value)> {
    vec![
        ("price".into(), Value::Decimal(price.into())),
        ("seen".into(), Value::Int(seen)),
        ("title".into(), Value::String(title.into())),
    ]
}

/// The table after one record.
fn table(offset: i64, state: Option<Vec<(Arc<str>, Value)>>) -> Table {
    add(Table::new(Ignored::of(&config()), None), offset, state)
}

fn add(mut table: Table, offset: i64, state: Option<Vec<(Arc<str>, Value)>>) -> Table {
    let raw = RawRecord {
        topic: TOPIC.into(),
        partition: 2,
        offset: Offset(offset),
        timestamp_ms: Some(offset),
        key: None,
        value: None,
        headers: Vec::new(),
    };
    let change = RowChange {
        key: RowKey::single_integer(17),
        state: state.map_or(RowState::Gone, |row| RowState::Present(Row::new(row))),
        position: Position {
            source: Some(SourcePosition(offset)),
            commit_ms: Some(offset),
            ..Position::of_record(&raw)
        },
        origin: Origin::Changed,
    };
    let mut documents = DocumentBuilder::new(&config(), None).unwrap();
    table.add(&raw, (POINT, Ok(change)), &mut documents);
    table
}

fn tent() -> Vec<(Arc<str>, Value)> {
    columns("Tent", "19.90", 1)
}

/// A point as of an offset, made of this title, with the price as Qdrant returns it.
fn point(offset: i64, title: &str, price: f64) -> FoundPoint {
    let mut payload = columns(title, "0", 99);
    payload[0].1 = Value::Float(price);
    let payload = Payload::from(payload);
    let stored = Stored {
        topic: TOPIC.into(),
        partition: 2,
        position: Position {
            offset: Offset(offset),
            timestamp_ms: offset,
            commit_ms: None,
            source: None,
        },
        key: "[17]".into(),
        text_hash: Some(TextHash::of_text(&format!("Product: {title}"))),
        wanted: None,
        payload_hash: PayloadHash::of(b"whatever it says"),
        fingerprint: judge().fingerprint.shared(),
        version: None,
        source_columns: Payload::default(),
        parked: None,
    };
    FoundPoint {
        payload: payload.clone(),
        has_vector: true,
        bookkeeping: Bookkeeping::Row(Box::new(KnownPoint {
            epoch: None,
            stored,
            payload,
        })),
    }
}

fn with(mut point: FoundPoint, change: impl FnOnce(&mut Stored)) -> FoundPoint {
    if let Bookkeeping::Row(row) = &mut point.bookkeeping {
        change(&mut row.stored);
    }
    point
}

fn judge() -> Judge {
    Judge {
        topic: TOPIC.into(),
        fingerprint: Fingerprint::new("m", 4, "http://localhost"),
    }
}

fn judged(table: &Table, point: Option<&FoundPoint>) -> Judgement {
    judge().judge(table, table.get(&POINT).unwrap(), point)
}

fn differs(drift: Drift) -> Judgement {
    Judgement::Differs(vec![drift])
}

#[test]
fn a_point_is_compared_by_what_it_shows_and_not_by_what_it_says_of_itself() {
    let table = table(40, Some(tent()));
    assert_eq!(
        judged(&table, Some(&point(40, "Tent", 19.9))),
        Judgement::Equal,
        "ignored fields do not count, and a decimal is the number it is stored as"
    );
    assert_eq!(
        judged(&table, Some(&point(31, "Tent", 19.9))),
        Judgement::Equal,
        "a record that changed nothing leaves the point as of the one before"
    );
    let cheaper = point(40, "Tent", 9.9);
    assert_eq!(judged(&table, Some(&cheaper)), differs(Drift::Payload));
}

#[test]
fn a_vector_of_another_text_or_model_or_none_is_told() {
    let table = table(40, Some(tent()));
    let point = || point(40, "Tent", 19.9);
    let other = TextHash::of_text("Product: Tarp");
    let of_other_text = with(point(), |stored| stored.text_hash = Some(other));
    assert_eq!(judged(&table, Some(&of_other_text)), differs(Drift::Text));
    let of_other_model = with(point(), |stored| {
        stored.fingerprint = "n/4@localhost".into();
    });
    assert_eq!(judged(&table, Some(&of_other_model)), differs(Drift::Model));
    let bare = FoundPoint {
        has_vector: false,
        ..point()
    };
    assert_eq!(judged(&table, Some(&bare)), differs(Drift::NoVector));
    let wanted = Some(TextHash::of_text("Product: Tent"));
    let owed = with(bare, |stored| {
        stored.text_hash = None;
        stored.wanted = wanted;
    });
    assert_eq!(judged(&table, Some(&owed)), Judgement::Owed);
}

#[test]
fn rows_without_a_point_and_points_without_a_row_are_told() {
    assert_eq!(
        judged(&table(40, Some(tent())), None),
        differs(Drift::Missing)
    );
    let gone = table(40, None);
    assert_eq!(judged(&gone, None), Judgement::Equal);
    let left = point(31, "Tent", 19.9);
    assert_eq!(judged(&gone, Some(&left)), differs(Drift::Extra));
    let foreign = FoundPoint {
        bookkeeping: Bookkeeping::None,
        ..left
    };
    assert_eq!(
        judged(&table(40, Some(tent())), Some(&foreign)),
        differs(Drift::Foreign)
    );
}

#[test]
fn what_is_as_of_something_later_is_not_judged() {
    let table = table(40, Some(tent()));
    let later = point(41, "Tarp", 1.0);
    assert_eq!(judged(&table, Some(&later)), Judgement::Later);
    let tombstone = |offset| FoundPoint {
        payload: Payload::default(),
        has_vector: false,
        bookkeeping: Bookkeeping::Tombstone(Box::new(Tombstone {
            topic: TOPIC.into(),
            partition: 2,
            position: Position {
                offset: Offset(offset),
                timestamp_ms: offset,
                commit_ms: None,
                source: None,
            },
            key: "[17]".into(),
            deleted_ms: 0,
        })),
    };
    assert_eq!(judged(&table, Some(&tombstone(41))), Judgement::Later);
    let earlier = tombstone(39);
    assert_eq!(judged(&table, Some(&earlier)), differs(Drift::Missing));
}

#[test]
fn a_row_costs_128_bytes_whatever_it_holds() {
    assert!(size_of::<(PointId, LastRecord)>() <= 128);
}

#[test]
fn a_row_from_before_a_truncate_is_gone() {
    let mark = TruncateMark {
        source: Some(SourcePosition(41)),
        commit_ms: 41,
    };
    let table = add(Table::new(Ignored::default(), Some(mark)), 40, Some(tent()));
    let left = point(40, "Tent", 19.9);
    assert_eq!(judged(&table, Some(&left)), differs(Drift::Extra));
}

#[test]
fn what_a_record_does_not_repeat_is_not_compared_and_its_row_is_read_from_where_it_is_whole() {
    let mut changed = columns("Tent", "9.90", 1);
    changed[2].1 = Value::Unavailable;
    let table = add(table(40, Some(tent())), 43, Some(changed));
    let last = table.get(&POINT).unwrap();
    assert_eq!((last.offset, last.from), (Offset(43), Offset(40)));
    let of_another_text = point(43, "whatever the text is", 9.9);
    assert_eq!(judged(&table, Some(&of_another_text)), Judgement::Equal);
    let dearer = point(43, "Tent", 19.9);
    assert_eq!(judged(&table, Some(&dearer)), differs(Drift::Payload));
}
