//! Keys and values in Avro, by a schema as Debezium's converters register them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vectide_fuzz::{avro, decode_twice, learned, record};

const SCHEMA: &str = include_str!("envelope.avsc");

fuzz_target!(|bytes: &[u8]| {
    let record = record(Some(&avro(bytes)), Some(&avro(bytes)));
    decode_twice(learned(SCHEMA), &record);
});
