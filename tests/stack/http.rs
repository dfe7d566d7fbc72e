//! HTTP, one request at a time.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::{Client, Method, header};
use serde_json::Value;

use crate::runtime::block_on;

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(10);

/// What a server answered.
pub(crate) struct Answer {
    /// The status, 200 for a success.
    pub(crate) status: u16,
    /// The body as text.
    pub(crate) body: String,
}

/// Gets a page; an error means that there was no answer.
pub(crate) fn get(url: &str) -> Result<Answer> {
    request(Method::GET, url, String::new())
}

/// Puts JSON to an address, which must take it.
pub(crate) fn put(url: &str, body: &Value) -> Result<()> {
    let answer = request(Method::PUT, url, body.to_string())?;
    if answer.status >= 300 {
        bail!("{url} answered {}: {}", answer.status, answer.body);
    }
    Ok(())
}

/// Posts nothing to an address; an error means that there was no answer.
pub(crate) fn post(url: &str) -> Result<Answer> {
    request(Method::POST, url, String::new())
}

fn request(method: Method, url: &str, body: String) -> Result<Answer> {
    block_on(async {
        let answer = Client::new()
            .request(method, url)
            .header(header::CONTENT_TYPE, "application/json")
            .timeout(REQUEST)
            .body(body)
            .send()
            .await
            .with_context(|| format!("{url} does not answer"))?;
        Ok(Answer {
            status: answer.status().as_u16(),
            body: answer.text().await?,
        })
    })
}
