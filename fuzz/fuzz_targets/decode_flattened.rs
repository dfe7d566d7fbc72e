//! Values under a configuration with hints, a short prefix and key columns.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vectide::{
    config::RowsConfig,
    decode::{Decoder, RowSettings},
    record::NeededColumns,
};
use vectide_fuzz::{decode_twice, record};

static SETTINGS: LazyLock<RowSettings> = LazyLock::new(|| {
    let hints = [
        ("a", "decimal(2)"),
        ("b", "variable_decimal"),
        ("c", "date"),
        ("d", "time_micros"),
        ("e", "timestamp_nanos"),
        ("f", "json"),
        ("g", "bits"),
        ("h", "set"),
        ("i", "geo"),
        ("j", "decimal[]"),
        ("k", "date[]"),
        ("l", "text"),
    ];
    let config = RowsConfig {
        types: hints
            .into_iter()
            .map(|(column, hint)| (column.to_owned(), hint.parse().expect("a type")))
            .collect(),
        key_columns: vec!["a".to_owned(), "l".to_owned()],
        flattened_prefix: "_".to_owned(),
        ..RowsConfig::default()
    };
    RowSettings::new(&config, NeededColumns::all())
});

fuzz_target!(|value: &[u8]| {
    decode_twice(Decoder::new(SETTINGS.clone()), &record(None, Some(value)));
});
