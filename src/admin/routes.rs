//! What each route answers, but for the page and control.

use std::{fmt::Write, sync::Arc, time::Instant};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header::CONTENT_TYPE},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use tokio::sync::watch;

use super::{
    Views, accept, control, events,
    guard::{self, AllowedHosts},
    page,
    status::{Observer, Status, lanes},
};

/// Prometheus' text format; without the version some scrapers refuse it.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// OpenMetrics' text format, which has exemplars.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The longest path that an answer repeats.
const PATH: usize = 100;

/// What the routes show.
pub(super) struct Shown {
    pub(super) views: Views,
    pub(super) observer: Observer,
    pub(super) streams: events::Streams,
    /// Told whenever the observer took a sample; closed when the endpoint stops.
    pub(super) sampled: watch::Receiver<()>,
}

impl Shown {
    pub(super) fn new(views: Views, sampled: watch::Receiver<()>) -> Self {
        Self {
            views,
            observer: Observer::new(Instant::now()),
            streams: events::Streams::default(),
            sampled,
        }
    }

    pub(super) fn look(&self) -> Status {
        self.observer.look(&self.views, Instant::now())
    }
}

pub(super) fn router(shown: Arc<Shown>, hosts: AllowedHosts) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/api/status", get(status))
        // Its former name.
        .route("/status", get(status))
        .route("/api/events", get(events::stream))
        .merge(page::router())
        .merge(control::router())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(
            Arc::new(hosts),
            guard::check,
        ))
        .with_state(shown)
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
    if accept::accepts_json(&headers) {
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

async fn metrics(State(shown): State<Arc<Shown>>, headers: HeaderMap) -> Response {
    if accept::prefers_open_metrics(&headers) {
        let text = shown.views.metrics.encode_open(&shown.views.health);
        return ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response();
    }
    match shown.views.metrics.encode(&shown.views.health) {
        Ok(text) => ([(CONTENT_TYPE, METRICS)], text).into_response(),
        Err(error) => {
            let what = format!("the metrics can't be written: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, what).into_response()
        }
    }
}

async fn status(State(shown): State<Arc<Shown>>) -> Json<Status> {
    Json(shown.look())
}

async fn not_found(uri: Uri) -> (StatusCode, String) {
    let what = format!(
        "there is no {}; there are /, /api/status, /livez, /readyz and /metrics\n",
        path(&uri)
    );
    (StatusCode::NOT_FOUND, what)
}

async fn method_not_allowed(method: Method, uri: Uri) -> (StatusCode, String) {
    let takes = if control::PATHS.contains(&uri.path()) {
        "POST"
    } else {
        "GET and HEAD"
    };
    let what = format!("{} takes no {method}, only {takes}\n", path(&uri));
    (StatusCode::METHOD_NOT_ALLOWED, what)
}

/// The path, as far as it is worth repeating.
fn path(uri: &Uri) -> &str {
    // Percent-encoded or not, a path is ASCII.
    uri.path().get(..PATH).unwrap_or(uri.path())
}
