//! The control interface of the embedding endpoint's stand-in.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// The stand-in.
pub(crate) struct Endpoint {
    control: String,
    client: reqwest::Client,
}

impl Endpoint {
    pub(crate) fn at(embed_url: &str) -> Self {
        let root = embed_url.strip_suffix("/v1").unwrap_or(embed_url);
        Self {
            control: format!("{root}/control"),
            client: reqwest::Client::new(),
        }
    }

    /// Lets it hold all requests, or answer them again.
    pub(crate) async fn stall(&self, stall: bool) -> Result<()> {
        let behaviour = json!({ "stall": stall }).to_string();
        let request = self.client.put(&self.control).body(behaviour);
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// How many requests have arrived so far.
    pub(crate) async fn requests(&self) -> Result<u64> {
        let request = self.client.get(format!("{}/stats", self.control));
        let answer = request.send().await?.error_for_status()?;
        let stats: Value = serde_json::from_slice(&answer.bytes().await?)?;
        let requests = stats.get("requests").and_then(Value::as_u64);
        requests.context("the endpoint says nothing of its requests")
    }
}
