//! Values in JSON, without any hint.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vectide::decode::Decoder;
use vectide_fuzz::{decode_twice, record};

fuzz_target!(|value: &[u8]| {
    decode_twice(Decoder::default(), &record(Some(b"{\"id\":1}"), Some(value)));
});
