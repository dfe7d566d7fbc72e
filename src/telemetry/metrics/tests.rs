//! Names, types and labels are an interface: dashboards and alerts are made of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{cell::RefCell, fmt::Write, fs, path::Path};

use prometheus::{core::Collector, proto::MetricType};

use super::Metrics;

const BEGIN: &str =
    "<!-- metrics: begin (made of the code; UPDATE_DOCS=1 cargo test writes it anew) -->\n";
const END: &str = "<!-- metrics: end -->\n";

#[derive(Debug, Clone)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) labels: Vec<String>,
    help: String,
}

thread_local! {
    static REGISTERED: RefCell<Vec<Described>> = const { RefCell::new(Vec::new()) };
}

/// Notes what is registered. A registry shows metrics with labels only once they were counted.
pub(super) fn note(metric: &impl Collector) {
    let kinds = metric.collect();
    for (desc, family) in metric.desc().into_iter().zip(kinds) {
        let described = Described {
            name: desc.fq_name.clone(),
            kind: match family.get_field_type() {
                MetricType::COUNTER => "counter",
                MetricType::GAUGE => "gauge",
                MetricType::HISTOGRAM => "histogram",
                MetricType::SUMMARY => "summary",
                MetricType::UNTYPED => "untyped",
            },
            labels: desc.variable_labels.clone(),
            help: desc.help.clone(),
        };
        REGISTERED.with_borrow_mut(|registered| registered.push(described));
    }
}

pub(super) fn registered() -> Vec<Described> {
    REGISTERED.take();
    Metrics::new().unwrap();
    let mut registered = REGISTERED.take();
    registered.sort_by(|a, b| a.name.cmp(&b.name));
    registered
}

#[test]
fn names_types_and_labels_are_those_that_dashboards_were_built_on() {
    let found: Vec<String> = registered()
        .into_iter()
        .map(|metric| {
            format!(
                "{} {} {}",
                metric.name,
                metric.kind,
                metric.labels.join(",")
            )
        })
        .map(|line| line.trim_end().to_owned())
        .collect();
    let pinned = [
        "vectide_bought_texts_total counter table,model,reason",
        "vectide_bought_tokens_total counter table,model,reason",
        "vectide_bought_usd_total counter table,model,reason",
        "vectide_budget_limit_bytes gauge",
        "vectide_budget_used_bytes gauge",
        "vectide_build_info gauge version",
        "vectide_configuration_reload_failed gauge",
        "vectide_cost_budget_spent_ratio gauge period",
        "vectide_dead_letters_total counter stage,reason",
        "vectide_embed_chunked_texts_total counter",
        "vectide_embed_hedges_total counter outcome",
        "vectide_embed_inputs_total counter",
        "vectide_embed_limit_per_minute gauge limit",
        "vectide_embed_limit_used_ratio gauge limit",
        "vectide_embed_limiter_wait_seconds_total counter",
        "vectide_embed_queued_texts gauge",
        "vectide_embed_request_duration_seconds histogram",
        "vectide_embed_request_inputs histogram",
        "vectide_embed_requests_in_flight gauge",
        "vectide_embed_requests_total counter outcome",
        "vectide_embed_retries_total counter reason",
        "vectide_embed_skipped_texts_total counter",
        "vectide_embed_tokens_total counter",
        "vectide_embed_truncated_texts_total counter",
        "vectide_held_records gauge",
        "vectide_index_cache_lookups_total counter outcome",
        "vectide_index_call_duration_seconds histogram kind",
        "vectide_index_calls_total counter kind,outcome",
        "vectide_index_points_written_total counter write",
        "vectide_index_queued_requests gauge kind",
        "vectide_index_rejected_writes_total counter cause",
        "vectide_index_write_operations histogram",
        "vectide_index_write_points histogram",
        "vectide_kafka_commits_total counter outcome",
        "vectide_kafka_errors_total counter",
        "vectide_kafka_lag_records gauge topic,partition",
        "vectide_kafka_lag_seconds gauge topic,partition",
        "vectide_kafka_offset_resets_total counter",
        "vectide_kafka_partitions_assigned gauge",
        "vectide_kafka_partitions_paused gauge",
        "vectide_kafka_rebalances_total counter event",
        "vectide_kafka_topic_partitions gauge topic",
        "vectide_lane_state gauge lane,state",
        "vectide_ordered_by_clock_total counter",
        "vectide_parked_rows_embedded_total counter",
        "vectide_pending_keys gauge",
        "vectide_rechecked_rows_total counter outcome",
        "vectide_records_received_bytes_total counter",
        "vectide_records_received_total counter",
        "vectide_records_settled_total counter as",
        "vectide_records_skipped_total counter kind",
        "vectide_remembered_keys gauge",
        "vectide_saved_texts_total counter table,model,by",
        "vectide_saved_tokens_total counter table,model,by",
        "vectide_saved_usd_total counter table,model,by",
        "vectide_stalled_partitions gauge",
        "vectide_start_time_seconds gauge",
        "vectide_table_paused gauge topic",
        "vectide_texts_unchanged_total counter",
        "vectide_traces_dropped_total counter reason",
        "vectide_traces_sent_total counter",
        "vectide_version_conflicts_total counter",
        "vectide_visible_latency_seconds histogram write",
        "vectide_withheld_letters gauge",
    ];
    assert_eq!(found, pinned);
}

#[test]
fn names_follow_prometheus_conventions() {
    for Described { name, kind, .. } in registered() {
        assert!(name.starts_with("vectide_"), "{name}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
        for unit in ["_ms", "_millis", "_kb", "_mb", "_minutes"] {
            assert!(!name.ends_with(unit), "{name} is not in base units");
        }
    }
}

#[test]
fn the_page_lists_every_metric() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page marks its table");
    let (table, after) = rest.split_once(END).expect("the page marks its table");

    let mut expected = String::from("\n| Name | Type | Labels | Meaning |\n|---|---|---|---|\n");
    for metric in registered() {
        let labels: Vec<String> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
        let (name, kind, help) = (&metric.name, metric.kind, &metric.help);
        let labels = labels.join(", ");
        writeln!(expected, "| `{name}` | {kind} | {labels} | {help} |").unwrap();
    }
    expected.push('\n');
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, [before, BEGIN, &expected, END, after].concat()).unwrap();
    } else {
        assert_eq!(
            table, expected,
            "docs/metrics.md is out of date: UPDATE_DOCS=1 cargo test writes it anew"
        );
    }
}
