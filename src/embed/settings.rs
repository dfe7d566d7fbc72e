//! What the embed stage needs to know.

use std::{collections::BTreeMap, fs, num::NonZeroU32, path::PathBuf, time::Duration};

use serde_json::{Map, Value};

use super::limiter::Limits;
use crate::{
    config::{EmbedConfig, EncodingFormat, OverLong, ProxyConfig, Secret, SecretError, SecretRef},
    tokens::Chunking,
};

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
    /// Further fields of the request's body.
    pub body: Map<String, Value>,
    /// Those of a request for the words of a search, which count for more.
    pub query_body: Map<String, Value>,
    /// The authorities that may sign the endpoint's certificate, in PEM; `None` for the system's.
    pub authorities: Option<Vec<u8>>,
    /// The proxy on the way; `None` for what the environment says.
    pub proxy: Option<Proxy>,
    /// How long a request may take in all.
    pub timeout: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// After how long without an answer a request for fresh changes may be sent a second time; `None` for
    /// never.
    pub hedge_after: Option<Duration>,
    /// How many requests may be under way at once; at least 1.
    pub concurrency: usize,
    /// How many texts a request takes at most; at least 1.
    pub batch_inputs: usize,
    /// How many tokens a request takes at most; `None` for no limit.
    pub batch_tokens: Option<u64>,
    /// How long the first text of a request waits for company.
    pub batch_linger: Duration,
    /// What the model takes, and what becomes of longer texts.
    pub input_limit: InputLimit,
    /// How many requests a minute all members of the group may send together; `None` for no limit.
    pub requests_per_minute: Option<NonZeroU32>,
    /// How many tokens a minute, likewise.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// The first wait before a request is sent again; it doubles from there.
    pub retry_initial: Duration,
    /// The longest wait before a request is sent again.
    pub retry_max: Duration,
}

/// The longest text that a model takes, in tokens, and what becomes of longer ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputLimit {
    /// It is not known: the provider is to judge.
    Unknown,
    /// Of longer ones the beginning is embedded.
    Truncate(u64),
    /// Longer ones are refused.
    DeadLetter(u64),
    /// They are split. Every text gets a multivector, of one vector where it is short enough.
    Chunk(Chunking),
}

impl InputLimit {
    fn new(config: &EmbedConfig) -> Self {
        match (config.chunking(), config.max_input_tokens) {
            (Some(chunking), _) => Self::Chunk(chunking),
            (None, None) => Self::Unknown,
            (None, Some(longest)) => match config.over_long {
                OverLong::DeadLetter => Self::DeadLetter(longest.into()),
                OverLong::Truncate | OverLong::Chunk => Self::Truncate(longest.into()),
            },
        }
    }
}

/// How fast to go: what may change while the stage runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How many requests a minute all members of the group may send together; `None` for no limit.
    pub requests_per_minute: Option<NonZeroU32>,
    /// How many tokens a minute, likewise.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// How many tokens a request takes at most; `None` for no limit.
    pub batch_tokens: Option<u64>,
    /// How many requests may be under way at once.
    pub concurrency: usize,
}

impl Pace {
    /// What `config` asks for.
    pub fn new(config: &EmbedConfig) -> Self {
        Self {
            requests_per_minute: config.requests_per_minute.and_then(NonZeroU32::new),
            tokens_per_minute: config.tokens_per_minute.and_then(NonZeroU32::new),
            batch_tokens: config.batch_tokens.map(u64::from),
            concurrency: config.concurrency,
        }
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            request_tokens: self.batch_tokens.unwrap_or(u64::MAX),
        }
    }
}

/// A proxy for HTTP.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Where it is.
    pub url: String,
    /// User name and password, where it wants some.
    pub login: Option<(String, Secret)>,
}

/// What is configured can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A secret can't be had.
    #[error("can't read a secret of embed")]
    Secret(#[from] SecretError),
    /// The file of authorities can't be read.
    #[error("can't read embed.ca_file {path}")]
    Authorities {
        /// The file that was named.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Proxy {
    fn new(config: &ProxyConfig) -> Result<Option<Self>, SecretError> {
        let Some(url) = config.url.clone() else {
            return Ok(None);
        };
        let password = config.password.as_ref().map(SecretRef::resolve);
        let login = config.username.clone().zip(password.transpose()?);
        Ok(Some(Self { url, login }))
    }
}

/// Fields of a body: JSON where a value is that, else text.
fn fields(configured: &BTreeMap<String, String>) -> Map<String, Value> {
    let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    let fields = configured.iter();
    fields
        .map(|(name, text)| (name.clone(), value(text)))
        .collect()
}

impl Settings {
    /// How fast to go.
    pub(super) fn pace(&self) -> Pace {
        Pace {
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            batch_tokens: self.batch_tokens,
            concurrency: self.concurrency,
        }
    }

    /// What `config` asks for, of the endpoint at `url`: its own, or a stand-in's. Reads files, with
    /// blocking I/O.
    pub fn new(config: &EmbedConfig, url: &str) -> Result<Self, SettingsError> {
        let read = |path: &PathBuf| {
            fs::read(path).map_err(|source| SettingsError::Authorities {
                path: path.clone(),
                source,
            })
        };
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
            body: fields(&config.body),
            query_body: fields(&config.query_body),
            authorities: config.ca_file.as_ref().map(read).transpose()?,
            proxy: Proxy::new(&config.proxy)?,
            timeout: config.timeout,
            connect_timeout: config.connect_timeout,
            hedge_after: config.hedge_after,
            concurrency: config.concurrency,
            batch_inputs: config.batch_inputs,
            batch_tokens: config.batch_tokens.map(u64::from),
            batch_linger: config.batch_linger,
            input_limit: InputLimit::new(config),
            requests_per_minute: config.requests_per_minute.and_then(NonZeroU32::new),
            tokens_per_minute: config.tokens_per_minute.and_then(NonZeroU32::new),
            retry_initial: config.retry_initial,
            retry_max: config.retry_max,
        })
    }

    /// The same for the words of a search.
    pub(super) fn for_queries(mut self) -> Self {
        self.body.append(&mut self.query_body);
        self
    }
}
