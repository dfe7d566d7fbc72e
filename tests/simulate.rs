//! A very small day of a shop, as `vectide simulate` plays it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::process::{Command, Stdio};

use serde_json::Value;

/// Plays a day of 300 products in a few seconds; returns the exit code and the report.
fn day(seed: &str) -> (Option<i32>, Value) {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_vectide"))
        .args(["simulate", "--products", "300", "--users", "5000"])
        .args([
            "--speed", "14400", "--seed", seed, "--outage", "11", "--json",
        ])
        .current_dir(directory.path())
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {errors}"));
    (output.status.code(), report)
}

fn figure(part: &Value, name: &str) -> u64 {
    part[name].as_u64().unwrap()
}

#[test]
fn a_day_ends_with_an_index_that_equals_the_table_and_its_figures_add_up() {
    let (code, report) = day("7");
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(report["differences"], Value::Array(Vec::new()));
    assert_eq!(report["rows"], report["points"]);
    let (parts, whole) = (report["parts"].as_array().unwrap(), &report["day"]);
    // The load, the hours and the rest.
    assert_eq!(parts.len(), 26);
    for name in [
        "records",
        "collapsed",
        "unchanged",
        "patched",
        "texts",
        "tokens",
        "naive_tokens",
    ] {
        let sum: u64 = parts[1..].iter().map(|part| figure(part, name)).sum();
        assert_eq!(sum, figure(whole, name), "{name}");
    }
    let events = whole["events"].as_object().unwrap();
    let events: u64 = events.values().map(|count| count.as_u64().unwrap()).sum();
    // A deletion is followed by its tombstone.
    let deleted = whole["events"]["deleted"].as_u64().unwrap();
    assert_eq!(figure(whole, "records"), events + deleted);
    assert_eq!(figure(whole, "dead_lettered"), 0);
    assert_eq!(figure(&parts[0], "texts"), 300);
    // Texts are bought for what is edited or new, and for nothing else.
    let (edited, created) = (&whole["events"]["edited"], &whole["events"]["created"]);
    let most = edited.as_u64().unwrap() + created.as_u64().unwrap();
    assert!((1..=most).contains(&figure(whole, "texts")), "{whole:#}");
    assert!(figure(whole, "tokens") < figure(whole, "naive_tokens") / 5);
    assert!(whole["usd"].as_f64() < whole["naive_usd"].as_f64());
}

#[test]
fn the_same_seed_is_the_same_day() {
    let (first, second) = (day("11").1, day("11").1);
    assert_eq!(first["day"]["events"], second["day"]["events"]);
    assert_eq!(first["day"]["naive_tokens"], second["day"]["naive_tokens"]);
    let hour = |report: &Value| report["parts"][21]["events"].clone();
    assert_eq!(hour(&first), hour(&second));
}
