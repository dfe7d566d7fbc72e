//! The records that real connectors wrote (`schemas/golden`), read by the decoder and the document builder, come out as the rows that the
//! table held; and they are what the schemas (`schemas/json`, `schemas/avro`) say.
//!
//! - `rows`: from records to rows.
//! - `shapes`: each record is told what it is, by the decoder as by the schemas.
//! - `json_schema`: as much of JSON Schema as the schemas use.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod json_schema;
mod rows;
mod shapes;

use std::fs;
use std::path::PathBuf;

use vectide::{
    capture::CaptureReader,
    config::RowsConfig,
    decode::{Decoder, RowSettings},
    record::{NeededColumns, RawRecord, SchemaId, SchemaLanguage, WriterSchema},
};

/// The golden files, without their endings.
const FILES: [&str; 5] = [
    "json_schema",
    "json_bare",
    "flat_rewrite",
    "flat_tombstone",
    "avro",
];

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "schemas", name]
        .iter()
        .collect()
}

fn records(file: &str) -> Vec<RawRecord> {
    let path = path(&format!("golden/{file}.jsonl"));
    let records = CaptureReader::open(&path).unwrap();
    records.collect::<Result<_, _>>().unwrap()
}

fn json(name: &str) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(path(name)).unwrap()).unwrap()
}

/// A decoder that knows what bare JSON does not say of the table's columns, and the schemas of Avro.
fn decoder() -> Decoder {
    let hints = [
        ("price", "decimal(2)"),
        ("attributes", "json"),
        ("released", "date"),
    ];
    let rows = RowsConfig {
        types: hints
            .map(|(column, hint)| (column.to_owned(), hint.parse().unwrap()))
            .into(),
        ..RowsConfig::default()
    };
    let mut decoder = Decoder::new(RowSettings::new(&rows, NeededColumns::all()));
    for (id, text) in json("golden/avro.schemas.json").as_object().unwrap() {
        let schema = WriterSchema {
            language: SchemaLanguage::Avro,
            text: text.as_str().unwrap().into(),
            references: Vec::new(),
        };
        decoder.learn(SchemaId::Id(id.parse().unwrap()), &schema);
    }
    decoder
}
