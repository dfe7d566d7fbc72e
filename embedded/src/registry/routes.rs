//! The HTTP routes: Confluent's, and the control of the stand-in.

use std::time::Duration;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    behaviour::Behaviour,
    control::{Control, Stats},
    schemas::Schema,
};

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) control: Control,
    pub(super) closing: CancellationToken,
}

pub(super) fn router(server: Server) -> Router {
    Router::new()
        .route("/schemas/ids/{id}", get(by_id))
        .route("/schemas/guids/{guid}", get(by_guid))
        .route("/schemas/types", get(types))
        .route("/subjects/{subject}/versions", post(register))
        .route("/subjects/{subject}/versions/{version}", get(version))
        .fallback(unknown_path)
        .layer(middleware::from_fn_with_state(server.clone(), behave))
        .route("/control", get(behaviour).put(set_behaviour))
        .route("/control/stats", get(stats))
        .with_state(server)
}

/// What every request meets before its answer: a stall, the latency, the failure, the password.
async fn behave(State(server): State<Server>, request: Request, next: Next) -> Response {
    server.control.count(|stats| stats.requests += 1);
    tokio::select! {
        biased;
        () = server.closing.cancelled() => {
            return complaint(StatusCode::SERVICE_UNAVAILABLE, 50_301, "Shutting down");
        }
        () = server.control.stall_over() => {}
    }
    let behaviour = server.control.behaviour();
    if behaviour.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(behaviour.latency_ms)).await;
    }
    if let Some(status) = behaviour.fail {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return complaint(status, i64::from(status.as_u16()), "Told to fail");
    }
    if behaviour.sign_in_page {
        return Html("<html><body>Please sign in</body></html>").into_response();
    }
    if let Some(password) = &behaviour.password
        && !is_authorised(request.headers(), password)
    {
        return complaint(StatusCode::UNAUTHORIZED, 401, "Unauthorized");
    }
    next.run(request).await
}

fn is_authorised(headers: &HeaderMap, password: &str) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
        .and_then(|encoded| String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok())
        .and_then(|login| Some(login.split_once(':')?.1 == password))
        .unwrap_or(false)
}

async fn by_id(State(server): State<Server>, Path(id): Path<String>) -> Response {
    let found = id
        .parse()
        .ok()
        .and_then(|id| server.control.schemas().by_id(id).cloned());
    server.schema(found, &id)
}

async fn by_guid(State(server): State<Server>, Path(guid): Path<String>) -> Response {
    let found = guid
        .parse()
        .ok()
        .and_then(|guid| server.control.schemas().by_guid(guid).cloned());
    server.schema(found, &guid)
}

async fn types() -> Response {
    answer(&["AVRO", "JSON"])
}

async fn register(
    State(server): State<Server>,
    Path(subject): Path<String>,
    body: Bytes,
) -> Response {
    let schema: Schema = match serde_json::from_slice(&body) {
        Ok(schema) => schema,
        Err(error) => {
            let message = format!("Input schema is invalid: {error}");
            return complaint(StatusCode::UNPROCESSABLE_ENTITY, 42_201, &message);
        }
    };
    answer(&json!({"id": server.control.register(&subject, schema)}))
}

async fn version(
    State(server): State<Server>,
    Path((subject, version)): Path<(String, String)>,
) -> Response {
    let schemas = server.control.schemas();
    if let Some((number, id, schema)) = schemas.version(&subject, &version) {
        let mut body = json!(schema);
        if let Some(body) = body.as_object_mut() {
            body.insert("subject".to_owned(), json!(subject));
            body.insert("version".to_owned(), json!(number));
            body.insert("id".to_owned(), json!(id));
        }
        server.control.count(|stats| stats.found += 1);
        return answer(&body);
    }
    let (code, message) = if schemas.has_subject(&subject) {
        (40_402, format!("Version {version} not found."))
    } else {
        (40_401, format!("Subject '{subject}' not found."))
    };
    complaint(StatusCode::NOT_FOUND, code, &message)
}

async fn unknown_path() -> Response {
    complaint(StatusCode::NOT_FOUND, 404, "HTTP 404 Not Found")
}

async fn behaviour(State(server): State<Server>) -> Json<Behaviour> {
    Json(server.control.behaviour())
}

async fn set_behaviour(State(server): State<Server>, body: Bytes) -> Response {
    // Whatever its content type, so that `curl -X PUT -d` will do.
    match serde_json::from_slice::<Behaviour>(&body) {
        Ok(behaviour) => {
            server.control.set(behaviour.clone());
            Json(behaviour).into_response()
        }
        Err(error) => {
            let message = format!("No such behaviour: {error}.");
            (StatusCode::BAD_REQUEST, message).into_response()
        }
    }
}

async fn stats(State(server): State<Server>) -> Json<Stats> {
    Json(server.control.stats())
}

impl Server {
    fn schema(&self, found: Option<Schema>, id: &str) -> Response {
        match found {
            Some(schema) => {
                self.control.count(|stats| stats.found += 1);
                answer(&schema)
            }
            None => complaint(
                StatusCode::NOT_FOUND,
                40_403,
                &format!("Schema {id} not found"),
            ),
        }
    }
}

fn answer(body: &impl serde::Serialize) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], Json(body)).into_response()
}

fn complaint(status: StatusCode, code: i64, message: &str) -> Response {
    let body = Json(json!({"error_code": code, "message": message}));
    (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response()
}
