//! What `vectide estimate` says, and what it says of bad input.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{fs, path::Path, process::Command};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value as Json;

/// In milliseconds.
const DAY: u64 = 86_400_000;

/// Runs the program in a folder: exit code, output, errors.
fn vectide(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_vectide"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// The estimate for one model, as JSON.
fn estimate(folder: &Path, arguments: &[&str], model: &str) -> Json {
    let mut all = vec!["estimate", "--json"];
    all.extend(arguments);
    let (code, printed, errors) = vectide(folder, &all);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let printed: Json = serde_json::from_str(&printed).unwrap();
    let models = printed["models"].as_array().unwrap().iter();
    let mut found = models.filter(|it| it["model"] == model);
    found.next().unwrap().clone()
}

/// A wrong command line or file: one line, and an exit code.
fn refused(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let (code, printed, errors) = vectide(folder, arguments);
    assert_eq!(printed, "");
    (code.unwrap(), errors)
}

#[test]
fn four_sizes_of_a_shop_cost_what_their_prices_come_to() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [
        ("100", "200", 600_000, 0.252, 0.06),
        ("5000", "250", 37_500_000, 15.75, 3.75),
        ("50000", "300", 450_000_000, 189.0, 45.0),
        ("500000", "350", 5_250_000_000_u64, 2205.0, 525.0),
    ];
    for (changes, tokens, month, dear, cheap) in rows {
        let arguments = [
            "--changes-per-day",
            changes,
            "--tokens-per-item",
            tokens,
            "--price",
            "dear=0.42",
            "--price",
            "cheap=0.10",
        ];
        for (model, dollars) in [("dear", dear), ("cheap", cheap)] {
            let found = estimate(folder.path(), &arguments, model);
            assert_eq!(found["month"]["tokens"], month);
            assert_eq!(found["month"]["usd"], dollars);
        }
    }
}

#[test]
fn people_get_a_line_a_model_and_what_it_is_made_of() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "estimate",
        "--changes-per-day",
        "50000",
        "--tokens-per-item",
        "300",
        "--items",
        "200000",
        "--text-changes",
        "20",
    ];
    let (code, printed, errors) = vectide(folder.path(), &arguments);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let line = printed
        .lines()
        .find(|line| line.starts_with("text-embedding-3-small/1536"));
    for cell in [
        "OpenAI",
        "90,000,000",
        "$9.00",
        "$1.80",
        "$7.20",
        "4.0",
        "1.8 GB",
    ] {
        assert!(line.unwrap().contains(cell), "{cell} is not in {line:?}");
    }
    assert!(printed.contains("Prices of 2026-05"), "{printed}");
}

#[test]
fn rows_of_a_file_are_counted_with_the_models_own_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "{\"title\": \"hello world\"}\n\n\"hello world\"\n";
    fs::write(folder.path().join("rows.jsonl"), rows).unwrap();
    fs::write(
        folder.path().join("vectide.toml"),
        "[document]\ntemplate = \"{{ title }}\"\n",
    )
    .unwrap();
    let arguments = ["--rows", "rows.jsonl", "--changes-per-day", "1"];
    let found = estimate(folder.path(), &arguments, "text-embedding-3-small");
    assert_eq!(found["items"], 2.0);
    assert_eq!(found["tokens_per_item"], 2.0);
    assert_eq!(found["tokens_counted_exactly"], true);
    assert_eq!(found["backfill"]["tokens"], 4);
    let other = estimate(folder.path(), &arguments, "voyage-4");
    assert_eq!(other["tokens_per_item"], 3.0);
    assert_eq!(other["tokens_counted_exactly"], false);
}

#[test]
fn records_show_how_much_of_their_changes_has_to_be_bought() {
    let folder = tempfile::tempdir().unwrap();
    let record = |offset: u64, timestamp_ms: u64, title: &str, stock: u64| {
        let row = serde_json::json!({"id": 1, "title": title, "stock": stock});
        let value = serde_json::json!({
            "before": null, "after": row, "op": "u", "ts_ms": 1,
            "source": {"connector": "postgresql", "ts_ms": 1, "lsn": 1, "snapshot": "false"},
        });
        let record = serde_json::json!({
            "topic": "shop.public.products", "partition": 0, "offset": offset,
            "timestamp_ms": timestamp_ms, "key": BASE64_STANDARD.encode("{\"id\":1}"), "value": BASE64_STANDARD.encode(value.to_string()),
        });
        format!("{record}\n")
    };
    let records = [
        record(0, 0, "red kettle", 5),
        record(1, DAY / 2, "red kettle", 4),
        record(2, DAY / 2, "red kettle", 4),
        record(3, DAY, "blue kettle", 4),
    ];
    fs::write(folder.path().join("records.jsonl"), records.concat()).unwrap();
    fs::write(
        folder.path().join("vectide.toml"),
        "[document]\ntemplate = \"{{ title }}\"\n",
    )
    .unwrap();
    let arguments = ["estimate", "--json", "--file", "records.jsonl"];
    let (code, printed, errors) = vectide(folder.path(), &arguments);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let printed: Json = serde_json::from_str(&printed).unwrap();
    let sample = &printed["sample"];
    assert_eq!(sample["changes"], 4);
    assert_eq!(sample["to_be_embedded"], 2);
    assert_eq!(sample["payload_only"], 1);
    assert_eq!(sample["unchanged"], 1);
    assert_eq!(printed["models"][0]["changes_per_day"], 4.0);
    assert_eq!(printed["models"][0]["share_bought"], 0.5);
}

#[test]
fn what_cannot_be_told_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rows.jsonl"), "\"a text\"\n").unwrap();
    let (code, errors) = refused(folder.path(), &["estimate", "--rows", "rows.jsonl"]);
    assert_eq!(code, 2);
    assert_eq!(
        errors,
        "vectide: how many rows change a day can't be told: give --changes-per-day\n"
    );
    fs::write(folder.path().join("rows.jsonl"), "").unwrap();
    let arguments = ["estimate", "--rows", "rows.jsonl", "--changes-per-day", "5"];
    let (code, errors) = refused(folder.path(), &arguments);
    assert_eq!(code, 2);
    assert!(errors.contains("give --tokens-per-item"), "{errors}");
}

#[test]
fn a_line_that_is_no_row_is_told_by_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let wrong: [(&[u8], &str); 5] = [
        (b"\"a\"\n\n{\"title\"\n", "rows.jsonl:3: this is no JSON"),
        (b"7\n", "rows.jsonl:1: this is neither a row"),
        (b"\"\xff\"\n", "rows.jsonl:1: this is not valid UTF-8"),
        (b"\" \"\n", "rows.jsonl:1: the text is empty"),
        (
            b"{\"name\": \"a\"}\n",
            "rows.jsonl:1: column `category` is missing",
        ),
    ];
    for (bytes, message) in wrong {
        fs::write(folder.path().join("rows.jsonl"), bytes).unwrap();
        let arguments = ["estimate", "--rows", "rows.jsonl", "--changes-per-day", "5"];
        let (code, errors) = refused(folder.path(), &arguments);
        assert_eq!(code, 1, "{errors}");
        assert!(errors.contains(message), "{message} is not in {errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}

#[test]
fn a_price_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (price, message) in [
        ("mine=-1", "must not be negative"),
        ("mine=cheap", "a price is a number of dollars"),
        ("0.42", "write name=0.42"),
    ] {
        let price = format!("--price={price}");
        let (code, errors) = refused(folder.path(), &["estimate", &price]);
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains(message), "{message} is not in {errors}");
    }
    for (table, message) in [
        (
            "dated = \"2026-11\"\n[[models]]\nprovider = \"a\"\nname = \"m\"\nusd_per_million_tokens = -0.1\n",
            "prices.toml, line 5: a price must not be negative",
        ),
        (
            "dated = \"2026-11\"\ncurency = \"USD\"\n",
            "prices.toml, line 2: unknown field `curency`",
        ),
    ] {
        fs::write(folder.path().join("prices.toml"), table).unwrap();
        fs::write(
            folder.path().join("vectide.toml"),
            "[cost]\nprices = \"prices.toml\"\n",
        )
        .unwrap();
        let arguments = [
            "estimate",
            "--changes-per-day",
            "1",
            "--tokens-per-item",
            "1",
        ];
        let (code, errors) = refused(folder.path(), &arguments);
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains(message), "{message} is not in {errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}

#[test]
fn a_budget_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (budget, message) in [
        ("daily = \"$0\"", "must be more than nothing"),
        ("daily = \"-$5\"", "must be more than nothing"),
        ("monthly = \"0 tokens\"", "must be more than nothing"),
        ("monthly = \"20\"", "is no amount such as"),
        ("until = \"2020-12-31\"", "in the past"),
        ("until = \"tomorrow\"", "is no day such as"),
        ("warn_at = 0", "must be from 1 to 100"),
    ] {
        let text = format!("[kafka]\ntopics = [\"t\"]\n[cost.budget]\n{budget}\n");
        fs::write(folder.path().join("vectide.toml"), text).unwrap();
        let (code, errors) = refused(folder.path(), &["config"]);
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains(message), "{message} is not in {errors}");
        assert_eq!(errors.lines().count(), 2, "{errors}");
    }
}
