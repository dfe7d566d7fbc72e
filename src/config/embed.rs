//! `[embed]`.

use std::{collections::BTreeMap, time::Duration};

use reqwest::header::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EMBEDDED, absent, human_duration, secret::SecretRef, validate::Report};

/// The embedding endpoint: any server that speaks OpenAI's `POST /embeddings`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmbedConfig {
    /// The base URL, to which `/embeddings` is appended; or `embedded` for an in-process endpoint
    /// whose vectors are hashed words.
    pub url: String,
    /// The model to ask for. Another model makes every row be embedded anew.
    pub model: String,
    /// The length of the vectors. A collection of another size is refused.
    pub dimensions: u32,
    /// Whether to ask the endpoint for that length. Turn it off for servers that don't know the
    /// parameter.
    pub send_dimensions: bool,
    /// How vectors travel: `base64` is a quarter of the bytes and far less work to read; `float`
    /// for servers that don't know it.
    pub encoding_format: EncodingFormat,
    /// The key that the endpoint wants, if it wants one.
    pub api_key: Option<SecretRef>,
    /// The header the key goes into. `authorization` sends `Bearer <key>`; any other name sends
    /// the key alone (Azure: `api-key`).
    pub api_key_header: String,
    /// Query parameters of the request, such as Azure's `api-version`.
    pub query: BTreeMap<String, String>,
    /// How long one request may take in all.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub timeout: Duration,
    /// How long connecting may take.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub connect_timeout: Duration,
    /// How many requests may be under way at once.
    pub concurrency: usize,
    /// How many texts go into one request at most.
    pub batch_inputs: usize,
    /// How long the first text of a request waits for others.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub batch_linger: Duration,
    /// How many requests a minute may be sent, by all of this process; 0 for no limit.
    #[serde(with = "absent::zero_limit")]
    #[schemars(with = "u32")]
    pub requests_per_minute: Option<u32>,
    /// The first pause before a failed request is sent again; it doubles from there.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub retry_initial: Duration,
    /// The longest pause between two attempts.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub retry_max: Duration,
}

impl Default for EmbedConfig {
    fn default() -> Self {
        Self {
            url: "https://api.openai.com/v1".into(),
            model: "text-embedding-3-small".into(),
            dimensions: 1536,
            send_dimensions: true,
            encoding_format: EncodingFormat::default(),
            api_key: None,
            api_key_header: "authorization".into(),
            query: BTreeMap::new(),
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            concurrency: 10,
            batch_inputs: 128,
            batch_linger: Duration::from_millis(20),
            requests_per_minute: Some(3000),
            retry_initial: Duration::from_secs(1),
            retry_max: Duration::from_mins(1),
        }
    }
}

/// How vectors travel from the endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EncodingFormat {
    /// Little-endian 32-bit floats in base64.
    #[default]
    Base64,
    /// JSON numbers.
    Float,
}

impl EmbedConfig {
    /// Whether the in-process endpoint is asked for.
    pub fn is_embedded(&self) -> bool {
        self.url == EMBEDDED
    }

    pub(super) fn validate(&self, report: &mut Report) {
        report.embedded("embed.url", self.is_embedded());
        if !self.is_embedded() {
            report.http_url("embed.url", &self.url);
            report.refuse_if(
                self.url.contains(['?', '#']),
                "embed.url",
                "must end with its path: give query parameters in embed.query",
            );
        }
        report.not_blank("embed.model", &self.model);
        // Qdrant's own limit for the size of a vector.
        report.within("embed.dimensions", &self.dimensions, &(1..=65_536));
        report.refuse_if(
            HeaderName::from_bytes(self.api_key_header.as_bytes()).is_err(),
            "embed.api_key_header",
            format!("{:?} is no header name", self.api_key_header),
        );
        report.not_zero("embed.timeout", self.timeout);
        report.not_zero("embed.connect_timeout", self.connect_timeout);
        report.within("embed.concurrency", &self.concurrency, &(1..=1024));
        // OpenAI takes 2048 inputs a request; other servers take fewer by default.
        report.within("embed.batch_inputs", &self.batch_inputs, &(1..=2048));
        report.backoff("embed", self.retry_initial, self.retry_max);
    }
}
