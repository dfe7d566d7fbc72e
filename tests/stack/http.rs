//! Requests for JSON, from code that is not async.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// A server that speaks JSON.
pub(crate) struct Http {
    url: String,
    client: Client,
    runtime: Runtime,
}

impl Http {
    /// A client of the server at `url`.
    pub(crate) fn to(url: String) -> Result<Self> {
        Ok(Self {
            url,
            client: Client::builder().timeout(Duration::from_secs(30)).build()?,
            runtime: Builder::new_current_thread().enable_all().build()?,
        })
    }

    /// Reads what is at `path`.
    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        self.send(self.client.get(self.url.clone() + path))
    }

    /// Puts `body` at `path`.
    pub(crate) fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(
            self.client
                .put(self.url.clone() + path)
                .body(body.to_string()),
        )
    }

    /// An answer that says it failed is an error with the server's own words.
    fn send(&self, request: RequestBuilder) -> Result<Value> {
        self.runtime.block_on(async {
            let answer = request
                .header("content-type", "application/json")
                .send()
                .await?;
            let (status, text) = (answer.status(), answer.text().await?);
            if !status.is_success() {
                bail!("{status}: {text}");
            }
            serde_json::from_str(&text).context("the answer is not JSON")
        })
    }
}
