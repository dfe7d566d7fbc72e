//! What the client would like to read: its header `Accept` (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, header::ACCEPT};

/// One of the types that a client reads.
struct Accepted<'a> {
    kind: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Accepted<'a> {
    fn all(headers: &'a HeaderMap) -> impl Iterator<Item = Self> {
        headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let kind = parts.next().unwrap_or_default();
                let parameters = parts.filter_map(|part| part.split_once('=')).collect();
                Self { kind, parameters }
            })
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        let mut parameters = self.parameters.iter();
        let found = parameters.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(found.1.trim_matches('"'))
    }

    /// How much it is wanted, from 0, not at all, to 1.
    fn weight(&self) -> f64 {
        self.parameter("q")
            .and_then(|q| q.parse().ok())
            .unwrap_or(1.0)
    }
}

pub(super) fn accepts_json(headers: &HeaderMap) -> bool {
    Accepted::all(headers).any(|it| it.kind == "application/json")
}

/// Whether OpenMetrics 1.0.0 is asked for by its name, and plain text is not wanted more.
pub(super) fn prefers_open_metrics(headers: &HeaderMap) -> bool {
    let most = |is_meant: fn(&Accepted<'_>) -> bool| {
        let meant = Accepted::all(headers).filter(is_meant);
        meant.map(|it| it.weight()).fold(0.0, f64::max)
    };
    let open = most(|it| {
        it.kind == "application/openmetrics-text"
            && it
                .parameter("version")
                .is_none_or(|version| version == "1.0.0")
    });
    open > 0.0 && open >= most(|it| it.kind == "text/plain")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn asked(accept: &str) -> bool {
        let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
        prefers_open_metrics(&headers)
    }

    #[test]
    fn open_metrics_are_for_those_who_want_them_no_less_than_text() {
        assert!(asked("application/openmetrics-text; version=1.0.0"));
        // As Prometheus asks.
        assert!(asked(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
        ));
        for other in [
            "*/*",
            "",
            "text/plain",
            "application/openmetrics-text;version=0.0.1",
            "application/openmetrics-text;version=1.0.0;q=0",
            "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5",
        ] {
            assert!(!asked(other), "{other}");
        }
    }
}
