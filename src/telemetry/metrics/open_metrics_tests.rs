//! What is written is read again, by the grammar of OpenMetrics 1.0.0.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;

use opentelemetry::trace::TraceId;
use regex::Regex;

use super::{super::Metrics, Exemplar, number};
use crate::telemetry::Health;

const NAME: &str = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABELS: &str = r#"\{[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"(?:,[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*")*\}"#;
const NUMBER: &str = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|[+-]?Inf|NaN";

/// A sample, as it was read.
#[derive(Debug)]
struct Sample {
    family: String,
    kind: String,
    name: String,
    labels: String,
    value: String,
    /// Its labels and its value.
    exemplar: Option<(String, f64)>,
}

/// Reads an exposition strictly: every line of the grammar, each family in one piece with its type first,
/// each sample under the names that its family's type allows, and the end marked.
fn read(text: &str) -> Vec<Sample> {
    let body = text.strip_suffix("# EOF\n").expect("the end is marked");
    let meta = Regex::new(&format!("^# (TYPE|HELP|UNIT) ({NAME}) (.*)$")).unwrap();
    let sample = format!(
        "^({NAME})({LABELS})? ({NUMBER})(?: (?:{NUMBER}))?(?: # ({LABELS}|\\{{\\}}) ({NUMBER})(?: ({NUMBER}))?)?$"
    );
    let sample = Regex::new(&sample).unwrap();
    let (mut families, mut series) = (BTreeSet::new(), BTreeSet::new());
    let (mut family, mut kind) = (String::new(), String::new());
    let mut samples = Vec::new();
    for line in body.lines() {
        if let Some(found) = meta.captures(line) {
            if &found[1] == "TYPE" {
                (family, kind) = (found[2].to_owned(), found[3].to_owned());
                assert!(families.insert(family.clone()), "{family} comes twice");
            }
            assert_eq!(found[2], *family, "{line}");
            continue;
        }
        let found = sample.captures(line);
        let found = found.unwrap_or_else(|| panic!("no line of OpenMetrics: {line}"));
        let name = found[1].to_owned();
        let ending = name.strip_prefix(&family).expect("a sample of its family");
        let (endings, exemplars): (&[&str], &[&str]) = match &*kind {
            "counter" => (&["_total"], &["_total"]),
            "gauge" => (&[""], &[]),
            "histogram" => (&["_bucket", "_count", "_sum"], &["_bucket"]),
            other => panic!("{other} is not a type that there is"),
        };
        assert!(endings.contains(&ending), "{line}");
        let labels = found.get(2).map_or("", |it| it.as_str()).to_owned();
        assert!(
            series.insert((name.clone(), labels.clone())),
            "{line} twice"
        );
        let exemplar = found.get(4).map(|of| {
            assert!(exemplars.contains(&ending), "{line}");
            assert!(of.as_str().len() <= 128, "{line}");
            (of.as_str().to_owned(), found[5].parse().unwrap())
        });
        samples.push(Sample {
            family: family.clone(),
            kind: kind.clone(),
            name,
            labels,
            value: found[3].to_owned(),
            exemplar,
        });
    }
    samples
}

fn metrics() -> Metrics {
    let metrics = Metrics::new().unwrap();
    let (pipeline, index) = (&metrics.pipeline, &metrics.index);
    pipeline.received.inc_by(3);
    pipeline.settled.with_label_values(&["written"]).inc();
    let odd = "a\"b\\c\nd";
    pipeline
        .dead_letters
        .with_label_values(&["decode", odd])
        .inc();
    let latency = pipeline.visible_latency.with_label_values(&["upsert"]);
    latency.observe(0.7);
    latency.observe(4_000.0);
    index.queued.with_label_values(&["write"]).set(2);
    metrics
}

#[test]
fn every_line_is_of_the_grammar_and_says_what_prometheus_format_says() {
    let (metrics, health) = (metrics(), Health::default());
    let samples = read(&metrics.encode_open(&health));
    let plain = metrics.encode(&health).unwrap();
    let plain: BTreeSet<(String, String)> = plain
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(series, value)| {
            let value = number(value.parse().unwrap());
            let series = Regex::new("le=\"([0-9]+)\"")
                .unwrap()
                .replace(series, "le=\"$1.0\"");
            (series.into_owned(), value)
        })
        .collect();
    let open: BTreeSet<(String, String)> = samples
        .iter()
        .map(|it| {
            (
                format!("{}{}", it.name, it.labels),
                number(it.value.parse().unwrap()),
            )
        })
        .collect();
    assert_eq!(open, plain);
    assert!(samples.iter().any(|it| it.kind == "counter"));
    assert!(
        samples
            .iter()
            .any(|it| it.family == "vectide_records_received")
    );
}

#[test]
fn an_exemplar_stands_at_the_bucket_that_its_value_is_in() {
    let metrics = metrics();
    for (value, trace) in [(0.7, 1_u128), (4_000.0, 2), (0.6, 3)] {
        metrics.pipeline.visible_exemplars.note(
            "upsert",
            Exemplar {
                value,
                trace: TraceId::from(trace),
                at_ms: 1_700_000_000_250,
            },
        );
    }
    let text = metrics.encode_open(&Health::default());
    let samples = read(&text);
    let shown: Vec<_> = samples
        .iter()
        .filter_map(|it| Some((&*it.name, &*it.labels, it.exemplar.as_ref()?)))
        .collect();
    let bucket = "vectide_visible_latency_seconds_bucket";
    let of = |trace: u128| format!("{{trace_id=\"{}\"}}", TraceId::from(trace));
    assert_eq!(
        shown,
        [
            (bucket, "{write=\"upsert\",le=\"1.0\"}", &(of(3), 0.6)),
            (bucket, "{write=\"upsert\",le=\"+Inf\"}", &(of(2), 4_000.0)),
        ]
    );
    assert!(text.contains(" 0.6 1700000000.25\n"), "{text}");
}

#[test]
#[should_panic(expected = "no line of OpenMetrics")]
fn the_reader_refuses_what_is_no_line() {
    read("# TYPE a gauge\na{b=c} 1\n# EOF\n");
}
