//! `[registry]`.

use std::{path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{human_duration, secret::SecretRef, validate::Report};

/// The schema registry that Avro records name their schemas in: any server that speaks Confluent's
/// REST API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryConfig {
    /// The base URLs, to which `/schemas/ids/…` is appended; when one fails, the next is asked. Not
    /// needed where all records are JSON. Apicurio's ends in `/apis/ccompat/v7`.
    pub urls: Vec<String>,
    /// The user name for HTTP's basic authentication, such as an API key.
    pub username: Option<String>,
    /// The password, such as an API key's secret.
    pub password: Option<SecretRef>,
    /// PEM file of the authorities that may sign the registry's certificate; the system's own when
    /// absent.
    pub ca_file: Option<PathBuf>,
    /// How long one request may take in all.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub timeout: Duration,
    /// The first pause before a schema is asked for again; it doubles from there.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub retry_initial: Duration,
    /// The longest pause between two attempts.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub retry_max: Duration,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            username: None,
            password: None,
            ca_file: None,
            timeout: Duration::from_secs(10),
            retry_initial: Duration::from_millis(250),
            retry_max: Duration::from_secs(30),
        }
    }
}

impl RegistryConfig {
    pub(super) fn validate(&self, report: &mut Report) {
        for url in &self.urls {
            report.http_url("registry.urls", url);
            report.refuse_if(
                url.contains(['?', '#']),
                "registry.urls",
                "must end with its path, without query parameters",
            );
        }
        report.only_together(
            "registry",
            [
                ("username", self.username.is_some()),
                ("password", self.password.is_some()),
            ],
        );
        report.not_zero("registry.timeout", self.timeout);
        report.backoff("registry", self.retry_initial, self.retry_max);
    }
}
