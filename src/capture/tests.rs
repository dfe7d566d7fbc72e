#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Cursor;

use proptest::{collection::vec, option, prelude::*};

use super::*;

fn tombstone() -> RawRecord {
    RawRecord {
        topic: "shop.public.products".into(),
        partition: 3,
        offset: Offset(41),
        timestamp_ms: Some(1_700_000_000_123),
        key: Some(br#"{"id":17}"#.as_slice().into()),
        value: None,
        headers: vec![
            Header {
                name: "__debezium.newkey".into(),
                value: Some(b"\x00\xff".as_slice().into()),
            },
            Header {
                name: "empty".into(),
                value: None,
            },
        ],
    }
}

/// As the capture's file has it.
fn written(records: &[RawRecord], name: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let mut writer = CaptureWriter::create(&path).unwrap();
    for raw in records {
        writer.write(raw).unwrap();
    }
    writer.finish().unwrap();
    std::fs::read(path).unwrap()
}

fn read(bytes: Vec<u8>) -> Result<Vec<RawRecord>, String> {
    CaptureReader::of("it", Cursor::new(bytes))
        .and_then(Iterator::collect)
        .map_err(|error| error.to_string())
}

#[test]
fn a_record_is_one_line_of_json_with_base64() {
    let line = String::from_utf8(written(&[tombstone()], "a.jsonl")).unwrap();
    assert_eq!(
        line,
        concat!(
            r#"{"topic":"shop.public.products","partition":3,"offset":41,"timestamp_ms":1700000000123,"#,
            r#""key":"eyJpZCI6MTd9","value":null,"headers":[["__debezium.newkey","AP8="],["empty",null]]}"#,
            "\n"
        )
    );
}

#[test]
fn a_gzipped_file_is_known_by_its_content_not_by_its_name() {
    let gzipped = written(&[tombstone()], "a.jsonl.gz");
    assert!(gzipped.starts_with(&[0x1f, 0x8b]));
    assert_eq!(read(gzipped), Ok(vec![tombstone()]));
}

#[test]
fn a_gzipped_file_that_is_cut_off_is_an_error_not_an_end() {
    let mut gzipped = written(&[tombstone()], "a.jsonl.gz");
    gzipped.truncate(gzipped.len() - 9);
    assert!(read(gzipped).unwrap_err().starts_with("cannot read it:"));
}

#[test]
fn what_is_no_captured_record_is_told_by_its_line() {
    let good = String::from_utf8(written(&[tombstone()], "a.jsonl")).unwrap();
    for (line, message) in [
        ("{", "EOF while parsing"),
        ("[]", "invalid length"),
        (
            r#"{"topic":"t","partition":0,"offset":0,"key":null}"#,
            "missing field `value`",
        ),
        (
            r#"{"topic":"t","partition":0,"offset":0,"key":"?","value":null}"#,
            "its key is no base64",
        ),
        (
            r#"{"topic":"t","partition":0,"offset":0,"key":null,"value":null,"headers":[["h","?"]]}"#,
            "its header `h` is no base64",
        ),
    ] {
        let error = read(format!("{good}\n{line}\n").into_bytes()).unwrap_err();
        assert!(
            error.starts_with("it:3: this is no captured record: ") && error.contains(message),
            "{error}"
        );
    }
}

#[test]
fn nothing_at_all_is_no_records() {
    assert_eq!(read(Vec::new()), Ok(Vec::new()));
    assert_eq!(read(b"\n".to_vec()), Ok(Vec::new()));
}

fn bytes() -> impl Strategy<Value = Option<Box<[u8]>>> {
    option::of(vec(any::<u8>(), 0..20).prop_map(Into::into))
}

prop_compose! {
    fn any_record()(
        topic in "[a-z.]{1,8}",
        partition in 0_i32..9,
        offset in 0_i64..,
        timestamp_ms in option::of(any::<i64>()),
        key in bytes(),
        value in bytes(),
        headers in vec((any::<String>(), bytes()), 0..3),
    ) -> RawRecord {
        let headers = headers.into_iter().map(|(name, value)| Header { name: name.into(), value });
        RawRecord {
            topic: topic.into(), partition, offset: Offset(offset), timestamp_ms, key, value,
            headers: headers.collect(),
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(records in vec(any_record(), 0..5), gzipped: bool) {
        let name = if gzipped { "a.gz" } else { "a" };
        prop_assert_eq!(read(written(&records, name)), Ok(records));
    }
}
