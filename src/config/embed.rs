//! `[embed]`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use reqwest::header::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EMBEDDED, absent, human_duration, secret::SecretRef, validate::Report};
use crate::{record::Fingerprint, tokens::Chunking};

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
    /// Further fields of the request's body, such as Voyage's `input_type`. A value that is JSON
    /// (`true`, `512`, `'["a"]'`) is sent as such, any other as text.
    pub body: BTreeMap<String, String>,
    /// The same for the words of a search, over `body`: `vectide search` sends them, where a model wants to
    /// know queries from documents, such as by Voyage's `input_type`.
    pub query_body: BTreeMap<String, String>,
    /// PEM file of the authorities that may sign the endpoint's certificate; the system's own when
    /// absent.
    pub ca_file: Option<PathBuf>,
    /// The proxy on the way to the endpoint.
    pub proxy: ProxyConfig,
    /// How long one request may take in all.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub timeout: Duration,
    /// How long connecting may take.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub connect_timeout: Duration,
    /// After how long without an answer a request is sent a second time; 0 for never. The first answer counts,
    /// and both may be billed. Only fresh changes are asked for twice, and at most 5 % of the requests.
    #[serde(with = "absent::zero_duration")]
    #[schemars(with = "human_duration::Text")]
    pub hedge_after: Option<Duration>,
    /// How many requests may be under way at once.
    pub concurrency: usize,
    /// How many texts go into one request at most.
    pub batch_inputs: usize,
    /// How many tokens go into one request at most, all its texts together; 0 for no limit. Where
    /// tokens a minute are limited, requests are smaller than that.
    #[serde(with = "absent::zero_limit")]
    #[schemars(with = "u32")]
    pub batch_tokens: Option<u32>,
    /// How long the first text of a request waits for others.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub batch_linger: Duration,
    /// The longest text that the model takes, in tokens; 0 if that is not known, and the provider is
    /// to judge.
    #[serde(with = "absent::zero_limit")]
    #[schemars(with = "u32")]
    pub max_input_tokens: Option<u32>,
    /// What becomes of a text that is longer.
    pub over_long: OverLong,
    /// With `over_long = "chunk"`: about how many tokens of a chunk's end begin the next one, too; less
    /// than half of `max_input_tokens`. They are paid for twice.
    pub chunk_overlap: u32,
    /// With `over_long = "chunk"`: the most chunks of a text. What is behind them is not embedded.
    pub max_chunks: u32,
    /// How many requests a minute may be sent; 0 for no limit. All members of the group share it,
    /// each according to its partitions. A lower limit that the provider's answers tell counts.
    #[serde(with = "absent::zero_limit")]
    #[schemars(with = "u32")]
    pub requests_per_minute: Option<u32>,
    /// How many tokens a minute may be sent, likewise. Without either limit Vectide finds out how
    /// much the provider takes.
    #[serde(with = "absent::zero_limit")]
    #[schemars(with = "u32")]
    pub tokens_per_minute: Option<u32>,
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
            body: BTreeMap::new(),
            query_body: BTreeMap::new(),
            ca_file: None,
            proxy: ProxyConfig::default(),
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            hedge_after: None,
            concurrency: 10,
            batch_inputs: 128,
            // OpenAI's limits for all its embedding models.
            batch_tokens: Some(300_000),
            batch_linger: Duration::from_millis(20),
            max_input_tokens: Some(8192),
            over_long: OverLong::default(),
            chunk_overlap: 0,
            max_chunks: 16,
            requests_per_minute: Some(3000),
            tokens_per_minute: None,
            retry_initial: Duration::from_secs(1),
            retry_max: Duration::from_mins(1),
        }
    }
}

/// Shorter chunks are not even sentences.
const SHORTEST_CHUNK: u32 = 16;

/// A point's multivector must have fewer numbers than that: Qdrant's `MAX_MULTIVECTOR_FLATTENED_LEN`.
const MULTIVECTOR_NUMBERS: u64 = 1024 * 1024;

/// The proxy on the way to the endpoint. Without one, the environment's `HTTPS_PROXY`, `HTTP_PROXY`
/// and `NO_PROXY` count.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyConfig {
    /// Its URL, `http` or `https`.
    pub url: Option<String>,
    /// The user name that it wants, if it wants one.
    pub username: Option<String>,
    /// The password.
    pub password: Option<SecretRef>,
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

/// What becomes of a text that is too long for the model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverLong {
    /// Its beginning is embedded, cut at the end of a token.
    #[default]
    Truncate,
    /// Its record is dead-lettered.
    DeadLetter,
    /// It is split where sentences end, and its point gets a vector for each chunk: the collection has
    /// multivectors, by the best of which a point is found.
    Chunk,
}

impl EmbedConfig {
    /// How texts are split, if they are.
    pub fn chunking(&self) -> Option<Chunking> {
        let longest = self.max_input_tokens?;
        (self.over_long == OverLong::Chunk).then_some(Chunking {
            longest,
            overlap: self.chunk_overlap,
            most: self.max_chunks,
        })
    }

    /// What makes the vectors.
    pub fn fingerprint(&self) -> Fingerprint {
        let model = Fingerprint::new(&self.model, self.dimensions, &self.url);
        match self.chunking() {
            Some(Chunking {
                longest,
                overlap,
                most,
            }) => model.in_chunks(longest, overlap, most),
            None => model,
        }
    }

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
        self.validate_lengths(report);
        self.validate_body(report);
        self.proxy.validate(report);
        report.not_zero("embed.timeout", self.timeout);
        report.not_zero("embed.connect_timeout", self.connect_timeout);
        report.refuse_if(
            self.hedge_after.is_some_and(|after| after >= self.timeout),
            "embed.hedge_after",
            "must be shorter than embed.timeout, when a request is given up",
        );
        report.within("embed.concurrency", &self.concurrency, &(1..=1024));
        // OpenAI takes 2048 inputs a request; other servers take fewer by default.
        report.within("embed.batch_inputs", &self.batch_inputs, &(1..=2048));
        report.backoff("embed", self.retry_initial, self.retry_max);
    }

    fn validate_lengths(&self, report: &mut Report) {
        let Some(longest) = self.max_input_tokens else {
            let name = match self.over_long {
                OverLong::Truncate => return,
                OverLong::DeadLetter => "dead_letter",
                OverLong::Chunk => "chunk",
            };
            report.refuse(
                "embed.over_long",
                format!(
                    "is {name}, which needs embed.max_input_tokens beside it: what is too long?"
                ),
            );
            return;
        };
        self.validate_chunks(longest, report);
        for (name, limit) in [
            ("batch_tokens", self.batch_tokens),
            ("tokens_per_minute", self.tokens_per_minute),
        ] {
            if let Some(limit) = limit.filter(|limit| *limit < longest) {
                report.refuse(
                    format!("embed.{name}"),
                    format!(
                        "is {limit}, less than embed.max_input_tokens ({longest}): a text of that length would never be sent"
                    ),
                );
            }
        }
    }

    fn validate_chunks(&self, longest: u32, report: &mut Report) {
        if self.over_long != OverLong::Chunk {
            report.refuse_if(
                self.chunk_overlap > 0,
                "embed.chunk_overlap",
                "has no effect without embed.over_long = \"chunk\"",
            );
            return;
        }
        report.refuse_if(
            longest < SHORTEST_CHUNK,
            "embed.max_input_tokens",
            format!("is {longest}: a chunk of less than {SHORTEST_CHUNK} tokens says too little"),
        );
        report.refuse_if(
            self.chunk_overlap >= longest.div_ceil(2),
            "embed.chunk_overlap",
            format!(
                "is {}, half of embed.max_input_tokens ({longest}) or more",
                self.chunk_overlap
            ),
        );
        let numbers = u64::from(self.max_chunks) * u64::from(self.dimensions);
        let most = (MULTIVECTOR_NUMBERS - 1) / u64::from(self.dimensions.max(1));
        report.refuse_if(
            self.max_chunks == 0 || numbers >= MULTIVECTOR_NUMBERS,
            "embed.max_chunks",
            format!(
                "is {}; must be from 1 to {most}, for Qdrant takes no larger point with embed.dimensions = {}",
                self.max_chunks, self.dimensions
            ),
        );
    }

    fn validate_body(&self, report: &mut Report) {
        for (field, key) in [
            ("model", "embed.model"),
            ("input", "document"),
            ("dimensions", "embed.dimensions and embed.send_dimensions"),
            ("encoding_format", "embed.encoding_format"),
        ] {
            for (name, body) in [("body", &self.body), ("query_body", &self.query_body)] {
                report.refuse_if(
                    body.contains_key(field),
                    format!("embed.{name}.{field}"),
                    format!("is set by {key}"),
                );
            }
        }
    }
}

impl ProxyConfig {
    fn validate(&self, report: &mut Report) {
        if let Some(url) = &self.url {
            report.http_url("embed.proxy.url", url);
        }
        report.refuse_if(
            self.username.is_some() && self.url.is_none(),
            "embed.proxy.username",
            "needs embed.proxy.url beside it",
        );
        report.only_together(
            "embed.proxy",
            [
                ("username", self.username.is_some()),
                ("password", self.password.is_some()),
            ],
        );
    }
}
