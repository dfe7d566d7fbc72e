//! What dashboards, rules and pages ask of the metrics must exist: metrics, labels, and the values of
//! labels that have few.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use regex::Regex;
use serde_json::Value;

use super::tests::registered;
use crate::{
    pages::{self, files, name, root},
    record::{Settled, WriteKind},
    telemetry::{Lane, LaneState},
};

/// What Prometheus adds to every series: who was scraped.
const TARGET: [&str; 3] = ["namespace", "job", "instance"];

/// Words of the query language that are followed by a parenthesis or stand between operands.
const WORDS: [&str; 17] = [
    "absent",
    "and",
    "avg_over_time",
    "changes",
    "delta",
    "histogram_quantile",
    "increase",
    "last_over_time",
    "max",
    "min",
    "offset",
    "or",
    "rate",
    "sum",
    "time",
    "unless",
    "vector",
];

/// A query, and where it stands.
struct Query {
    at: String,
    text: String,
}

/// The values of a key in a file of rules: on the key's line, or in the block below it.
fn values(rules: &str, key: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut values = Vec::new();
    let mut lines = rules.lines().peekable();
    while let Some(line) = lines.next() {
        let word = line.trim_start().trim_start_matches("- ");
        let Some(value) = word
            .strip_prefix(key)
            .and_then(|rest| rest.strip_prefix(": "))
        else {
            continue;
        };
        let mut value = value.to_owned();
        if value == "|" {
            value.clear();
            while let Some(next) = lines.next_if(|next| indent(next) > indent(line)) {
                value.push_str(next.trim());
                value.push(' ');
            }
        }
        values.push(value);
    }
    values
}

fn rules() -> Vec<(PathBuf, String)> {
    ["recording.yml", "alerts.yml"]
        .map(|name| root().join("deploy/prometheus").join(name))
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .into()
}

fn rule_queries() -> Vec<Query> {
    let rules = rules();
    let of = |(path, text): &(PathBuf, String)| {
        let at = name(path);
        let queries = values(text, "expr").into_iter();
        queries
            .map(move |text| Query {
                at: at.clone(),
                text,
            })
            .collect::<Vec<_>>()
    };
    rules.iter().flat_map(of).collect()
}

/// Every query of a dashboard: of its panels, annotations and variables.
fn collect(value: &Value, at: &str, queries: &mut Vec<Query>) {
    match value {
        Value::Object(object) => {
            let title = object.get("title").and_then(Value::as_str);
            let at = title.map_or_else(|| at.to_owned(), |title| format!("{at}, {title}"));
            for (key, value) in object {
                match value {
                    Value::String(text)
                        if key == "expr" || key == "query" && text.contains("label_values") =>
                    {
                        queries.push(Query {
                            at: at.clone(),
                            text: text.clone(),
                        });
                    }
                    value => collect(value, &at, queries),
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                collect(value, at, queries);
            }
        }
        _ => {}
    }
}

fn dashboard_queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for path in files("deploy/grafana/dashboards", ".json") {
        let text = fs::read_to_string(&path).unwrap();
        collect(
            &serde_json::from_str(&text).unwrap(),
            &name(&path),
            &mut queries,
        );
    }
    queries
}

/// The labels of every series, by its name: a histogram has three, and each recorded rule is one.
fn series() -> BTreeMap<String, BTreeSet<String>> {
    let mut series = BTreeMap::new();
    for metric in registered() {
        let labels: BTreeSet<String> = metric.labels.into_iter().collect();
        if metric.kind == "histogram" {
            let bucket = labels.iter().cloned().chain(["le".to_owned()]).collect();
            series.insert(format!("{}_bucket", metric.name), bucket);
            series.insert(format!("{}_sum", metric.name), labels.clone());
            series.insert(format!("{}_count", metric.name), labels);
        } else {
            series.insert(metric.name, labels);
        }
    }
    series.insert("up".to_owned(), BTreeSet::new());
    let by = Regex::new(r"by \(([^)]*)\)").unwrap();
    for (_, text) in rules() {
        for (record, query) in values(&text, "record").iter().zip(values(&text, "expr")) {
            let labels = by.captures_iter(&query).flat_map(|by| labels(&by[1]));
            series.insert(record.clone(), labels.collect());
        }
    }
    series
}

fn labels(list: &str) -> Vec<String> {
    let labels = list.split(',').map(|label| label.trim().to_owned());
    labels.filter(|label| !label.is_empty()).collect()
}

/// The values that a label has, where they are few and known.
fn known_values(label: &str) -> Option<Vec<&'static str>> {
    Some(match label {
        "write" => WriteKind::ALL.map(WriteKind::label).into(),
        "as" => Settled::ALL.map(Settled::label).into(),
        "lane" => Lane::ALL.map(Lane::label).into(),
        "state" => LaneState::LABELS.into(),
        _ => return None,
    })
}

/// What is wrong with a query.
fn complaints(query: &str, series: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let nothing = Regex::new(r"\[[^\]]*\]|\$\w+|\b\d[\w.]*").unwrap();
    let grouping = Regex::new(r"\b(?:by|on|ignoring|without|group_left)\s*\(([^)]*)\)").unwrap();
    let variable = Regex::new(r"^label_values\((.*), (\w+)\)$").unwrap();
    let selector = Regex::new(r"([a-zA-Z_][a-zA-Z0-9_:]*)\s*(?:\{([^}]*)\})?").unwrap();
    let matcher = Regex::new(r#"(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)""#).unwrap();
    let mut complaints = Vec::new();
    let mut here: BTreeSet<String> = TARGET.map(str::to_owned).into();

    let groups = grouping.captures_iter(query);
    let mut asked: Vec<String> = groups.flat_map(|group| labels(&group[1])).collect();
    let text = grouping.replace_all(query, " ");
    let text = variable.replace(&text, |found: &regex::Captures<'_>| {
        asked.push(found[2].to_owned());
        found[1].to_owned()
    });
    // Ranges, variables, numbers and durations.
    let text = nothing.replace_all(&text, " ");
    for found in selector.captures_iter(&text) {
        let name = &found[1];
        if WORDS.contains(&name) {
            continue;
        }
        let Some(has) = series.get(name) else {
            complaints.push(format!("there is no {name}"));
            continue;
        };
        here.extend(has.iter().cloned());
        let matchers = found.get(2).map_or("", |matchers| matchers.as_str());
        for found in matcher.captures_iter(matchers) {
            let (label, values) = (&found[1], &found[2]);
            if !has.contains(label) && !TARGET.contains(&label) {
                complaints.push(format!("{name} has no label {label}"));
            }
            for value in values.split('|') {
                if known_values(label).is_some_and(|known| !known.contains(&value)) {
                    complaints.push(format!("{label} is never {value}"));
                }
            }
        }
    }
    for label in asked {
        if !here.contains(&label) {
            complaints.push(format!("nothing here has the label {label}"));
        }
    }
    complaints
}

fn check(queries: Vec<Query>) {
    let series = series();
    let mut wrong = Vec::new();
    assert!(queries.len() > 10, "the queries are not found any more");
    for Query { at, text } in queries {
        for complaint in complaints(&text, &series) {
            wrong.push(format!("{at}: {complaint}: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rules_ask_for_what_there_is() {
    check(rule_queries());
}

#[test]
fn dashboards_ask_for_what_there_is() {
    check(dashboard_queries());
}

/// So that a change made in Grafana is a small one here: `jq . file` makes it so.
#[test]
fn dashboards_are_formatted_alike() {
    for path in files("deploy/grafana/dashboards", ".json") {
        let text = fs::read_to_string(&path).unwrap();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        let formatted = serde_json::to_string_pretty(&dashboard).unwrap() + "\n";
        assert!(text == formatted, "{}: format it with jq", name(&path));
    }
}

#[test]
fn what_there_is_not_is_noticed() {
    let series = series();
    let complaints = |query| complaints(query, &series).join("; ");
    assert_eq!(
        complaints("sum(vectide_pending)"),
        "there is no vectide_pending"
    );
    assert_eq!(
        complaints(r#"vectide_pending_keys{lane="embed"}"#),
        "vectide_pending_keys has no label lane"
    );
    assert_eq!(
        complaints(r#"vectide_lane_state{state="stuck"}"#),
        "state is never stuck"
    );
    assert_eq!(
        complaints("sum by (table) (rate(vectide_dead_letters_total[5m]))"),
        "nothing here has the label table"
    );
    assert_eq!(
        complaints("vectide_visible_latency_seconds > 1"),
        "there is no vectide_visible_latency_seconds"
    );
    assert_eq!(complaints("pending_keys > 1"), "there is no pending_keys");
}

#[test]
fn every_metric_that_a_page_names_exists() {
    let series = series();
    let whole: BTreeSet<String> = registered().into_iter().map(|m| m.name).collect();
    let word = Regex::new(r"\bvectide_[a-z0-9_]+\b").unwrap();
    for page in pages::all() {
        for found in word.find_iter(&page.text) {
            let (found, page) = (found.as_str(), name(&page.path));
            let exists = whole.contains(found) || series.contains_key(found);
            assert!(exists, "{page} names {found}, which is none");
        }
    }
}

#[test]
fn every_alert_has_its_page() {
    let text = fs::read_to_string(root().join("deploy/prometheus/alerts.yml")).unwrap();
    let alerts = values(&text, "alert");
    let pages = values(&text, "runbook_url");
    assert_eq!(alerts.len(), pages.len());
    for (alert, url) in alerts.iter().zip(pages) {
        let path = url.split_once("/blob/main/").map(|(_, path)| path).unwrap();
        let page = fs::read_to_string(root().join(path));
        let page = page.unwrap_or_else(|_| panic!("{alert} has no page {path}"));
        assert!(
            page.contains(&format!("`{alert}`")),
            "{path} does not name {alert}"
        );
    }
}
