//! The status page, live: `GET /api/events` sends it anew whenever it may have changed.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::State,
    http::StatusCode,
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{page, routes::Shown};

/// Who may watch at once. They are fewer than the connections there may be: whoever watches keeps
/// its connection for good.
const STREAMS: usize = 16;

/// The places of those who watch.
#[derive(Debug)]
pub(super) struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(STREAMS)))
    }
}

/// Sends the page as server-sent events, now and whenever a sample was taken.
pub(super) async fn stream(State(shown): State<Arc<Shown>>) -> Response {
    let Ok(place) = shown.streams.0.clone().try_acquire_owned() else {
        let advice = "too many watch the status already; GET / and GET /api/status do answer\n";
        return (StatusCode::SERVICE_UNAVAILABLE, advice).into_response();
    };
    let mut sampled = shown.sampled.clone();
    sampled.mark_changed();
    let watch = Watch {
        shown,
        sampled,
        _place: place,
    };
    Sse::new(stream::unfold(watch, Watch::next)).into_response()
}

struct Watch {
    shown: Arc<Shown>,
    sampled: tokio::sync::watch::Receiver<()>,
    _place: OwnedSemaphorePermit,
}

impl Watch {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        // Closed when the endpoint stops.
        self.sampled.changed().await.ok()?;
        let event = Event::default()
            .event("page")
            .data(page::render(&self.shown.look()));
        Some((Ok(event), self))
    }
}
