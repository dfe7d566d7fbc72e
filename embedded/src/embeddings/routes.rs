//! The HTTP routes: OpenAI's, and the control of the stand-in.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use super::behaviour::Behaviour;
use super::control::{Control, Stats};
use super::error::ApiError;
use super::models::{KNOWN, Model};
use super::request::{EmbeddingsRequest, Texts};

/// More than 2,048 texts of 8,192 tokens would fill; a client's mistake stays bounded.
const MAX_BODY_BYTES: usize = 128 << 20;

#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) control: Control,
    pub(super) closing: CancellationToken,
}

pub(super) fn router(server: Server) -> Router {
    Router::new()
        .route("/v1/embeddings", post(embeddings))
        .route(
            "/openai/deployments/{deployment}/embeddings",
            post(embeddings_of_deployment),
        )
        .route("/v1/models", get(models))
        .route("/control", get(behaviour).put(set_behaviour))
        .route("/control/stats", get(stats))
        .route("/control/reset", post(reset))
        .fallback(unknown_url)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(server)
}

async fn embeddings(State(server): State<Server>, headers: HeaderMap, body: Bytes) -> Response {
    server.respond(None, &headers, &body).await
}

async fn embeddings_of_deployment(
    State(server): State<Server>,
    Path(deployment): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    server.respond(Some(deployment), &headers, &body).await
}

async fn models() -> Json<Value> {
    let data: Vec<Value> = KNOWN
        .iter()
        .map(|(id, _)| json!({"id": id, "object": "model", "created": 0, "owned_by": "vectide"}))
        .collect();
    Json(json!({"object": "list", "data": data}))
}

async fn behaviour(State(server): State<Server>) -> Json<Behaviour> {
    Json(server.control.behaviour())
}

async fn set_behaviour(
    State(server): State<Server>,
    body: Bytes,
) -> Result<Json<Behaviour>, ApiError> {
    // Whatever its content type, so that `curl -X PUT -d` will do.
    let behaviour: Behaviour = serde_json::from_slice(&body)
        .map_err(|error| ApiError::invalid(format!("No such behaviour: {error}.")))?;
    server.control.set(behaviour.clone());
    Ok(Json(behaviour))
}

async fn stats(State(server): State<Server>) -> Json<Stats> {
    Json(server.control.stats())
}

async fn reset(State(server): State<Server>) -> Json<Stats> {
    server.control.reset();
    Json(server.control.stats())
}

async fn unknown_url(method: Method, uri: Uri) -> ApiError {
    ApiError::unknown_url(&method, &uri)
}

impl Server {
    async fn respond(
        &self,
        deployment: Option<String>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Response {
        let _in_flight = self.control.arrival();
        let answer = tokio::select! {
            biased;
            () = self.closing.cancelled() => Err(ApiError::shutting_down()),
            answer = self.answer(deployment, headers, body) => answer,
        };
        let mut response = answer.unwrap_or_else(|error| {
            self.control.count_error(error.status);
            error.into_response()
        });
        self.tell_limits(response.headers_mut());
        response
    }

    /// OpenAI's headers: <https://platform.openai.com/docs/guides/rate-limits>.
    fn tell_limits(&self, headers: &mut HeaderMap) {
        for status in self.control.limits() {
            let mut tell = |name: &str, value: String| {
                let name = format!("x-ratelimit-{name}-{}", status.unit);
                if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), value.try_into()) {
                    headers.insert(name, value);
                }
            };
            tell("limit", status.limit.to_string());
            tell("remaining", status.left.to_string());
            tell("reset", format!("{}ms", status.reset.as_millis()));
        }
    }

    async fn answer(
        &self,
        deployment: Option<String>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Response, ApiError> {
        self.control.stall_over().await;
        let behaviour = self.control.behaviour();
        if behaviour.latency_ms > 0 {
            tokio::time::sleep(Duration::from_millis(behaviour.latency_ms)).await;
        }
        if let Some(failure) = self.control.take_failure() {
            return Err(ApiError::injected(failure));
        }
        authorise(headers, behaviour.api_key.as_deref())?;

        let request = EmbeddingsRequest::parse(body)?;
        let Some(model) = request.model.clone().or(deployment) else {
            return Err(ApiError::invalid("you must provide a model parameter"));
        };
        let (dimensions, tokens) = request.check(Model { name: &model }, &behaviour)?;
        self.control.admit(&behaviour, tokens, Instant::now())?;

        let garbage = behaviour.garbage;
        let control = self.control.clone();
        let write = move || {
            let EmbeddingsRequest {
                input: Texts(texts),
                encoding_format: encoding,
                ..
            } = request;
            control.count_texts(&texts, tokens);
            Answer {
                model: &model,
                texts: &texts,
                tokens,
                dimensions,
                encoding,
                garbage,
            }
            .write()
        };
        // Thousands of words hashed are no work for a thread that serves connections.
        let (content_type, body) = tokio::task::spawn_blocking(write).await.map_err(|error| {
            let message = format!("The vectors could not be made: {error}.");
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", message)
        })?;
        Ok(([(header::CONTENT_TYPE, content_type)], body).into_response())
    }
}

/// OpenAI's header, or Azure's.
fn authorise(headers: &HeaderMap, key: Option<&str>) -> Result<(), ApiError> {
    let Some(key) = key else { return Ok(()) };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let given = text("authorization")
        .and_then(|value| value.strip_prefix("Bearer "))
        .or_else(|| text("api-key"));
    if given == Some(key) {
        Ok(())
    } else {
        Err(ApiError::wrong_key(given))
    }
}
