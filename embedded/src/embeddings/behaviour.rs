//! How the endpoint is told to behave, as JSON over HTTP and as Rust values.

use std::num::NonZeroU32;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

/// How the endpoint answers. The default is the ideal provider: at once, everything, for any key.
///
/// In JSON a key left out has its default, an unknown one is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// Milliseconds by which every answer, failures too, is late.
    pub latency_ms: u64,
    /// Hold every request until this is cleared: the endpoint accepts connections and says nothing.
    pub stall: bool,
    /// Answer this error in place of vectors.
    pub fail: Option<Failure>,
    /// Answer vectors, but wrong.
    pub garbage: Option<Garbage>,
    /// Refuse with 400, naming no input, every request that has an input with this in it.
    pub refuse_containing: Option<String>,
    /// Requests a minute, in a bucket that is full at the start and refills evenly.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Tokens a minute, likewise. A request over the whole bucket is never let through, as at OpenAI.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// Inputs a request may have (OpenAI: 2,048; many self-hosted servers: 32).
    pub max_inputs: Option<usize>,
    /// Tokens an input may have (OpenAI: 8,192).
    pub max_tokens_per_input: Option<usize>,
    /// Tokens a request may have in all its inputs together (OpenAI: 300,000).
    pub max_tokens_per_request: Option<usize>,
    /// Know the models that `GET /v1/models` lists, and no others.
    pub known_models_only: bool,
    /// The only key accepted, as `Authorization: Bearer` or, as Azure has it, `api-key`. Unset, any key is, and none.
    pub api_key: Option<String>,
}

/// An error answered in place of vectors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// HTTP status, 400 to 599.
    #[serde(deserialize_with = "error_status")]
    pub status: u16,
    /// Seconds in the `Retry-After` header, which is absent otherwise.
    #[serde(default)]
    pub retry_after_s: Option<u64>,
    /// OpenAI's `error.code`, where the one usual for the status will not do: `insufficient_quota` on 429.
    #[serde(default)]
    pub code: Option<String>,
    /// How many requests fail before the endpoint is well again; unset, until it is told so.
    #[serde(default)]
    pub remaining: Option<u64>,
}

impl Failure {
    /// Every request fails with `status`, until told otherwise.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            retry_after_s: None,
            code: None,
            remaining: None,
        }
    }

    /// The next `requests` fail with `status`.
    pub fn times(requests: u64, status: u16) -> Self {
        Self {
            remaining: Some(requests),
            ..Self::status(status)
        }
    }
}

fn error_status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let status = u16::deserialize(deserializer)?;
    if (400..=599).contains(&status) {
        Ok(status)
    } else {
        Err(D::Error::custom(format_args!(
            "{status} is not an error status (400 to 599)"
        )))
    }
}

/// An answer with status 200 that no client should believe. Each has been seen from a real server or proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Garbage {
    /// The JSON ends in its middle.
    Truncated,
    /// An HTML page, as a proxy's sign-in form.
    NotJson,
    /// One vector fewer than inputs.
    WrongCount,
    /// Vectors one component short.
    WrongLength,
    /// The first component of each vector is not a number: the literal `NaN` among floats, its bits in base64.
    Nan,
    /// Floats are all `null`, which is how some servers write NaN; in base64 the vector itself is `null`.
    Null,
    /// The vectors in reverse order, each with its true `index`.
    WrongOrder,
}
