//! The captured records and what the tables held at the end, as files outside the repository.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead as _, BufReader},
    path::PathBuf,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A row of a table as a dump wrote it: column to JSON text, so that no digit of a number is lost.
pub(crate) type DumpedRow = BTreeMap<String, Box<RawValue>>;

/// The folder with the captures: `VECTIDE_FIXTURES`, or beside the checkout.
///
/// `None`, and a word about it, when there is none: they are too large to be everybody's.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("VECTIDE_FIXTURES").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../shared/fixtures/debezium"
            ))
        },
        PathBuf::from,
    );
    let is_there = folder.join("final_tables.json").is_file();
    if !is_there {
        eprintln!(
            "skipped: no captures in {} (VECTIDE_FIXTURES names another folder)",
            folder.display()
        );
    }
    is_there.then_some(folder)
}

/// One captured record.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

#[derive(Deserialize)]
struct Line {
    topic: String,
    partition: i32,
    timestamp_ms: i64,
    key: Option<String>,
    value: Option<String>,
    headers: Vec<(String, Option<String>)>,
}

/// All records of a capture, in the order of their timestamps, which keeps each partition's.
pub(crate) fn records(capture: &str) -> Vec<Record> {
    open(&format!("{capture}.jsonl.gz"))
        .lines()
        .map(|line| {
            let line: Line = serde_json::from_str(&line.unwrap()).unwrap();
            let bytes = |text: String| BASE64_STANDARD.decode(text).unwrap();
            Record {
                topic: line.topic,
                partition: line.partition,
                timestamp_ms: line.timestamp_ms,
                key: line.key.map(bytes),
                value: line.value.map(bytes),
                headers: line
                    .headers
                    .into_iter()
                    .map(|(name, value)| (name, value.map(bytes)))
                    .collect(),
            }
        })
        .collect()
}

/// What the tables of a dump held at the end, by name.
pub(crate) fn tables(dump: &str) -> BTreeMap<String, Vec<DumpedRow>> {
    serde_json::from_reader(BufReader::new(
        File::open(folder().unwrap().join(dump)).unwrap(),
    ))
    .unwrap()
}

/// The registry's schemas by id.
pub(crate) fn schemas() -> BTreeMap<u32, String> {
    let by_text: BTreeMap<String, serde_json::Value> =
        serde_json::from_reader(open("avro_schemas.json.gz")).unwrap();
    by_text
        .into_iter()
        .map(|(id, schema)| {
            let schema = match schema {
                serde_json::Value::String(text) => text,
                parsed => parsed.to_string(),
            };
            (id.parse().unwrap(), schema)
        })
        .collect()
}

fn open(file: &str) -> BufReader<GzDecoder<File>> {
    BufReader::new(GzDecoder::new(
        File::open(folder().unwrap().join(file)).unwrap(),
    ))
}
