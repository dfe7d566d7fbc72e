//! What every request and every answer goes through, whatever is asked for.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

/// How long an answer may take to begin, reading the request's body included.
const TIME: Duration = Duration::from_secs(10);

/// The page loads its own style and script, and nothing else from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// By which names the endpoint may be asked.
///
/// A web site can point its own name at an address of its visitor's network, and so let the visitor's
/// browser ask for it there ("DNS rebinding"). The name gives it away: `Host` is the site's. An IP
/// address can't be pointed elsewhere.
#[derive(Debug, Clone)]
pub(super) struct AllowedHosts {
    any: bool,
    named: Vec<String>,
}

impl AllowedHosts {
    /// Those of `admin.hosts`; where none are named, any unless `address` is one of the loopback's.
    pub(super) fn new(address: SocketAddr, named: &[String]) -> Self {
        Self {
            any: named.is_empty() && !address.ip().to_canonical().is_loopback(),
            named: named.to_vec(),
        }
    }

    /// Whether a host, with or without port, is one of them.
    fn allow(&self, host: &str) -> bool {
        self.any || self.allow_name(without_port(host))
    }

    fn allow_name(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        let address = name.trim_start_matches('[').trim_end_matches(']');
        let lower = name.to_ascii_lowercase();
        address.parse::<IpAddr>().is_ok()
            || lower == "localhost"
            || lower.ends_with(".localhost")
            || self.named.iter().any(|it| it.eq_ignore_ascii_case(name))
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Refuses what asks for another site, and sees that no answer takes long.
pub(super) async fn check(
    State(allowed): State<Arc<AllowedHosts>>,
    request: Request,
    next: Next,
) -> Response {
    let by_header = |value: &HeaderValue| value.to_str().is_ok_and(|host| allowed.allow(host));
    let by_uri = request.uri().authority();
    // Who names no host is no browser.
    let is_ours = request.headers().get_all(HOST).iter().all(by_header)
        && by_uri.is_none_or(|it| allowed.allow(it.as_str()));
    let mut response = if is_ours {
        match tokio::time::timeout(TIME, next.run(request)).await {
            Ok(response) => response,
            Err(_) => (StatusCode::REQUEST_TIMEOUT, "this took too long\n").into_response(),
        }
    } else {
        let advice = "this is not the host that was asked for: name it in admin.hosts\n";
        (StatusCode::MISDIRECTED_REQUEST, advice).into_response()
    };
    protect(response.headers_mut());
    response
}

fn protect(headers: &mut HeaderMap) {
    let mut set = |name: HeaderName, value| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    set(CONTENT_SECURITY_POLICY, POLICY);
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(REFERRER_POLICY, "no-referrer");
    set(CACHE_CONTROL, "no-store");
    set(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn allowed(address: &str, named: &[&str]) -> AllowedHosts {
        let named: Vec<_> = named.iter().map(ToString::to_string).collect();
        AllowedHosts::new(address.parse().unwrap(), &named)
    }

    #[test]
    fn on_the_loopback_only_its_own_names_and_addresses_are_allowed() {
        for address in ["127.0.0.1:9464", "[::1]:9464", "[::ffff:127.0.0.1]:9464"] {
            let hosts = allowed(address, &[]);
            for host in [
                "localhost",
                "LocalHost:9464",
                "vectide.localhost:9464",
                "127.0.0.1:9464",
                "127.0.0.1",
                "[::1]:9464",
                "[::1]",
            ] {
                assert!(hosts.allow(host), "{host} on {address}");
            }
            for host in [
                "evil.example",
                "evil.example:9464",
                "localhost.evil.example",
                "notlocalhost",
                "127.0.0.1.evil.example",
                "evil.example@127.0.0.1",
                "",
            ] {
                assert!(!hosts.allow(host), "{host} on {address}");
            }
        }
    }

    #[test]
    fn elsewhere_any_name_is_allowed_until_some_are_named() {
        assert!(allowed("0.0.0.0:9464", &[]).allow("vectide.internal:9464"));
        let hosts = allowed("0.0.0.0:9464", &["vectide.internal"]);
        assert!(hosts.allow("Vectide.Internal:9464"));
        assert!(hosts.allow("10.1.2.3:9464"), "how a probe asks");
        assert!(!hosts.allow("evil.example"));
    }

    #[test]
    fn a_name_can_be_allowed_on_the_loopback_for_a_proxy_in_front() {
        assert!(allowed("127.0.0.1:9464", &["vectide.internal"]).allow("vectide.internal"));
    }
}
