//! The status's JSON is an interface, and the page of its documentation lists it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fmt::Write, fs, path::Path, sync::Arc, time::SystemTime};

use schemars::schema_for;
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    admin::InEffect,
    config::Config,
    record::Settled,
    telemetry::{Lane, LaneState, Reading},
};

const BEGIN: &str =
    "<!-- status: begin (made of the code; UPDATE_DOCS=1 cargo test writes it anew) -->\n";
const END: &str = "<!-- status: end -->\n";

fn views() -> Views {
    let metrics = Metrics::new().unwrap();
    Views {
        metrics: metrics.clone(),
        health: Health::default(),
        live: Arc::new(|| true),
        job: Job::default(),
        books: Books::open(&Config::default(), metrics.cost.clone()).unwrap(),
        configuration: InEffect::since(SystemTime::UNIX_EPOCH),
        control: None,
    }
}

fn look(views: &Views, observer: &Observer, now: Instant) -> Json {
    serde_json::to_value(observer.look(views, now)).unwrap()
}

#[test]
fn before_anything_happened_everything_is_there_and_zero() {
    let now = Instant::now();
    let status = look(&views(), &Observer::new(now), now);
    assert_eq!(status["state"], json!("waiting"));
    assert_eq!(status["flow"]["kafka"]["records"], json!(0));
    assert_eq!(status["flow"]["embed"]["tokens_per_second"], json!(0.0));
    assert_eq!(status["partitions"], json!([]));
    assert_eq!(status["freshness"], json!([]));
}

#[test]
fn rates_freshness_and_letters_are_those_of_the_metrics() {
    let (views, start) = (views(), Instant::now());
    let observer = Observer::new(start);
    let pipeline = &views.metrics.pipeline;
    observer.take(&views.metrics, start);
    pipeline.received.inc_by(30);
    pipeline
        .dead_letters
        .with_label_values(&["decode", "not_json"])
        .inc_by(2);
    let visible = pipeline.visible_latency.with_label_values(&["delete"]);
    visible.observe(0.009);
    let end = start + 2 * EVERY;
    observer.take(&views.metrics, end);

    let status = look(&views, &observer, end);
    assert_eq!(status["uptime_seconds"], json!(2));
    assert_eq!(status["flow"]["kafka"]["records_per_second"], json!(15.0));
    assert_eq!(status["history"]["records_per_second"], json!([15.0]));
    assert_eq!(
        status["dead_letters"],
        json!([{ "stage": "decode", "reason": "not_json", "letters": 2 }])
    );
    let freshness = &status["freshness"][0];
    assert_eq!(freshness["change"], json!("delete"));
    assert_eq!(freshness["changes"], json!(1));
    assert!(freshness["p99_seconds"].as_f64().unwrap() <= 0.01);
}

#[test]
fn lag_is_the_sum_of_the_partitions() {
    let (views, now) = (views(), Instant::now());
    let partition = |partition, lag_records| AssignedPartition {
        topic: "products".into(),
        partition,
        reading: Reading::Reading,
        settled_offset: Some(3),
        end_offset: Some(10),
        lag_records,
        lag_seconds: 4,
    };
    let both = vec![partition(1, 7), partition(0, 5)];
    views.metrics.kafka.partitions.replace(both);
    let status = look(&views, &Observer::new(now), now);
    assert_eq!(status["flow"]["kafka"]["lag_records"], json!(12));
    assert_eq!(status["partitions"][0]["partition"], json!(0));
    assert_eq!(status["partitions"][0]["reading"], json!("reading"));
}

#[test]
fn a_blocked_lane_says_what_to_do_and_a_pause_by_hand_is_told() {
    let (views, now) = (views(), Instant::now());
    let blocked = LaneState::Blocked("renew the key".into());
    views.health.set(Lane::Embed, blocked);
    let status = look(&views, &Observer::new(now), now);
    assert_eq!(status["state"], json!("blocked"));
    assert_eq!(
        status["lanes"][3],
        json!({ "lane": "embed", "state": "blocked", "reason": "renew the key" })
    );
    assert_eq!(status["control"]["embed_paused"], json!(false));
    views.health.pause_embed(true);
    let status = look(&views, &Observer::new(now), now);
    assert_eq!(status["control"]["embed_paused"], json!(true));
}

#[test]
fn ways_to_settle_are_counted_by_their_own_names() {
    let (views, now) = (views(), Instant::now());
    let settled = &views.metrics.pipeline.settled;
    let parked = settled.with_label_values(&[Settled::Parked.label()]);
    parked.inc_by(4);
    let status = look(&views, &Observer::new(now), now);
    assert_eq!(status["flow"]["embed"]["parked_rows"], json!(4));
}

#[test]
fn the_page_lists_every_field() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/status.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page marks its table");
    let (table, after) = rest.split_once(END).expect("the page marks its table");

    let schema = serde_json::to_value(schema_for!(Status)).unwrap();
    let mut expected = String::from("\n| Field | Type | Meaning |\n|---|---|---|\n");
    fields(&mut expected, "", &schema, &schema);
    expected.push('\n');
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, [before, BEGIN, &expected, END, after].concat()).unwrap();
    } else {
        assert_eq!(
            table, expected,
            "docs/status.md is out of date: UPDATE_DOCS=1 cargo test writes it anew"
        );
    }
}

/// A row for each field, those of objects in it behind it.
fn fields(table: &mut String, name: &str, schema: &Json, root: &Json) {
    for (key, field) in schema["properties"].as_object().unwrap() {
        let name = format!("{name}{key}");
        let is_list = field["type"] == "array";
        let inner = resolve(if is_list { &field["items"] } else { field }, root);
        let description = field["description"].as_str().unwrap().replace('\n', " ");
        let (kind, suffix) = match (inner.get("properties").is_some(), is_list) {
            (true, true) => ("list of objects".to_owned(), "[]."),
            (true, false) => ("object".to_owned(), "."),
            (false, true) => (format!("list of {}s", kind(inner)), ""),
            (false, false) => (kind(inner), ""),
        };
        let choices: Vec<_> = inner["oneOf"].as_array().into_iter().flatten().collect();
        let choices = choices.into_iter().map(|choice| {
            let value = choice["const"].as_str().unwrap();
            let meaning = choice["description"].as_str().unwrap().replace('\n', " ");
            format!("<br>`{value}`: {meaning}")
        });
        let choices: String = choices.collect();
        writeln!(table, "| `{name}` | {kind} | {description}{choices} |").unwrap();
        if inner.get("properties").is_some() {
            fields(table, &format!("{name}{suffix}"), inner, root);
        }
    }
}

fn resolve<'a>(schema: &'a Json, root: &'a Json) -> &'a Json {
    match schema["$ref"].as_str() {
        Some(place) => root.pointer(place.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

fn kind(schema: &Json) -> String {
    let name = schema["type"].as_str();
    let name = name.or_else(|| schema["type"][0].as_str());
    let optional = if schema["type"].is_array() {
        ", or null"
    } else {
        ""
    };
    let word = match name {
        Some("integer" | "number") => "number",
        Some("boolean") => "true or false",
        _ => "text",
    };
    format!("{word}{optional}")
}
