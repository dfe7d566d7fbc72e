#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use super::*;
use crate::{
    capture::CaptureReader,
    decode::{Decoded, Decoder, RowSettings},
    postgres::{TableName, catalogue},
    record::RowState,
};

fn column(name: &str, of: &str) -> catalogue::Column {
    catalogue::Column {
        name: name.to_owned(),
        of: Type {
            name: of.into(),
            element: of.strip_prefix('_').map(Into::into),
            has_modifier: name == "price",
        },
    }
}

fn catalogue(columns: &[(&str, &str)], key: &[&str]) -> Catalogue {
    Catalogue {
        table: TableName::parse("public.products").unwrap(),
        columns: columns.iter().map(|(name, of)| column(name, of)).collect(),
        primary_key: key.iter().map(ToString::to_string).collect(),
    }
}

/// The golden table.
fn products() -> Catalogue {
    let columns = [
        ("id", "int8"),
        ("sku", "text"),
        ("title", "text"),
        ("category", "text"),
        ("description", "text"),
        ("price", "numeric"),
        ("stock", "int4"),
        ("updated_at", "timestamptz"),
        ("list_price", "numeric"),
        ("tags", "_text"),
        ("attributes", "jsonb"),
        ("released", "date"),
    ];
    catalogue(&columns, &["id"])
}

/// What PostgreSQL printed of the golden rows when they were captured.
fn printed() -> Vec<Printed> {
    let row = |columns: [Option<&str>; 12]| columns.map(|it| it.map(str::to_owned)).to_vec();
    vec![
        row([
            Some("11"),
            Some("CAF-001"),
            Some("Größere Teekanne „Café“"),
            Some("Kitchen"),
            Some("静かな \\ \"quoted\""),
            Some("0.05"),
            Some("7"),
            Some("2026-01-03 00:00:00.000002+00"),
            None,
            Some("{}"),
            None,
            None,
        ]),
        row([
            Some("20"),
            Some("LAM-007"),
            Some("Folding desk lamp, brass"),
            Some("Lighting"),
            Some("Warm light for reading, dimmable, folds flat for travel."),
            Some("29.00"),
            Some("40"),
            Some("2026-01-02 03:04:05.678901+00"),
            Some("-12345678901234567890.123456789"),
            Some("{lighting,home}"),
            Some("{\"warranty_years\": 2}"),
            Some("2024-02-29"),
        ]),
    ]
}

/// The last rows that the golden records tell of.
fn golden(file: &str) -> Sample {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/golden");
    let mut decoder = Decoder::new(RowSettings::default());
    let mut sample = Sample::default();
    for raw in CaptureReader::open(&folder.join(file)).unwrap() {
        let raw = raw.unwrap();
        if !raw.topic.ends_with(".public.products") {
            continue;
        }
        let key = decoder.key(&raw);
        let Ok(Decoded::Change(change)) = decoder.decode(&raw, key) else {
            continue;
        };
        sample.rows.retain(|(key, _)| *key != change.key);
        if let RowState::Present(row) = change.state {
            sample.rows.push((change.key, row));
        }
    }
    sample
}

fn learnt(sample: &Sample, printed: &[Printed]) -> Renderer {
    let mut renderer = Renderer::new(&products(), sample, &[]).unwrap();
    for printed in printed {
        let key = renderer.key(printed).unwrap();
        let row = sample.rows.iter().find(|(known, _)| *known == key);
        renderer.learn(&row.unwrap().1, printed);
    }
    renderer.conclude();
    renderer
}

#[test]
fn golden_rows_read_from_the_table_are_those_that_the_decoder_makes_of_their_records() {
    let sample = golden("json_schema.jsonl");
    let renderer = learnt(&sample, &printed());
    assert_eq!(renderer.unsure(), []);
    for printed in printed() {
        let key = renderer.key(&printed).unwrap();
        let (_, row) = sample.rows.iter().find(|(known, _)| *known == key).unwrap();
        assert_eq!(renderer.row(&printed), *row);
    }
}

fn sample(rows: &[(i64, Value)]) -> Sample {
    let row = |(id, value): &(i64, Value)| {
        let columns = vec![
            ("id".into(), Value::Int(*id)),
            ("value".into(), value.clone()),
        ];
        (RowKey::single_integer(*id), Row::new(columns))
    };
    Sample {
        rows: rows.iter().map(row).collect(),
    }
}

/// What is made of `printed`, after these values of a column of this type were seen.
fn read(of: &str, seen: &[(&str, Value)], printed: &str) -> (Value, Vec<Unsure>) {
    let rows: Vec<(i64, Value)> = (1..)
        .zip(seen.iter().map(|(_, value)| value.clone()))
        .collect();
    let sample = if rows.is_empty() {
        sample(&[(1, Value::Null)])
    } else {
        sample(&rows)
    };
    let table = catalogue(&[("id", "int8"), ("value", of)], &["id"]);
    let mut renderer = Renderer::new(&table, &sample, &[]).unwrap();
    let line = |id: usize, value: &str| vec![Some(id.to_string()), Some(value.to_owned())];
    for (at, (printed, _)) in seen.iter().enumerate() {
        renderer.learn(&sample.rows.get(at).unwrap().1, &line(at + 1, printed));
    }
    renderer.conclude();
    let row = renderer.row(&line(9, printed));
    (row.get("value").unwrap().clone(), renderer.unsure())
}

fn text(text: &str) -> Value {
    Value::String(text.into())
}

#[test]
fn how_a_connector_is_configured_is_learnt_from_its_records() {
    let cut = [(
        "2026-01-02 03:04:05.678901",
        text("2026-01-02T03:04:05.678"),
    )];
    let (value, unsure) = read("timestamp", &cut, "2026-01-02 00:00:00.000001");
    assert_eq!((value, unsure), (text("2026-01-02T00:00:00"), vec![]));
    let double = [("19.90", Value::Float(19.9))];
    assert_eq!(read("numeric", &double, "0.50").0, Value::Float(0.5));
    let hex = [("\\x00ff", text("00ff"))];
    assert_eq!(read("bytea", &hex, "\\x7f").0, text("7f"));
    let numeric = [("P1M", Value::Int(2_629_800_000_000))];
    assert_eq!(read("interval", &numeric, "PT1S").0, Value::Int(1_000_000));
}

#[test]
fn a_row_that_changed_meanwhile_teaches_nothing() {
    let seen = [
        ("2.50", Value::Decimal("1.10".into())),
        ("19.90", Value::Decimal("19.90".into())),
    ];
    let (value, unsure) = read("numeric", &seen, "7.00");
    assert_eq!((value, unsure), (Value::Decimal("7.00".into()), vec![]));
}

#[test]
fn what_could_have_been_written_in_two_ways_is_not_compared() {
    let whole = [("2026-01-02 03:04:05", text("2026-01-02T03:04:05"))];
    let read = |printed| read("timestamp", &whole, printed).0;
    assert_eq!(read("2026-01-02 03:04:06"), text("2026-01-02T03:04:06"));
    assert_eq!(read("2026-01-02 03:04:06.000001"), Value::Unavailable);
    // Both ways were seen: as a snapshot and as a change, say.
    let both = [
        ("62.3750", Value::Decimal("62.3750".into())),
        ("1.50", Value::Decimal("1.5".into())),
    ];
    assert_eq!(
        super::tests::read("numeric", &both, "2.50").0,
        Value::Unavailable
    );
}

#[test]
fn a_column_that_no_form_fits_is_named_and_never_compared() {
    let masked = [("4711", text("****"))];
    let (value, unsure) = read("text", &masked, "4711");
    assert_eq!(value, Value::Unavailable);
    assert_eq!(unsure.first().map(|it| &*it.column), Some("value"));
    let (value, unsure) = read("bytea", &[], "\\x00");
    assert_eq!((value, unsure.len()), (Value::Unavailable, 1));
    let (value, unsure) = read("int4", &[], "7");
    assert_eq!((value, unsure), (Value::Int(7), vec![]));
}

#[test]
fn a_composite_key_has_the_order_that_records_give_it() {
    let columns = [("b", "text"), ("a", "int4")];
    let row = |a: i64, b: &str| Row::new(vec![("b".into(), text(b)), ("a".into(), Value::Int(a))]);
    let sample = |key: &str| Sample {
        rows: vec![(RowKey::from_canonical(key), row(7, "x"))],
    };
    let table = catalogue(&columns, &["a", "b"]);
    let renderer = |key| Renderer::new(&table, &sample(key), &[]);
    assert_eq!(renderer("[7,\"x\"]").unwrap().key_columns(), ["a", "b"]);
    let by_table = renderer("[\"x\",7]").unwrap();
    assert_eq!(by_table.key_columns(), ["b", "a"]);
    let line = vec![Some("x".to_owned()), Some("7".to_owned())];
    assert_eq!(by_table.key(&line).unwrap().as_str(), "[\"x\",7]");
    assert_eq!(
        renderer("[7]").unwrap_err(),
        KeyError::Other("[7]".to_owned())
    );
    let undated = catalogue(&[("day", "date")], &["day"]);
    let other = Renderer::new(&undated, &self::sample(&[(1, Value::Null)]), &[]);
    assert!(matches!(other, Err(KeyError::Type { .. })));
}

#[test]
fn a_key_that_the_table_can_not_have_is_not_asked_for() {
    let table = catalogue(&[("id", "int4")], &["id"]);
    let renderer = Renderer::new(&table, &sample(&[(1, Value::Null)]), &[]).unwrap();
    let has = |key: &str| renderer.literals(&RowKey::from_canonical(key)).is_some();
    assert!(has("[17]"));
    assert!(!has("[3000000000]"));
    assert!(!has("[\"17\"]"));
}
