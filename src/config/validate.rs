//! The rules that types can't say. Each section holds its own; here is what they share.

use std::{fmt::Display, ops::RangeInclusive, time::Duration};

use reqwest::Url;

use super::{Config, EMBEDDED, problem::Problem, secret::SecretRef};
use crate::cost::Day;

/// Collects what the sections' rules refuse.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: Vec<Problem>,
}

impl Config {
    /// Every rule that this configuration breaks, by key; empty when it can be run with. Looks at
    /// nothing but the values and the date: no file, no secret, no server.
    pub fn validate(&self) -> Vec<Problem> {
        let mut report = Report::default();
        self.kafka.validate(&mut report);
        self.registry.validate(&mut report);
        self.rows.validate("rows", &mut report);
        self.window.validate(&mut report);
        self.document.validate("document", &mut report);
        self.validate_tables(&mut report);
        self.embed.validate(&mut report);
        self.cost.validate(&mut report, Day::today());
        self.index.validate(&mut report);
        self.postgres.validate(&mut report);
        self.commit.validate(&mut report);
        self.dead_letter.validate(&self.kafka, &mut report);
        self.pipeline.validate(&mut report);
        self.admin.validate(&mut report);
        self.log.validate(&mut report);
        self.traces.validate(&mut report);
        report.problems
    }

    /// The secrets that are referred to and can't be had, by key: for commands that need them. That of
    /// `postgres` is none of them: only the audit connects there, and says so itself.
    pub fn unresolved_secrets(&self) -> Vec<Problem> {
        self.secrets()
            .filter_map(|(key, secret)| {
                let error = secret.resolve().err()?;
                Some(Problem::of_key(
                    key,
                    format!("{:#}", anyhow::Error::new(error)),
                ))
            })
            .collect()
    }

    fn secrets(&self) -> impl Iterator<Item = (String, &SecretRef)> {
        let security = &self.kafka.security;
        let single = [
            ("kafka.security.password", &security.password),
            ("kafka.security.key_password", &security.key_password),
            (
                "kafka.security.oauthbearer_token",
                &security.oauthbearer_token,
            ),
            ("registry.password", &self.registry.password),
            ("embed.api_key", &self.embed.api_key),
            ("embed.proxy.password", &self.embed.proxy.password),
            ("index.api_key", &self.index.api_key),
            ("admin.token", &self.admin.token),
        ];
        let properties = self.kafka.secret_properties.iter();
        let headers = self.traces.headers.iter();
        single
            .into_iter()
            .filter_map(|(key, secret)| Some((key.to_owned(), secret.as_ref()?)))
            .chain(
                properties
                    .map(|(name, secret)| (format!("kafka.secret_properties.{name}"), secret)),
            )
            .chain(headers.map(|(name, secret)| (format!("traces.headers.{name}"), secret)))
    }
}

impl Report {
    pub(super) fn refuse(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem::of_key(key, message));
    }

    /// Refuses each of two keys of a section that is set without the other.
    pub(super) fn only_together(&mut self, section: &str, [one, other]: [(&str, bool); 2]) {
        for ((name, is_set), (needed, has)) in [(one, other), (other, one)] {
            self.refuse_if(
                is_set && !has,
                format!("{section}.{name}"),
                format!("needs {section}.{needed} beside it"),
            );
        }
    }

    /// Refuses when `wrong`.
    pub(super) fn refuse_if(
        &mut self,
        wrong: bool,
        key: impl Into<String>,
        message: impl Into<String>,
    ) {
        if wrong {
            self.refuse(key, message);
        }
    }

    pub(super) fn within<T: PartialOrd + Display>(
        &mut self,
        key: &str,
        value: &T,
        range: &RangeInclusive<T>,
    ) {
        let (least, most) = (range.start(), range.end());
        self.refuse_if(
            !range.contains(value),
            key,
            format!("is {value}; must be from {least} to {most}"),
        );
    }

    pub(super) fn not_blank(&mut self, key: &str, text: &str) {
        self.refuse_if(text.trim().is_empty(), key, "must not be empty");
    }

    pub(super) fn not_zero(&mut self, key: &str, duration: Duration) {
        self.refuse_if(duration.is_zero(), key, "must be longer than nothing");
    }

    /// A backoff that begins with `initial` and doubles up to `max`.
    pub(super) fn backoff(&mut self, section: &str, initial: Duration, max: Duration) {
        self.not_zero(&format!("{section}.retry_initial"), initial);
        self.refuse_if(
            max < initial,
            format!("{section}.retry_max"),
            format!(
                "is {}, less than {section}.retry_initial ({})",
                humantime::format_duration(max),
                humantime::format_duration(initial),
            ),
        );
    }

    /// An `http` or `https` URL. It is not repeated in the message: it may hold a password.
    pub(super) fn http_url(&mut self, key: &str, text: &str) {
        match Url::parse(text) {
            Err(error) => {
                self.refuse(
                    key,
                    format!("is no URL such as \"http://host:port\": {error}"),
                );
            }
            Ok(url) => {
                self.refuse_if(
                    !matches!(url.scheme(), "http" | "https"),
                    key,
                    "must begin with http:// or https://",
                );
                self.refuse_if(
                    !url.username().is_empty() || url.password().is_some(),
                    key,
                    "must not contain a user name or password: give the secret by reference, in a key of its own",
                );
            }
        }
    }

    /// A stand-in that is asked for must have been built in.
    pub(super) fn embedded(&mut self, key: &str, asked_for: bool) {
        self.refuse_if(
            asked_for && !cfg!(feature = "embedded"),
            key,
            format!("\"{EMBEDDED}\" needs a build with the feature `embedded`"),
        );
    }
}

/// The rule for topic names, as brokers check it (`org.apache.kafka.common.internals.Topic`).
pub(super) fn is_topic_name(name: &str) -> bool {
    (1..=249).contains(&name.len())
        && !matches!(name, "." | "..")
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// What [`is_topic_name`] wants, for messages.
pub(super) const TOPIC_NAME: &str = "letters, digits, `.`, `_` and `-`, at most 249 of them";
