//! What each route answers.

use std::{fmt::Write, sync::Arc, time::Instant};

use axum::{
    Json, Router,
    extract::State,
    http::{
        HeaderMap, Method, StatusCode, Uri,
        header::{ACCEPT, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use crate::telemetry::Health;

use super::Views;

/// Prometheus' text format; without the version some scrapers refuse it.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

struct Shown {
    views: Views,
    since: Instant,
}

pub(super) fn router(views: Views) -> Router {
    let shown = Shown {
        views,
        since: Instant::now(),
    };
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(Arc::new(shown))
}

async fn livez(State(shown): State<Arc<Shown>>) -> (StatusCode, &'static str) {
    if (shown.views.live)() {
        (StatusCode::OK, "ok\n")
    } else {
        let advice = "an essential part has ended: see the log, and restart the process\n";
        (StatusCode::SERVICE_UNAVAILABLE, advice)
    }
}

async fn readyz(State(shown): State<Arc<Shown>>, headers: HeaderMap) -> Response {
    let health = &shown.views.health;
    let ready = health.ready();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    if accepts_json(&headers) {
        let body = json!({ "ready": ready, "lanes": lanes(health) });
        return (status, Json(body)).into_response();
    }
    let mut lines = String::new();
    for (lane, state) in health.lanes() {
        let colon = if state.reason().is_some() { ": " } else { "" };
        let reason = state.reason().unwrap_or_default();
        // Writing to a string can't fail.
        let _ = writeln!(lines, "{lane} {}{colon}{reason}", state.label());
    }
    (status, lines).into_response()
}

async fn metrics(State(shown): State<Arc<Shown>>) -> Response {
    match shown.views.metrics.encode(&shown.views.health) {
        Ok(text) => ([(CONTENT_TYPE, METRICS)], text).into_response(),
        Err(error) => {
            let what = format!("the metrics can't be written: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, what).into_response()
        }
    }
}

async fn status(State(shown): State<Arc<Shown>>) -> Json<Value> {
    let mut status = (shown.views.details)();
    status.extend([
        ("version".to_owned(), json!(env!("CARGO_PKG_VERSION"))),
        (
            "uptime_seconds".to_owned(),
            json!(shown.since.elapsed().as_secs()),
        ),
        ("ready".to_owned(), json!(shown.views.health.ready())),
        ("lanes".to_owned(), lanes(&shown.views.health)),
    ]);
    Json(Value::Object(status))
}

async fn not_found(uri: Uri) -> (StatusCode, String) {
    let what = format!(
        "there is no {}; there are /livez, /readyz, /metrics and /status\n",
        uri.path()
    );
    (StatusCode::NOT_FOUND, what)
}

async fn method_not_allowed(method: Method, uri: Uri) -> (StatusCode, String) {
    let what = format!("{} takes no {method}, only GET and HEAD\n", uri.path());
    (StatusCode::METHOD_NOT_ALLOWED, what)
}

fn lanes(health: &Health) -> Value {
    health
        .lanes()
        .into_iter()
        .map(|(lane, state)| {
            json!({
                "lane": lane.label(),
                "state": state.label(),
                "reason": state.reason(),
            })
        })
        .collect()
}

fn accepts_json(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|kind| kind.split(';').next().unwrap_or_default().trim() == "application/json")
}
