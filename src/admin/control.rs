//! What a person may do to the running program, who shows the token of `admin.token`.
//!
//! | route | what |
//! |---|---|
//! | `POST /api/log-level` | logs by the level or directives in the body from now on |
//! | `POST /api/embed/pause` | buys no vector until it is resumed; all else goes on |
//! | `POST /api/embed/resume` | buys vectors again |
//! | `POST /api/tables/pause` | reads no more of the table of the topic in the body; its deletes wait, too |
//! | `POST /api/tables/resume` | reads on |
//! | `POST /api/reload` | reads the configuration again, as SIGHUP does |
//! | `POST /api/drain` | ends the program as SIGTERM does |
//!
//! The token comes as `Authorization: Bearer`, which no web site can make a visitor's browser send.
//! Nothing of this outlasts a restart.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequestParts, State},
    http::{
        StatusCode,
        header::{AUTHORIZATION, WWW_AUTHENTICATE},
        request::Parts,
    },
    response::{IntoResponse, Response},
    routing::post,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{reload::Reloads, routes::Shown};
use crate::{
    config::{Secret, names_or_matches},
    telemetry::Log,
};

/// The longest body that is read, in bytes.
const BODY: usize = 4_096;

/// The shortest token.
const LEAST: usize = 16;

pub(super) const PATHS: [&str; 7] = [
    "/api/log-level",
    "/api/embed/pause",
    "/api/embed/resume",
    "/api/tables/pause",
    "/api/tables/resume",
    "/api/reload",
    "/api/drain",
];

/// Who may control the program, and what needs more than its [`Health`](crate::telemetry::Health).
#[derive(Debug, Clone)]
pub struct Control {
    /// Of the token. Hashes are compared in constant time, so how long that takes says nothing about
    /// the token.
    token: blake3::Hash,
    drain: CancellationToken,
    reloads: Reloads,
}

/// The token is guessed too easily.
#[derive(Debug, thiserror::Error)]
#[error("admin.token is shorter than {LEAST} characters")]
pub struct ShortToken;

impl Control {
    /// By whoever shows `token`; `drain` is cancelled when the program is to end, and `reloads` is asked
    /// for the configuration to be read again.
    pub fn new(
        token: &Secret,
        drain: CancellationToken,
        reloads: Reloads,
    ) -> Result<Self, ShortToken> {
        if token.expose().chars().count() < LEAST {
            return Err(ShortToken);
        }
        Ok(Self {
            token: blake3::hash(token.expose().as_bytes()),
            drain,
            reloads,
        })
    }

    fn is_token(&self, shown: &[u8]) -> bool {
        self.token == blake3::hash(shown)
    }
}

pub(super) fn router() -> Router<Arc<Shown>> {
    let [
        log_level,
        pause,
        resume,
        pause_one,
        resume_one,
        reload,
        drain,
    ] = PATHS;
    Router::new()
        .route(log_level, post(set_log_level))
        .route(pause, post(pause_embed))
        .route(resume, post(resume_embed))
        .route(pause_one, post(pause_table))
        .route(resume_one, post(resume_table))
        .route(reload, post(reload_all))
        .route(drain, post(drain_all))
        .layer(DefaultBodyLimit::max(BODY))
}

/// The right to control the program: a request has it that shows the token.
struct Authorized(Control);

impl FromRequestParts<Arc<Shown>> for Authorized {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shown: &Arc<Shown>) -> Result<Self, Response> {
        let Some(control) = &shown.views.control else {
            let advice = "control is off: refer to a token in admin.token, and restart\n";
            return Err((StatusCode::FORBIDDEN, advice).into_response());
        };
        let header = parts.headers.get(AUTHORIZATION);
        let token = header.and_then(|value| bearer(value.as_bytes()));
        if token.is_some_and(|token| control.is_token(token)) {
            return Ok(Self(control.clone()));
        }
        let scheme = [(WWW_AUTHENTICATE, "Bearer")];
        let advice = "show the token of admin.token: Authorization: Bearer …\n";
        Err((StatusCode::UNAUTHORIZED, scheme, advice).into_response())
    }
}

/// The token in `Bearer TOKEN`; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

async fn set_log_level(_: Authorized, level: String) -> (StatusCode, String) {
    let Some(log) = Log::of_process() else {
        let advice = "this program does not log\n".to_owned();
        return (StatusCode::CONFLICT, advice);
    };
    let level = level.trim();
    match log.set_level(level) {
        Ok(()) => {
            warn!("POST /api/log-level: {level}");
            (StatusCode::OK, format!("logging by {level}\n"))
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}

async fn pause_embed(_: Authorized, State(shown): State<Arc<Shown>>) -> &'static str {
    if !shown.views.health.pause_embed(true) {
        return "embedding was paused before\n";
    }
    warn!("POST /api/embed/pause: no vector is bought");
    "embedding is paused; POST /api/embed/resume lets it go on\n"
}

async fn resume_embed(_: Authorized, State(shown): State<Arc<Shown>>) -> &'static str {
    if !shown.views.health.pause_embed(false) {
        return "embedding was not paused\n";
    }
    warn!("POST /api/embed/resume: vectors are bought again");
    "embedding goes on\n"
}

async fn pause_table(
    _: Authorized,
    State(shown): State<Arc<Shown>>,
    topic: String,
) -> (StatusCode, String) {
    set_table_paused(&shown, topic.trim(), true)
}

async fn resume_table(
    _: Authorized,
    State(shown): State<Arc<Shown>>,
    topic: String,
) -> (StatusCode, String) {
    set_table_paused(&shown, topic.trim(), false)
}

fn set_table_paused(shown: &Shown, topic: &str, paused: bool) -> (StatusCode, String) {
    let read = &shown.views.job.topics;
    if !read.iter().any(|it| names_or_matches(it, topic)) {
        let advice = format!(
            "no such topic is read; the body names one of kafka.topics: {}\n",
            read.join(", ")
        );
        return (StatusCode::NOT_FOUND, advice);
    }
    let is_news = shown.views.health.pause_table(topic, paused);
    let answer = match (paused, is_news) {
        (true, true) => {
            warn!("POST /api/tables/pause: no more is read of {topic}, and its deletes wait, too");
            format!("{topic} is paused, deletes included; POST /api/tables/resume lets it go on\n")
        }
        (true, false) => format!("{topic} was paused before\n"),
        (false, true) => {
            warn!("POST /api/tables/resume: {topic} is read again");
            format!("{topic} goes on\n")
        }
        (false, false) => format!("{topic} was not paused\n"),
    };
    (StatusCode::OK, answer)
}

async fn reload_all(Authorized(control): Authorized) -> (StatusCode, String) {
    match control.reloads.ask().await {
        Some(Ok(done)) => (StatusCode::OK, format!("{done}\n")),
        Some(Err(why)) => (StatusCode::UNPROCESSABLE_ENTITY, format!("{why}\n")),
        None => {
            let advice =
                "nothing is reloaded: the start is not complete, or another reload is under way\n";
            (StatusCode::SERVICE_UNAVAILABLE, advice.to_owned())
        }
    }
}

async fn drain_all(Authorized(control): Authorized) -> (StatusCode, &'static str) {
    warn!("POST /api/drain");
    control.drain.cancel();
    (
        StatusCode::ACCEPTED,
        "draining; the program ends when that is done\n",
    )
}
