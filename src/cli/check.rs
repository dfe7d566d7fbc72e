//! `vectide check`: whether a `run` would find all it needs.

mod cost;
mod embed;
mod index;
mod kafka;
mod registry;

use std::{fmt, io::Write};

use clap::Args;

use super::{ExitStatus, Options, Output, failure::causes};
use crate::config::DEFAULT_FILE;

/// Ask every server whether what is configured will work, and change nothing
///
/// Configuration and secrets, brokers, topics, the group's rights, the dead-letter topic, the schema
/// registry, Qdrant and its collection, one embedding call, which costs a token, and the model's price. Each gets a line: ✓, or ✗ and what to
/// do. Ends with 1 when there is a ✗.
#[derive(Debug, Args)]
pub(super) struct Command {}

impl Command {
    pub(super) async fn run(
        self,
        options: &Options,
        out: &mut Output,
    ) -> anyhow::Result<ExitStatus> {
        let config = options.load_config()?;
        options.log_if_asked(&config)?;
        let mut report = Report::default();
        let file = match &options.config {
            Some(file) => file.display().to_string(),
            None if std::path::Path::new(DEFAULT_FILE).exists() => DEFAULT_FILE.to_owned(),
            None => "defaults and environment".to_owned(),
        };
        report.good("configuration", file);
        let unresolved = config.unresolved_secrets();
        if unresolved.is_empty() {
            report.good("secrets", "none is missing");
        }
        for problem in unresolved {
            report.bad(problem.key, problem.message);
        }
        let (kafka, registry, index, embed) = tokio::join!(
            kafka::check(&config),
            registry::check(&config.registry),
            index::check(&config),
            embed::check(&config.embed)
        );
        for part in [kafka, registry, index, embed, cost::check(&config)] {
            report.lines.extend(part.lines);
        }
        write!(out, "{report}")?;
        out.flush()?;
        Ok(if report.lines.iter().all(|line| line.is_good) {
            ExitStatus::Success
        } else {
            ExitStatus::Failure
        })
    }
}

/// What was found, in the order in which it is told.
#[derive(Debug, Default)]
struct Report {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    is_good: bool,
    /// A key of the configuration, so that it is clear where to mend it.
    key: String,
    text: String,
}

impl Report {
    fn good(&mut self, key: impl Into<String>, text: impl Into<String>) {
        self.add(true, key.into(), text.into());
    }

    fn bad(&mut self, key: impl Into<String>, text: impl Into<String>) {
        self.add(false, key.into(), text.into());
    }

    /// `text` of what was found, or what is wrong.
    fn result<T>(
        &mut self,
        key: &str,
        found: Result<T, impl Into<anyhow::Error>>,
        text: impl FnOnce(T) -> String,
    ) {
        match found {
            Ok(found) => self.good(key, text(found)),
            Err(error) => self.bad(key, causes(&error.into())),
        }
    }

    fn stand_in(&mut self, key: &str) {
        self.good(key, "a stand-in in this process; there is nothing to ask");
    }

    fn add(&mut self, is_good: bool, key: String, text: String) {
        self.lines.push(Line { is_good, key, text });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { is_good, key, text } in &self.lines {
            let mark = if *is_good { '✓' } else { '✗' };
            writeln!(f, "{mark} {key}: {text}")?;
        }
        Ok(())
    }
}

/// `1 broker`, `3 brokers`.
fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Failure;

    #[test]
    fn each_finding_is_a_line_with_its_mark_and_its_key() {
        let mut report = Report::default();
        report.result("kafka.brokers", Ok::<_, Failure>(3), |it| {
            count(it, "broker")
        });
        let failure = Failure::blocked("unauthorized", "set embed.api_key");
        report.result("embed.url", Err::<(), _>(failure), |()| String::new());
        assert_eq!(
            report.to_string(),
            "✓ kafka.brokers: 3 brokers\n✗ embed.url: set embed.api_key\n"
        );
    }
}
