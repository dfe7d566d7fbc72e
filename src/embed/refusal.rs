//! What it means when a request is not answered with vectors: whose fault it is, and so what to do.

use std::time::Duration;

use reqwest::StatusCode;

use super::{complaint::Complaint, key::foreign_owner};
use crate::error::{Disposition, Failure, quoted};

/// Why a request brought no vectors.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Refusal {
    /// An outage: the same again, later.
    Outage {
        failure: Failure,
        /// How long the endpoint asked everyone to wait, if it did.
        after: Option<Duration>,
        blame: Blame,
    },
    /// Too many requests, and no fault of this one.
    Throttled {
        failure: Failure,
        after: Option<Duration>,
    },
    /// Something about the request: one of its texts, all of them together, or `encoding_format`.
    Inputs(Failure),
    /// Only a person can mend it.
    Blocked(Failure),
}

impl Refusal {
    /// Whether the same request may be answered all the same.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Outage { .. } | Self::Throttled { .. })
    }

    /// What went wrong.
    pub(super) fn failure(&self) -> &Failure {
        match self {
            Self::Outage { failure, .. }
            | Self::Throttled { failure, .. }
            | Self::Inputs(failure)
            | Self::Blocked(failure) => failure,
        }
    }

    /// The same, without what it means to the schedule.
    pub(super) fn into_failure(self) -> Failure {
        match self {
            Self::Outage { failure, .. }
            | Self::Throttled { failure, .. }
            | Self::Inputs(failure)
            | Self::Blocked(failure) => failure,
        }
    }
}

/// What an outage may be due to, besides the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// Nothing that was asked.
    Endpoint,
    /// The amount: it took longer than the time-out.
    Size,
    /// A text: some make a server fail with a 500, or answer NaN.
    Inputs,
}

/// What was asked for; a refusal is read in the light of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Where, without query parameters.
    pub(super) url: &'a str,
    pub(super) model: &'a str,
    /// The length of the vectors, if the request named one.
    pub(super) dimensions: Option<u32>,
    /// The key that was shown, if any.
    pub(super) key: Option<&'a str>,
}

/// Reads an answer whose status isn't 2xx.
pub(super) fn read(
    status: StatusCode,
    after: Option<Duration>,
    complaint: &Complaint,
    asked: Asked<'_>,
) -> Refusal {
    let Asked { url, model, .. } = asked;
    let said = format!("HTTP {}: {}", status.as_u16(), complaint.message_or(status));
    let blocked = |reason, advice: String| {
        Refusal::Blocked(Failure::blocked(
            reason,
            format!("{advice} ({url} said {said})"),
        ))
    };
    match status.as_u16() {
        401 => {
            let (reason, advice) = key_advice(asked);
            blocked(reason, advice)
        }
        403 => blocked(
            "forbidden",
            format!("the key may not use the embedding endpoint: give it the right to use the model \"{model}\""),
        ),
        402 => blocked("quota_exhausted", quota_advice()),
        429 if complaint.is_about_quota() => blocked("quota_exhausted", quota_advice()),
        429 => Refusal::Throttled {
            failure: Failure::new(
                Disposition::Throttled { after },
                "http_429",
                format!("the embedding endpoint asks for patience ({url} said {said})"),
            ),
            after,
        },
        400 | 404 | 422 if complaint.is_about_model() => blocked(
            "model",
            format!("the embedding endpoint has no model \"{model}\", or the key may not use it: correct embed.model"),
        ),
        404 => blocked("not_found", place_advice(asked)),
        400 | 422 if let Some(dimensions) = asked.dimensions && complaint.is_about_dimensions() => blocked(
            "dimensions",
            format!(
                "the model \"{model}\" does not make vectors of length {dimensions}: correct embed.dimensions, or set embed.send_dimensions = false"
            ),
        ),
        400 | 413 | 422 => Refusal::Inputs(Failure::record(
            match status.as_u16() {
                400 => "http_400",
                413 => "http_413",
                _ => "http_422",
            },
            format!("the embedding endpoint refuses the text ({})", quoted(said)),
        )),
        // 424 is what TEI answers when its backend fails.
        408 | 409 | 424 | 425 | 500..=599 => Refusal::Outage {
            failure: Failure::transient(
                outage_reason(status),
                format!("the embedding endpoint fails ({url} said {said})"),
            ),
            after,
            blame: match status.as_u16() {
                424 | 500 => Blame::Inputs,
                408 | 504 => Blame::Size,
                _ => Blame::Endpoint,
            },
        },
        300..=399 => blocked(
            "redirected",
            "the embedding endpoint is elsewhere: set embed.url to where it redirects to".into(),
        ),
        _ => blocked(
            "unexpected_status",
            "the embedding endpoint does not understand the request: check embed.url and embed.query".into(),
        ),
    }
}

fn quota_advice() -> String {
    "the account has no quota left at the embedding provider: top it up, or raise its limit".into()
}

fn key_advice(asked: Asked<'_>) -> (&'static str, String) {
    let Some(key) = asked.key else {
        return (
            "key_missing",
            "the embedding endpoint wants a key, and none is configured: set embed.api_key".into(),
        );
    };
    if let Some((owner, prefix)) = foreign_owner(key, asked.url) {
        return (
            "foreign_key",
            format!(
                "the embedding endpoint does not accept the key, which begins with \"{prefix}\" as those of {owner} do: use a key of the provider at embed.url, or correct embed.url"
            ),
        );
    }
    (
        "unauthorized",
        "the embedding endpoint does not accept the key: correct embed.api_key and embed.api_key_header".into(),
    )
}

fn place_advice(asked: Asked<'_>) -> String {
    let Asked { url, model, .. } = asked;
    if has_version(url) {
        format!(
            "the embedding endpoint knows no such path, deployment or model: check embed.url and embed.model (\"{model}\")"
        )
    } else {
        "there is no embedding endpoint at embed.url: most providers' base URLs end in /v1".into()
    }
}

/// Whether a part of the URL's path is a version, such as `v1`, or names a deployment, as Azure's do.
pub(super) fn has_version(url: &str) -> bool {
    url.split('/').any(|part| {
        let digits = part.strip_prefix('v').unwrap_or_default();
        part == "deployments"
            || (!digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit()))
    })
}

fn outage_reason(status: StatusCode) -> &'static str {
    match status.as_u16() {
        408 => "http_408",
        409 => "http_409",
        424 => "http_424",
        425 => "http_425",
        500 => "http_500",
        502 => "http_502",
        503 => "http_503",
        504 => "http_504",
        _ => "http_5xx",
    }
}

/// What each HTTP status comes to, and what a body may change about that.
#[cfg(test)]
pub(crate) fn dispositions() -> Vec<(String, Failure)> {
    let asked = Asked {
        url: "https://api.example.com/v1/embeddings",
        model: "m",
        dimensions: Some(8),
        key: None,
    };
    let of = |status: u16, complaint: &Complaint| {
        let status = StatusCode::from_u16(status).expect("it is one");
        read(status, None, complaint, asked).failure().clone()
    };
    let nothing = Complaint::default();
    let mut all: Vec<_> = (300..600)
        .map(|status| (status.to_string(), of(status, &nothing)))
        .collect();
    let complaint = |code: &str, message: &str| {
        let body = serde_json::json!({ "code": code, "message": message });
        Complaint::read(body.to_string().as_bytes())
    };
    let quota = complaint("insufficient_quota", "");
    all.push(("429 for a used-up quota".to_owned(), of(429, &quota)));
    let model = complaint("model_not_found", "");
    for status in [400, 404, 422] {
        all.push((format!("{status} about the model"), of(status, &model)));
    }
    let dimensions = complaint("", "this model does not support specifying dimensions");
    for status in [400, 422] {
        all.push((
            format!("{status} about dimensions"),
            of(status, &dimensions),
        ));
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test fails by panicking"
    )]

    use proptest::prelude::*;

    use super::*;

    const ASKED: Asked<'_> = Asked {
        url: "http://localhost/embeddings",
        model: "small",
        dimensions: Some(512),
        key: Some("1234"),
    };

    fn refusal(status: u16, body: &str) -> Refusal {
        let complaint = Complaint::read(body.as_bytes());
        read(
            StatusCode::from_u16(status).unwrap(),
            None,
            &complaint,
            ASKED,
        )
    }

    fn blocked(status: u16, body: &str) -> Failure {
        match refusal(status, body) {
            Refusal::Blocked(failure) => failure,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_wrong_key_says_what_to_do() {
        let failure = blocked(401, r#"{"error":{"message":"Incorrect API key provided"}}"#);
        assert_eq!(failure.reason, "unauthorized");
        assert_eq!(
            failure.message,
            "the embedding endpoint does not accept the key: correct embed.api_key and embed.api_key_header \
             (http://localhost/embeddings said HTTP 401: Incorrect API key provided)"
        );
    }

    #[test]
    fn a_key_that_is_missing_or_of_another_provider_is_told_apart() {
        let body = r#"{"error":{"message":"no"}}"#;
        let with = |key| {
            let asked = Asked { key, ..ASKED };
            let complaint = Complaint::read(body.as_bytes());
            read(StatusCode::UNAUTHORIZED, None, &complaint, asked)
                .failure()
                .clone()
        };
        let missing = with(None);
        assert_eq!(missing.reason, "key_missing");
        assert!(missing.message.contains("set embed.api_key"));
        let foreign = with(Some("pa-1234"));
        assert_eq!(foreign.reason, "foreign_key");
        assert!(foreign.message.contains("as those of Voyage AI do"));
        assert!(!foreign.message.contains("1234"), "the key is not shown");
    }

    #[test]
    fn a_base_url_has_a_version_or_a_deployment() {
        for url in [
            "https://api.openai.com/v1/embeddings",
            "https://api.cohere.ai/compatibility/v1/embeddings",
            "https://x.openai.azure.com/openai/deployments/small/embeddings",
        ] {
            assert!(has_version(url), "{url}");
        }
        for url in [
            "https://api.openai.com/embeddings",
            "http://vllm:8000/embeddings",
        ] {
            assert!(!has_version(url), "{url}");
        }
    }

    #[test]
    fn an_empty_account_blocks_and_a_busy_one_only_waits() {
        let quota = r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#;
        assert_eq!(blocked(429, quota).reason, "quota_exhausted");
        assert_eq!(blocked(402, "").reason, "quota_exhausted");
        let busy = r#"{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}"#;
        assert!(matches!(refusal(429, busy), Refusal::Throttled { .. }));
    }

    #[test]
    fn a_model_that_is_not_there_blocks() {
        let path = blocked(404, "not found");
        assert_eq!(path.reason, "not_found");
        assert!(
            path.message.contains("base URLs end in /v1"),
            "{}",
            path.message
        );
        let ollama = r#"{"error":{"message":"model \"small\" not found, try pulling it first","type":"api_error","param":null,"code":null}}"#;
        assert!(
            blocked(404, ollama)
                .message
                .starts_with("the embedding endpoint has no model \"small\"")
        );
        let azure = r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#;
        assert_eq!(blocked(404, azure).reason, "model");
        let openai = r#"{"error":{"message":"invalid model ID","type":"invalid_request_error","param":"model","code":null}}"#;
        assert_eq!(blocked(400, openai).reason, "model");
    }

    #[test]
    fn an_unsupported_dimension_blocks_if_one_was_asked_for() {
        let body = r#"{"error":{"message":"This model does not support specifying dimensions.","type":"invalid_request_error","param":null,"code":null}}"#;
        assert_eq!(blocked(400, body).reason, "dimensions");
        let unasked = Asked {
            dimensions: None,
            ..ASKED
        };
        let complaint = Complaint::read(body.as_bytes());
        assert!(matches!(
            read(StatusCode::BAD_REQUEST, None, &complaint, unasked),
            Refusal::Inputs(_)
        ));
    }

    #[test]
    fn a_text_that_speaks_of_dimensions_is_not_the_endpoint_speaking() {
        let body = r#"{"detail":[{"loc":["body","input",3],"msg":"string too long","input":"Dimensions: 3 x 4 m, base64"}]}"#;
        let Refusal::Inputs(failure) = refusal(422, body) else {
            panic!("{:?}", refusal(422, body));
        };
        assert_eq!(
            failure,
            Failure::record(
                "http_422",
                "the embedding endpoint refuses the text (“HTTP 422: body.input: string too long”)"
            )
        );
    }

    proptest! {
        #[test]
        fn a_server_error_is_an_outage_whatever_it_says(status in 500_u16..600, body: String) {
            let is_outage = matches!(refusal(status, &body), Refusal::Outage { .. });
            prop_assert!(is_outage);
        }
    }
}
