//! From records to rows.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};
use vectide::{
    config::DocumentConfig,
    decode::Decoded,
    document::DocumentBuilder,
    record::{Document, RawRecord, Row, RowKey, RowState, Value},
};

use crate::{FILES, decoder, json, records};

/// The rows that are left when all records of the product table have been applied in their order.
fn apply(records: &[RawRecord]) -> BTreeMap<RowKey, Document> {
    let mut decoder = decoder();
    let mut documents = DocumentBuilder::new(&DocumentConfig::default(), None).unwrap();
    let mut rows: BTreeMap<RowKey, Document> = BTreeMap::new();
    for raw in records
        .iter()
        .filter(|raw| raw.topic.ends_with(".public.products"))
    {
        let key = decoder.key(raw);
        let Decoded::Change(change) = decoder.decode(raw, key).unwrap() else {
            panic!("no change of a row: {raw:?}");
        };
        match change.state {
            RowState::Gone => drop(rows.remove(&change.key)),
            RowState::Present(mut row) => {
                if let Some(earlier) = rows.get(&change.key) {
                    documents.complete(&mut row, &earlier.payload, &earlier.source_columns);
                }
                let document = documents.build(&row).unwrap();
                assert_eq!(document.payload.fields().len(), row.columns().len());
                rows.insert(change.key, document);
            }
        }
    }
    rows
}

/// As the rows' files have it: exact numbers as text.
fn comparable(document: &Document) -> Json {
    let fields = document.payload.fields().iter();
    fields
        .map(|(name, value)| {
            let value = match value {
                Value::Decimal(digits) => Json::String(digits.to_string()),
                other => other.clone().into_json(),
            };
            (name.to_string(), value)
        })
        .collect::<Map<_, _>>()
        .into()
}

#[test]
fn every_encoding_comes_out_as_the_rows_that_the_table_held() {
    let table = json("golden/rows.json");
    for file in FILES {
        let rows: Map<String, Json> = apply(&records(file))
            .iter()
            .map(|(key, document)| (key.to_string(), comparable(document)))
            .collect();
        assert_eq!(Json::Object(rows), table, "{file}");
    }
}

#[test]
fn the_text_of_a_row_is_the_same_from_every_encoding() {
    let texts = |file: &str| -> Vec<_> {
        let rows = apply(&records(file)).into_values();
        rows.map(|document| (document.text_hash, document.text))
            .collect()
    };
    let first = texts(FILES[0]);
    assert!(first.iter().any(|(_, text)| text.contains("Größere")));
    for file in FILES {
        assert_eq!(texts(file), first, "{file}");
    }
}

#[test]
fn a_value_that_did_not_change_is_unavailable_in_every_encoding() {
    for file in FILES {
        let mut decoder = decoder();
        let has_unavailable = |row: &Row| row.get("description") == Some(&Value::Unavailable);
        let found = records(file).iter().any(|raw| {
            let key = decoder.key(raw);
            match decoder.decode(raw, key) {
                Ok(Decoded::Change(change)) => {
                    matches!(&change.state, RowState::Present(row) if has_unavailable(row))
                }
                _ => false,
            }
        });
        assert!(found, "{file}");
    }
}
