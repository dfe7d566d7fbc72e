//! Any schema, and a record of it: what comes behind a zero byte.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vectide_fuzz::{avro, decode_twice, learned, record};

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let schema = parts.next().unwrap_or_default();
    let value = avro(parts.next().unwrap_or_default());
    if let Ok(schema) = std::str::from_utf8(schema) {
        decode_twice(learned(schema), &record(Some(&value), Some(&value)));
    }
});
