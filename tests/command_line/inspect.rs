//! `vectide inspect`.

use std::{fs, io, process::Stdio};

use crate::{texts, vectide};

/// A row, and its heartbeat, as `vectide capture` writes them.
const CAPTURED: &str = concat!(
    // {"id":1} and {"op":"c","after":{"id":1,"title":"Tent","price":"AfQ="},"source":{}}
    r#"{"topic":"shop.public.products","partition":0,"offset":7,"timestamp_ms":1700000000000,"key":"eyJpZCI6MX0=","#,
    r#""value":"eyJvcCI6ImMiLCJhZnRlciI6eyJpZCI6MSwidGl0bGUiOiJUZW50IiwicHJpY2UiOiJBZlE9In0sInNvdXJjZSI6e319","headers":[]}"#,
    "\n",
    // {"ts_ms":1700000000000}
    r#"{"topic":"heartbeat","partition":0,"offset":0,"timestamp_ms":null,"key":null,"value":"eyJ0c19tcyI6MTcwMDAwMDAwMDAwMH0="}"#,
    "\n",
);

#[test]
fn a_captured_file_is_inspected_without_any_configuration() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("records.jsonl"), CAPTURED).unwrap();
    let output = vectide(directory.path(), &["inspect", "--file", "records.jsonl"])
        .output()
        .unwrap();
    let (code, printed, errors) = texts(&output);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    for line in [
        "heartbeat: 1 record\n",
        "  partition 0  @7–7  1 create\n",
        "    title  text\n",
        "set rows.types.price = \"decimal(2)\"",
    ] {
        assert!(printed.contains(line), "{line} is not in:\n{printed}");
    }
}

#[test]
fn what_inspect_does_not_use_need_not_be_configured_and_what_it_uses_must_be_right() {
    let directory = tempfile::tempdir().unwrap();
    let configured = |text: &str| {
        fs::write(directory.path().join("vectide.toml"), text).unwrap();
        let arguments = ["inspect", "--file", "-", "--records", "--json"];
        let mut process = vectide(directory.path(), &arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may end without reading.
        let _ = io::Write::write_all(&mut process.stdin.take().unwrap(), CAPTURED.as_bytes());
        texts(&process.wait_with_output().unwrap())
    };
    let (code, printed, errors) = configured(
        "[embed]\nurl = \"nowhere\"\napi_key = { env = \"UNSET\" }\n\
         [rows.types]\nprice = \"decimal(2)\"\n\
         [document.columns]\ncategory = \"\"\ndescription = \"\"\n",
    );
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let first: serde_json::Value = serde_json::from_str(printed.lines().next().unwrap()).unwrap();
    let field = |pointer: &str| first.pointer(pointer).cloned();
    assert_eq!(field("/columns/price/value"), Some("5.00".into()));
    assert_eq!(field("/text"), Some("Product: Tent".into()));

    let (code, _, errors) = configured("[document.payload]\ninclude = 5\n");
    assert_eq!(code, Some(2));
    assert!(errors.contains("document.payload.include"), "{errors}");
}

#[test]
fn a_file_that_holds_no_captured_records_is_told_by_its_line() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("wrong.jsonl"), "{}\n").unwrap();
    let output = vectide(directory.path(), &["inspect", "--file", "wrong.jsonl"])
        .output()
        .unwrap();
    let (code, _, errors) = texts(&output);
    assert_eq!(code, Some(1));
    assert!(
        errors.starts_with("vectide: wrong.jsonl:1: this is no captured record: missing field"),
        "{errors}"
    );
}

#[cfg(all(unix, feature = "embedded"))]
#[test]
fn records_in_avro_are_inspected_by_the_schemas_of_the_registry() {
    use vectide_embedded::registry::{EmbeddedRegistry, RegistryOptions, Schema};
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/golden/avro.jsonl");
    let schemas = golden.replace("avro.jsonl", "avro.schemas.json");
    let schemas: std::collections::BTreeMap<u32, String> =
        serde_json::from_str(&fs::read_to_string(schemas).unwrap()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let registry = runtime.block_on(EmbeddedRegistry::start(RegistryOptions::default()));
    let registry = registry.unwrap();
    for (id, text) in schemas {
        registry.control().put(id, Schema::avro(text));
    }
    let directory = tempfile::tempdir().unwrap();
    let inspect = |configuration: String| {
        fs::write(directory.path().join("vectide.toml"), configuration).unwrap();
        let output = vectide(directory.path(), &["inspect", "--file", golden])
            .output()
            .unwrap();
        let (code, printed, errors) = texts(&output);
        assert_eq!((code, errors.as_str()), (Some(0), ""));
        printed
    };
    let printed = inspect(format!("[registry]\nurls = [\"{}\"]\n", registry.url()));
    assert!(printed.contains("  price        decimal\n"), "{printed}");
    assert!(!printed.contains("would "), "{printed}");
    let printed = inspect(String::new());
    assert!(printed.contains("no_registry, such as avro."), "{printed}");
    assert!(printed.contains("set registry.urls"), "{printed}");
}
