//! What the embed stage needs to know.

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use crate::config::{EncodingFormat, Secret};

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
