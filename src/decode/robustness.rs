//! Whatever bytes come: the decoder neither panics nor makes much of little, it refuses with a
//! reason, and a record that it refuses spoils none after it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::RngSeed,
};

use serde_json::value::RawValue;

use super::*;
use crate::{
    config::RowsConfig,
    record::{NeededColumns, Offset, Value},
};

/// A record of each kind, by key and value.
const SEEDS: [(&str, &str); 12] = [
    (
        r#"{"id":1}"#,
        r#"{"before":null,"after":{"id":1,"title":"Zelt \u26fa","price":"Iyc=","weight":1.5e3,"stock":3,"sold":false,"tags":["a","b"],"size":{"w":1,"d":[2,{"x":null}]},"made":19782,"opens":34200000000,"at":1793607330123456,"extra":"{\"a\": [1]}","none":null},"source":{"connector":"postgresql","ts_ms":1700000000000,"lsn":22653688,"sequence":"[null,\"7\"]"},"transaction":null,"op":"u","ts_ms":1700000000400}"#,
    ),
    (
        r#"{"schema":{"type":"struct","fields":[{"type":"bytes","field":"n","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}}]},"payload":{"n":"AfQ="}}"#,
        r#"{"schema":{"type":"struct","fields":[{"type":"struct","fields":[],"field":"before"},{"type":"struct","fields":[{"type":"int64","field":"id"},{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"},"field":"price"},{"type":"struct","name":"io.debezium.data.VariableScaleDecimal","field":"list"},{"type":"int32","name":"io.debezium.time.Date","field":"made"},{"type":"int64","name":"io.debezium.time.MicroTimestamp","field":"at"},{"type":"bytes","name":"io.debezium.data.Bits","parameters":{"length":"5"},"field":"flags"},{"type":"array","items":{"type":"int64","name":"io.debezium.time.MicroTime"},"field":"times"}],"field":"after"}],"name":"shop.Envelope"},"payload":{"before":null,"after":{"id":1,"price":"AfQ=","list":{"scale":4,"value":"ESoL"},"made":19782,"at":1793607330123456,"flags":"Fg==","times":[1,2]},"source":{"ts_ms":5,"lsn":7},"op":"c"}}"#,
    ),
    (
        r#"{"a":1,"b":"x"}"#,
        r#"{"id":1,"title":"Tent","__deleted":"false","__op":"u","__table":"products","__lsn":7,"__source_ts_ms":5}"#,
    ),
    (
        "17",
        r#"{"id":1,"title":"","__deleted":"true","__op":"d","__lsn":8}"#,
    ),
    (
        r#""text""#,
        r#"{"schema":{"type":"struct","fields":[{"type":"string","field":"title"},{"type":"string","name":"io.debezium.data.Json","field":"extra"}]},"payload":{"title":"Tent","extra":"{}","__deleted":"false"}}"#,
    ),
    (
        r#"{"id":"{\"$oid\": \"64b7\"}"}"#,
        r#"{"before":null,"after":"{\"_id\": {\"$oid\": \"64b7\"}, \"price\": {\"$numberDecimal\": \"19.90\"}, \"at\": {\"$date\": 1700000000000}, \"tags\": [{\"$numberInt\": \"2\"}]}","source":{"connector":"mongodb","ts_ms":5,"ord":31},"op":"c"}"#,
    ),
    (
        r#"{"id":1}"#,
        r#"{"before":{"id":1},"after":null,"source":{"file":"bin.000003","pos":484,"scn":"12"},"op":"d"}"#,
    ),
    ("null", r#"{"op":"t","source":{"ts_ms":1,"lsn":9}}"#),
    (
        r#"{"prefix":"p"}"#,
        r#"{"op":"m","ts_ms":1,"source":{},"message":{"prefix":"p","content":"Y3JlYXRl"}}"#,
    ),
    (r#"{"serverName":"s"}"#, r#"{"ts_ms":1700000000000}"#),
    (
        r#"{"id":"784:22"}"#,
        r#"{"status":"END","id":"784:22","event_count":1,"data_collections":[{"data_collection":"t","event_count":1}],"ts_ms":1}"#,
    ),
    (
        r#"{"databaseName":"shop"}"#,
        r#"{"source":{"file":"bin.000001","pos":4},"ts_ms":1,"databaseName":"shop","ddl":"USE shop","tableChanges":[]}"#,
    ),
];

/// What may be put into a record anywhere: what JSON is made of, and what Debezium's is.
const TOKENS: [&str; 44] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "\\",
    "null",
    "true",
    "-",
    "-0",
    "1e400",
    "1e-400",
    "0.1",
    "99999999999999999999999",
    "-9223372036854775809",
    "18446744073709551616",
    "2147483648",
    "20000",
    "-20000",
    "\"\"",
    "\\u0000",
    "\\ud800",
    "\\udc00\\ud800",
    "\u{0}",
    "\u{feff}",
    "É",
    "\"schema\":",
    "\"payload\":",
    "\"after\":",
    "\"before\":",
    "\"op\":\"",
    "\"source\":",
    "\"scale\":",
    "\"__deleted\":",
    "\"id\":1,",
    "__debezium_unavailable_value",
    "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==",
    "AfQ=",
    "/////w==",
    "infinity",
    "NaN",
    "{\"type\":\"struct\",\"fields\":[]}",
];

/// A change of a record's bytes.
#[derive(Debug, Clone)]
enum Edit {
    Cut(Index),
    Flip(Index, u8),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    Insert(Index, &'static str),
    Nest(Index, usize, bool),
    /// The rest is another record's rest.
    Splice(Index, usize, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        1 => at().prop_map(Edit::Cut),
        1 => (at(), any::<u8>()).prop_map(|(at, mask)| Edit::Flip(at, mask)),
        1 => (at(), 1..40_usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        1 => (at(), 1..40_usize, 1..300_usize).prop_map(|(at, length, times)| {
            Edit::Repeat(at, length, times)
        }),
        6 => (at(), select(&TOKENS[..])).prop_map(|(at, token)| Edit::Insert(at, token)),
        1 => (at(), 1..400_usize, any::<bool>()).prop_map(|(at, depth, closed)| {
            Edit::Nest(at, depth, closed)
        }),
        1 => (at(), 0..SEEDS.len(), at()).prop_map(|(at, other, from)| Edit::Splice(at, other, from)),
    ]
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |at: &Index, length: usize| at.index(length + 1);
        let length = bytes.len();
        match self {
            Self::Cut(at) => bytes.truncate(place(at, length)),
            Self::Flip(at, mask) if length > 0 => bytes[at.index(length)] ^= mask,
            Self::Flip(..) => {}
            Self::Remove(at, count) => {
                let at = place(at, length);
                bytes.drain(at..length.min(at + count));
            }
            Self::Repeat(at, count, times) => {
                let at = place(at, length);
                let part = bytes[at..length.min(at + count)].repeat(*times);
                bytes.splice(at..at, part);
            }
            Self::Insert(at, token) => {
                let at = place(at, length);
                bytes.splice(at..at, token.bytes());
            }
            Self::Nest(at, depth, closed) => {
                let at = place(at, length);
                let closing = if *closed {
                    "]".repeat(*depth)
                } else {
                    String::new()
                };
                bytes.splice(
                    at..at,
                    format!("{}{closing}", "[".repeat(*depth)).into_bytes(),
                );
            }
            Self::Splice(at, other, from) => {
                let other = SEEDS[*other].1.as_bytes();
                bytes.truncate(place(at, length));
                bytes.extend(&other[place(from, other.len())..]);
            }
        }
    }
}

fn record(key: Option<&[u8]>, value: Option<&[u8]>) -> RawRecord {
    RawRecord {
        topic: "shop.public.products".into(),
        partition: 2,
        offset: Offset(40),
        timestamp_ms: Some(1_700_000_000_500),
        key: key.map(Into::into),
        value: value.map(Into::into),
        headers: Vec::new(),
    }
}

fn decode(decoder: &mut Decoder, key: &[u8], value: &[u8]) -> Result<Decoded, Failure> {
    let raw = record(Some(key), Some(value));
    let key = decoder.key(&raw);
    decoder.decode(&raw, key)
}

/// Decodes a value under a key that is one.
fn value(json: impl AsRef<[u8]>) -> Result<Decoded, Failure> {
    decode(&mut Decoder::default(), b"{\"id\":1}", json.as_ref())
}

/// The value of the column `a` in an envelope with this JSON for it.
fn column(json: &str) -> Result<Value, Failure> {
    let envelope = format!(r#"{{"op":"c","source":{{}},"after":{{"a":{json}}}}}"#);
    match value(envelope)? {
        Decoded::Change(RowChange {
            state: RowState::Present(row),
            ..
        }) => Ok(row.get("a").unwrap().clone()),
        other => panic!("no row: {other:?}"),
    }
}

fn rows_config(hints: &[(&str, &str)]) -> RowsConfig {
    RowsConfig {
        types: hints
            .iter()
            .map(|(column, hint)| ((*column).to_owned(), hint.parse().unwrap()))
            .collect(),
        ..RowsConfig::default()
    }
}

/// Decoders as they may be configured.
fn decoders() -> impl Strategy<Value = Decoder> {
    let hinted = rows_config(&[
        ("price", "decimal(2)"),
        ("title", "text"),
        ("tags", "decimal[]"),
        ("size", "geo"),
        ("made", "date"),
        ("opens", "time_micros"),
        ("at", "timestamp_nanos"),
        ("extra", "json"),
    ]);
    let keyed = RowsConfig {
        key_columns: vec!["id".to_owned(), "title".to_owned()],
        ..RowsConfig::default()
    };
    let few = NeededColumns::Only(["title".to_owned()].into());
    select(vec![
        RowSettings::default(),
        RowSettings::new(&hinted, NeededColumns::all()),
        RowSettings::new(&keyed, NeededColumns::all()),
        RowSettings::new(&RowsConfig::default(), few),
    ])
    .prop_map(Decoder::new)
}

/// The JSON with another text in the place of one of its values.
fn with_value_replaced(json: &str, text: &str, place: proptest::sample::Index) -> String {
    fn places(json: &mut serde_json::Value) -> Vec<&mut serde_json::Value> {
        match json {
            serde_json::Value::Array(values) => values.iter_mut().flat_map(places).collect(),
            serde_json::Value::Object(fields) => fields.values_mut().flat_map(places).collect(),
            leaf => vec![leaf],
        }
    }
    let mut json: serde_json::Value = serde_json::from_str(json).unwrap();
    let mut places = places(&mut json);
    if !places.is_empty() {
        let chosen = place.index(places.len());
        *places[chosen] = text.into();
    }
    json.to_string()
}

/// What a row holds, in bytes, counting a node of a JSON tree as 64.
fn weight(decoded: &Decoded) -> usize {
    fn of_json(json: &serde_json::Value) -> usize {
        64 + match json {
            serde_json::Value::String(text) => text.len(),
            serde_json::Value::Array(values) => values.iter().map(of_json).sum(),
            serde_json::Value::Object(fields) => fields
                .iter()
                .map(|(name, json)| name.len() + of_json(json))
                .sum(),
            _ => 0,
        }
    }
    let Decoded::Change(change) = decoded else {
        return 0;
    };
    let row = match &change.state {
        RowState::Present(row) => row.columns(),
        RowState::Gone => &[],
    };
    let columns: usize = row
        .iter()
        .map(|(name, value)| {
            name.len()
                + match value {
                    Value::Decimal(text) | Value::String(text) => text.len(),
                    Value::Json(json) => of_json(json),
                    _ => 0,
                }
        })
        .sum();
    change.key.as_str().len() + columns
}

/// As many cases as a second takes, and the same ones each time.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    /// A decimal of few digits may have a scale of 20,000: that is the most that is made of little.
    #[test]
    fn no_damage_makes_the_decoder_panic_or_much_of_little(
        mut decoder in decoders(),
        (seed, key_edits, value_edits) in (0..SEEDS.len(), vec(edit(), 0..3), vec(edit(), 1..8)),
    ) {
        let (key, value) = SEEDS[seed];
        let (mut key, mut value) = (key.as_bytes().to_vec(), value.as_bytes().to_vec());
        for edit in &key_edits {
            edit.apply(&mut key);
        }
        for edit in &value_edits {
            edit.apply(&mut value);
        }
        match decode(&mut decoder, &key, &value) {
            Ok(decoded) => {
                let most = 64 * (key.len() + value.len()) + 60_000;
                prop_assert!(weight(&decoded) <= most, "{decoded:?}");
            }
            Err(failure) => {
                prop_assert!(!failure.reason.is_empty());
                prop_assert!(failure.message.len() < 4_000, "a message stays readable: {failure}");
            }
        }
    }

    #[test]
    fn a_damaged_record_spoils_none_after_it(
        seed in 0..SEEDS.len(),
        damaged in vec((0..SEEDS.len(), vec(edit(), 1..5)), 1..4),
    ) {
        // Types are named, because a column that was met with encoded values takes no text after.
        let texts = ["title", "price", "extra"].map(|column| (column, "text"));
        let settings = RowSettings::new(&rows_config(&texts), NeededColumns::all());
        let (key, value) = SEEDS[seed];
        let undamaged = |decoder: &mut Decoder| decode(decoder, key.as_bytes(), value.as_bytes());
        let expected = undamaged(&mut Decoder::new(settings.clone()));
        let mut decoder = Decoder::new(settings);
        for (seed, edits) in damaged {
            let mut value = SEEDS[seed].1.as_bytes().to_vec();
            for edit in &edits {
                edit.apply(&mut value);
            }
            let _ = decode(&mut decoder, key.as_bytes(), &value);
            prop_assert_eq!(undamaged(&mut decoder), expected.clone());
        }
    }

    #[test]
    fn no_failure_tells_those_who_are_not_to_see_rows_what_is_in_them(
        mut decoder in decoders(),
        (seed, place) in (0..SEEDS.len(), any::<proptest::sample::Index>()),
        of_key in any::<bool>(),
    ) {
        const SECRET: &str = "geheim";
        let (key, value) = SEEDS[seed];
        let (key, value) = if of_key {
            (with_value_replaced(key, SECRET, place), value.to_owned())
        } else {
            (key.to_owned(), with_value_replaced(value, SECRET, place))
        };
        if let Err(failure) = decode(&mut decoder, key.as_bytes(), value.as_bytes()) {
            let told = failure.without_quotes();
            prop_assert!(!told.contains(SECRET), "{told}");
        }
    }

    #[test]
    fn no_bytes_at_all_make_the_decoder_panic(
        mut decoder in decoders(),
        key in proptest::option::of(any::<Vec<u8>>()),
        value in proptest::option::of(any::<Vec<u8>>()),
    ) {
        let raw = record(key.as_deref(), value.as_deref());
        let key = decoder.key(&raw);
        let _ = decoder.decode(&raw, key);
    }

    #[test]
    fn a_key_that_is_read_is_read_the_same_from_its_canonical_form(
        (seed, edits) in (0..SEEDS.len(), vec(edit(), 0..4)),
    ) {
        let mut key = SEEDS[seed].0.as_bytes().to_vec();
        for edit in &edits {
            edit.apply(&mut key);
        }
        if let Ok(read) = Decoder::default().key(&record(Some(&key), None)) {
            let values: Vec<Box<RawValue>> = serde_json::from_str(read.as_str()).unwrap();
            let columns: Vec<String> = values
                .iter()
                .enumerate()
                .map(|(at, value)| format!("\"c{at}\":{value}"))
                .collect();
            let key = format!("{{{}}}", columns.join(","));
            prop_assert_eq!(Decoder::default().key(&record(Some(key.as_bytes()), None)), Ok(read));
        }
    }
}

#[test]
fn the_records_that_are_damaged_here_are_read_while_they_are_whole() {
    for (key, json) in SEEDS {
        let hints = rows_config(&[("price", "decimal(2)")]);
        let mut decoder = Decoder::new(RowSettings::new(&hints, NeededColumns::all()));
        let read = decode(&mut decoder, key.as_bytes(), json.as_bytes());
        assert!(read.is_ok(), "{read:?} of {json}");
    }
}

#[test]
fn deep_nesting_is_refused_or_skipped_and_overflows_no_stack() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(matches!(column(&deep(100)), Ok(Value::Json(_))));
    for depth in [200, 100_000] {
        assert_eq!(
            column(&deep(depth)).unwrap_err().reason,
            "undecodable_value"
        );
        assert_eq!(value(deep(depth)).unwrap_err().reason, "undecodable_value");
        let objects = format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        assert_eq!(value(&objects).unwrap_err().reason, "undecodable_value");
        let raw = record(Some(objects.as_bytes()), None);
        let key = Decoder::default().key(&raw).unwrap_err();
        assert_eq!(key.reason, "undecodable_key");
        // What nothing needs is passed over.
        let skipped = format!(
            r#"{{"before":{},"op":"c","source":{{"x":{}}},"after":{{"a":1}}}}"#,
            deep(depth),
            deep(depth)
        );
        assert!(value(skipped).is_ok());
    }
    let json_as_text = serde_json::to_string(&deep(100_000)).unwrap();
    let settings = RowSettings::new(&rows_config(&[("a", "json")]), NeededColumns::all());
    let envelope = format!(r#"{{"op":"c","source":{{}},"after":{{"a":{json_as_text}}}}}"#);
    let failure = decode(&mut Decoder::new(settings), b"1", envelope.as_bytes()).unwrap_err();
    assert!(failure.message.len() < 300, "{failure}");
}

#[test]
fn large_values_are_kept_whole() {
    let text = "x".repeat(10_000_000);
    assert_eq!(column(&format!("{text:?}")), Ok(Value::String(text.into())));
    let array = format!("[{}1]", "1,".repeat(999_999));
    let Ok(Value::Json(json)) = column(&array) else {
        panic!("no array")
    };
    assert_eq!(json.as_array().unwrap().len(), 1_000_000);
}

#[test]
fn a_number_keeps_its_digits_up_to_64_bits_and_is_rounded_beyond() {
    for (json, expected) in [
        ("9223372036854775807", Value::Int(i64::MAX)),
        ("-9223372036854775808", Value::Int(i64::MIN)),
        (
            "18446744073709551615",
            Value::Decimal("18446744073709551615".into()),
        ),
        (
            "18446744073709551616",
            Value::Float(18_446_744_073_709_551_616.0),
        ),
        (
            "-9223372036854775809",
            Value::Float(-9_223_372_036_854_775_808.0),
        ),
        (
            "0.11777777777777777",
            Value::Float(0.117_777_777_777_777_77),
        ),
        ("1e300", Value::Float(1e300)),
        ("1e-400", Value::Float(0.0)),
    ] {
        assert_eq!(column(json), Ok(expected), "{json}");
    }
    let digits = "9".repeat(400);
    for json in [
        "1e400", &digits, "-1e309", "NaN", "Infinity", "01", "1.", "+1",
    ] {
        assert_eq!(
            column(json).unwrap_err().reason,
            "undecodable_value",
            "{json}"
        );
    }
}

#[test]
fn of_two_values_of_one_name_the_last_counts() {
    // Whatever the order of the columns in the rows before.
    let mut decoder = Decoder::default();
    for row in [r#"{"a":1,"b":1}"#, r#"{"b":7,"b":8,"a":9,"a":3}"#] {
        let envelope =
            format!(r#"{{"op":"d","op":"c","source":{{}},"after":{{"x":0}},"after":{row}}}"#);
        let read = decode(&mut decoder, b"1", envelope.as_bytes()).unwrap();
        let Decoded::Change(RowChange {
            state: RowState::Present(row),
            ..
        }) = read
        else {
            panic!("no row: {read:?}")
        };
        assert_eq!(row.columns().len(), 2, "each column once: {row:?}");
        if row.get("b") != Some(&Value::Int(1)) {
            assert_eq!(row.get("b"), Some(&Value::Int(8)));
            assert_eq!(row.get("a"), Some(&Value::Int(3)));
        }
    }
    let nulled = r#"{"op":"c","source":{},"after":{"a":1},"after":null}"#;
    assert_eq!(value(nulled).unwrap_err().reason, "no_row");
    assert_eq!(
        column(r#"{"x":1,"x":2}"#),
        Ok(Value::Json(Box::new(serde_json::json!({"x": 2}))))
    );
}

#[test]
fn a_key_with_one_column_twice_is_none() {
    let key = |json: &str| Decoder::default().key(&record(Some(json.as_bytes()), None));
    let failure = key(r#"{"id":1,"id":2}"#).unwrap_err();
    assert_eq!(failure.reason, "undecodable_key");
    assert!(failure.message.contains("`id` twice"), "{failure}");
}

#[test]
fn text_is_unicode_or_refused() {
    assert_eq!(column(r#""\u0000""#), Ok(Value::String("\0".into())));
    assert_eq!(column(r#""\ud83c\udfd5""#), Ok(Value::String("🏕".into())));
    for json in [r#""\ud800""#, r#""\udc00x""#, r#""\ud800\ud800""#, "\"\0\""] {
        assert_eq!(
            column(json).unwrap_err().reason,
            "undecodable_value",
            "{json}"
        );
    }
    let invalid = b"{\"op\":\"c\",\"source\":{},\"after\":{\"a\":\"\xff\xfe\"}}";
    assert_eq!(value(invalid).unwrap_err().reason, "undecodable_value");
    let mut decoder = Decoder::default();
    for key in [
        &b"\"\xff\""[..],
        b"{\"id\":\"\xff\"}",
        b"{\"id\":\"\\ud800\"}",
    ] {
        let raw = record(Some(key), None);
        assert_eq!(decoder.key(&raw).unwrap_err().reason, "undecodable_key");
    }
}

#[test]
fn more_columns_than_a_table_can_have_and_endless_names_are_refused() {
    let row = |count: usize| {
        let columns: Vec<String> = (0..count).map(|at| format!(r#""c{at}":1"#)).collect();
        format!(
            r#"{{"op":"c","source":{{}},"after":{{{}}}}}"#,
            columns.join(",")
        )
    };
    assert!(value(row(4_096)).is_ok());
    assert_eq!(value(row(4_097)).unwrap_err().reason, "undecodable_value");
    let endless = format!(r#"{{"{}":1}}"#, "c".repeat(1_025));
    assert_eq!(value(endless).unwrap_err().reason, "undecodable_value");
    let keys: Vec<String> = (0..257).map(|at| format!(r#""c{at}":1"#)).collect();
    let raw = record(Some(format!("{{{}}}", keys.join(",")).as_bytes()), None);
    assert_eq!(
        Decoder::default().key(&raw).unwrap_err().reason,
        "undecodable_key"
    );
}

#[test]
fn a_long_number_in_base64_is_refused_rather_than_turned_into_digits_for_minutes() {
    let settings = RowSettings::new(&rows_config(&[("a", "decimal(2)")]), NeededColumns::all());
    let long = "Ag".repeat(1_000_000);
    let envelope = format!(r#"{{"op":"c","source":{{}},"after":{{"a":"{long}"}}}}"#);
    let failure = decode(&mut Decoder::new(settings), b"1", envelope.as_bytes()).unwrap_err();
    assert_eq!(failure.reason, "undecodable_value");
    let scaled = r#"{"scale":2147483647,"value":"AQ=="}"#;
    assert!(
        matches!(column(scaled), Ok(Value::Json(_))),
        "no decimal of such a scale"
    );
}
