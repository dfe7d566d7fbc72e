//! What the clients of HTTP servers have in common.

pub(crate) mod handshake;
mod rate_limit;
mod retry_after;

use std::{error::Error, fmt::Write, net::IpAddr};

use reqwest::{Certificate, ClientBuilder, Response, Url};

pub(crate) use rate_limit::{LimitStatus, RateLimits, rate_limits};
pub(crate) use retry_after::retry_after;

/// How this program introduces itself.
pub(crate) const USER_AGENT: &str = concat!("vectide/", env!("CARGO_PKG_VERSION"));

/// Trusts the authorities in `pem` and no others, or the system's where there are none.
pub(crate) fn trust(client: ClientBuilder, pem: Option<&[u8]>) -> reqwest::Result<ClientBuilder> {
    let Some(pem) = pem else { return Ok(client) };
    let authorities = Certificate::from_pem_bundle(pem)?;
    let client = client.tls_built_in_root_certs(false);
    Ok(authorities
        .into_iter()
        .fold(client, ClientBuilder::add_root_certificate))
}

/// The body, and whether it ended within `limit` bytes.
pub(crate) async fn read_body(
    response: &mut Response,
    limit: usize,
) -> reqwest::Result<(Vec<u8>, bool)> {
    let announced = response.content_length().unwrap_or(0);
    let capacity = usize::try_from(announced).unwrap_or(limit).min(limit);
    let mut body = Vec::with_capacity(capacity);
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Ok((body, false));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body, true))
}

/// Whether the server is on this machine, where no proxy stands between.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// What went wrong with all its causes, in one line and without the URL, which may hold a secret.
pub(crate) fn explain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        write!(text, ": {cause}").expect("writing to a String cannot fail");
        source = cause.source();
    }
    text
}
