//! Errors as OpenAI writes them.
//!
//! `{"error": {"message", "type", "param", "code"}}`; the fields, codes and texts follow the API reference and what the API was seen to answer.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::behaviour::Failure;
use super::limits::OverLimit;

/// An error answer: its status, its body and when to come back.
#[derive(Debug, PartialEq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    message: String,
    kind: &'static str,
    param: Option<&'static str>,
    code: Option<String>,
    retry_after: Option<Duration>,
}

const INVALID_REQUEST: &str = "invalid_request_error";

impl ApiError {
    pub(super) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            kind,
            param: None,
            code: None,
            retry_after: None,
        }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID_REQUEST, message)
    }

    pub(super) fn param(self, param: &'static str) -> Self {
        Self {
            param: Some(param),
            ..self
        }
    }

    pub(super) fn code(self, code: &str) -> Self {
        Self {
            code: Some(code.to_owned()),
            ..self
        }
    }

    pub(super) fn wrong_key(given: Option<&str>) -> Self {
        let message = match given {
            // A provider shows the ends of a key; a stand-in has no need to.
            Some(_) => "Incorrect API key provided: ***.",
            None => {
                "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth \
                     (i.e. Authorization: Bearer YOUR_KEY)."
            }
        };
        let error = Self::new(StatusCode::UNAUTHORIZED, INVALID_REQUEST, message);
        if given.is_some() {
            error.code("invalid_api_key")
        } else {
            error
        }
    }

    pub(super) fn over_limit(over: OverLimit) -> Self {
        let OverLimit {
            unit,
            limit,
            left,
            demand,
            after,
        } = over;
        let message = match after {
            Some(after) => format!(
                "Rate limit reached on {unit} per min: Limit {limit}, Used {}, Requested {demand}. Please try again in {:.3}s.",
                u64::from(limit).saturating_sub(left),
                after.as_secs_f64(),
            ),
            // No waiting makes it small enough.
            None => format!(
                "Request too large on {unit} per min: Limit {limit}, Requested {demand}. The input must be reduced in order to run successfully."
            ),
        };
        Self {
            retry_after: after,
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, unit, message)
        }
        .code("rate_limit_exceeded")
    }

    pub(super) fn unknown_model(name: &str) -> Self {
        let message = format!("The model `{name}` does not exist or you do not have access to it.");
        Self::new(StatusCode::NOT_FOUND, INVALID_REQUEST, message).code("model_not_found")
    }

    pub(super) fn shutting_down() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "server_error",
            "The server is shutting down.",
        )
    }

    pub(super) fn unknown_url(method: &Method, uri: &Uri) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            INVALID_REQUEST,
            format!("Invalid URL ({method} {})", uri.path()),
        )
    }

    pub(super) fn injected(failure: Failure) -> Self {
        let status =
            StatusCode::from_u16(failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (kind, code, message) = match (status.as_u16(), failure.code.as_deref()) {
            (429, Some("insufficient_quota")) => (
                "insufficient_quota",
                None,
                "You exceeded your current quota, please check your plan and billing details.",
            ),
            (401, _) => (
                INVALID_REQUEST,
                Some("invalid_api_key"),
                "Incorrect API key provided: ***.",
            ),
            (403, _) => (
                INVALID_REQUEST,
                Some("unsupported_country_region_territory"),
                "Country, region, or territory not supported",
            ),
            (404, _) => (
                INVALID_REQUEST,
                Some("model_not_found"),
                "The model does not exist or you do not have access to it.",
            ),
            (429, _) => (
                "requests",
                Some("rate_limit_exceeded"),
                "Rate limit reached on requests per min.",
            ),
            (503, _) => (
                "server_error",
                None,
                "The engine is currently overloaded, please try again later",
            ),
            (500..=599, _) => (
                "server_error",
                None,
                "The server had an error while processing your request. Sorry about that!",
            ),
            _ => (
                INVALID_REQUEST,
                None,
                "The request was refused, as the endpoint was told to.",
            ),
        };
        Self {
            code: failure.code.or_else(|| code.map(str::to_owned)),
            retry_after: failure.retry_after_s.map(Duration::from_secs),
            ..Self::new(status, kind, message)
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}});
        let mut response = (self.status, Json(body)).into_response();
        if let Some(after) = self.retry_after {
            // Whole seconds (RFC 9110, 10.2.3), upwards: who comes back then is let in.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            let millis = u64::try_from(after.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
            headers.insert("retry-after-ms", HeaderValue::from(millis));
        }
        response
    }
}
