//! Keys: what is read once is read again from its canonical form.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vectide::decode::Decoder;
use vectide_fuzz::record;

fuzz_target!(|key: &[u8]| {
    let Ok(read) = Decoder::default().key(&record(Some(key), None)) else {
        return;
    };
    let canonical = read.as_str();
    assert!(canonical.starts_with('[') && canonical.ends_with(']') && canonical.len() > 2);
    // An array of one value, as a column of its own.
    let column = format!("{{\"k\":{canonical}}}");
    let again = Decoder::default().key(&record(Some(column.as_bytes()), None));
    if let Ok(again) = again {
        assert!(again.as_str().starts_with("[["), "{canonical} became {again}");
    }
});
