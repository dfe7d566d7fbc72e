//! Prometheus, with the deployment's configuration and rules.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::http;
use crate::process::{Process, Program, free_port};
use crate::workspace::{Workspace, text};

/// The deployment's files.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus");

/// A running server that scrapes one member every second.
pub(crate) struct Prometheus {
    port: u16,
    process: Process,
}

impl Prometheus {
    /// Starts it. Its rules are the deployment's, but looked at every second, and the lanes' alerts wait for no longer than `wait`.
    pub(crate) fn start(workspace: &Workspace, admin: u16, wait: &str) -> Result<Self> {
        let recording = read("recording.yml")?;
        let recording = replace(&recording, "interval: 30s", "interval: 1s")?;
        let recording = workspace.write("recording.yml", &recording)?;
        let lanes = replace(&read("alerts.yml")?, "for: 1m\n", &format!("for: {wait}\n"))?;
        let alerts = workspace.write("alerts.yml", &lanes)?;

        // What differs from the compose file's network, and nothing else.
        let configuration = replace(&read("prometheus.yml")?, ": 15s", ": 1s")?;
        let configuration = replace(&configuration, "/etc/prometheus/recording.yml", &recording)?;
        let configuration = replace(&configuration, "/etc/prometheus/alerts.yml", &alerts)?;
        let (vectide, _qdrant) = configuration
            .split_once("    dns_sd_configs:")
            .context("prometheus.yml finds Vectide in another way than by DNS")?;
        let configuration =
            format!("{vectide}    static_configs:\n      - targets: [\"127.0.0.1:{admin}\"]\n");
        let file = workspace.write("prometheus.yml", &configuration)?;

        let port = free_port()?;
        let storage = text(&workspace.path("prometheus"))?;
        let arguments = [
            format!("--config.file={file}"),
            format!("--storage.tsdb.path={storage}"),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        let mut command = vec![workspace.server("prometheus")?];
        command.extend(arguments.iter().map(String::as_str));
        let mut process = Program::new("prometheus", &command).start(&workspace.logs())?;
        let ready = format!("http://127.0.0.1:{port}/-/ready");
        process.wait_until_ready(Duration::from_mins(1), || {
            http::get(&ready).is_ok_and(|answer| answer.status == 200)
        })?;
        Ok(Self { port, process })
    }

    /// The value of an expression that has one series; `None` where it has none.
    pub(crate) fn value(&mut self, expression: &str) -> Result<Option<f64>> {
        let query = reqwest::Url::parse_with_params(
            &format!("http://127.0.0.1:{}/api/v1/query", self.port),
            [("query", expression)],
        )?;
        let answer = self.get(query.as_str())?;
        let series = answer.pointer("/data/result").and_then(Value::as_array);
        let series = series.with_context(|| format!("{expression}: {answer}"))?;
        ensure!(series.len() < 2, "{expression}: {answer}");
        let Some(one) = series.first() else {
            return Ok(None);
        };
        let value = one.pointer("/value/1").and_then(Value::as_str);
        Ok(Some(value.context("no value")?.parse()?))
    }

    /// The alerts that are pending or fire: name, state, and the lane where there is one.
    pub(crate) fn alerts(&mut self) -> Result<Vec<(String, String, String)>> {
        let answer = self.get(&format!("http://127.0.0.1:{}/api/v1/alerts", self.port))?;
        let alerts = answer.pointer("/data/alerts").and_then(Value::as_array);
        let alerts = alerts.with_context(|| format!("no alerts in {answer}"))?;
        Ok(alerts
            .iter()
            .map(|alert| {
                let text = |place: &str| {
                    let text = alert.pointer(place).and_then(Value::as_str);
                    text.unwrap_or_default().to_owned()
                };
                (
                    text("/labels/alertname"),
                    text("/state"),
                    text("/labels/lane"),
                )
            })
            .collect())
    }

    fn get(&mut self, url: &str) -> Result<Value> {
        self.process.expect_running()?;
        let answer = http::get(url)?;
        ensure!(answer.status == 200, "{url}: {}", answer.body);
        Ok(serde_json::from_str(&answer.body)?)
    }
}

fn read(name: &str) -> Result<String> {
    fs::read_to_string(format!("{FOLDER}/{name}")).with_context(|| name.to_owned())
}

/// Fails where there is nothing to replace: the deployment's file has changed.
fn replace(text: &str, old: &str, new: &str) -> Result<String> {
    ensure!(text.contains(old), "no {old:?} in:\n{text}");
    Ok(text.replace(old, new))
}
