//! What the embed stage needs to know.

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use crate::config::{EmbedConfig, EncodingFormat, Secret, SecretError, SecretRef};

/// How to reach an OpenAI-compatible endpoint, and how hard to use it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The base URL, `http` or `https`, to which `/embeddings` is appended.
    pub url: String,
    /// The model to ask for.
    pub model: String,
    /// The length every vector must have.
    pub dimensions: u32,
    /// Whether to send `dimensions` along, for models that can shorten their vectors.
    pub send_dimensions: bool,
    /// How to ask for the vectors. What comes is read either way.
    pub encoding_format: EncodingFormat,
    /// The key, if the endpoint wants one.
    pub api_key: Option<Secret>,
    /// The header it goes into: `authorization` takes `Bearer <key>`, any other the bare key.
    pub api_key_header: String,
    /// Query parameters of the request.
    pub query: BTreeMap<String, String>,
    /// How long a request may take in all.
    pub timeout: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How many requests may be under way at once; at least 1.
    pub concurrency: usize,
    /// How many texts a request takes at most; at least 1.
    pub batch_inputs: usize,
    /// How long the first text of a request waits for company.
    pub batch_linger: Duration,
    /// How many requests a minute may be sent; `None` for no limit.
    pub requests_per_minute: Option<NonZeroU32>,
    /// The first wait before a request is sent again; it doubles from there.
    pub retry_initial: Duration,
    /// The longest wait before a request is sent again.
    pub retry_max: Duration,
}

impl Settings {
    /// What `config` asks for, of the endpoint at `url`: its own, or a stand-in's. Reads the key,
    /// with blocking I/O where it is in a file.
    pub fn new(config: &EmbedConfig, url: &str) -> Result<Self, SecretError> {
        Ok(Self {
            url: url.to_owned(),
            model: config.model.clone(),
            dimensions: config.dimensions,
            send_dimensions: config.send_dimensions,
            encoding_format: config.encoding_format,
            api_key: config
                .api_key
                .as_ref()
                .map(SecretRef::resolve)
                .transpose()?,
            api_key_header: config.api_key_header.clone(),
            query: config.query.clone(),
            timeout: config.timeout,
            connect_timeout: config.connect_timeout,
            concurrency: config.concurrency,
            batch_inputs: config.batch_inputs,
            batch_linger: config.batch_linger,
            requests_per_minute: config.requests_per_minute.and_then(NonZeroU32::new),
            retry_initial: config.retry_initial,
            retry_max: config.retry_max,
        })
    }
}
