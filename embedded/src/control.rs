//! A small HTTP server beside a stand-in that speaks another protocol: it tells it how to behave.
//!
//! `PUT /control` takes the whole behaviour as JSON, and what it leaves out goes back to its default; `GET /control` shows
//! what is in effect. The embedding endpoint and the schema registry speak HTTP anyway and have both at their own address.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    routing::{get, put},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A running control server. It stops when dropped.
#[derive(Debug)]
pub struct ControlServer {
    address: SocketAddr,
    _closing: DropGuard,
}

impl ControlServer {
    /// Listens on `address`, and gives every behaviour asked for to `apply`, which may block and whose error is answered with 400.
    pub(crate) async fn start<B>(
        address: SocketAddr,
        apply: impl Fn(&B) -> Result<(), String> + Send + Sync + 'static,
    ) -> io::Result<Self>
    where
        B: Clone + Default + Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let control = Arc::new(Control {
            behaviour: Mutex::new(B::default()),
            apply: Box::new(apply),
        });
        let router = Router::new()
            .route("/control", get(show::<B>))
            .route("/control", put(set::<B>))
            .with_state(control);
        let closing = CancellationToken::new();
        let serve =
            axum::serve(listener, router).with_graceful_shutdown(closing.clone().cancelled_owned());
        tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, %address, "the control stopped serving");
            }
        });
        Ok(Self {
            address,
            _closing: closing.drop_guard(),
        })
    }

    /// Where `/control` is, as `http://127.0.0.1:8500`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

struct Control<B> {
    behaviour: Mutex<B>,
    apply: Apply<B>,
}

type Apply<B> = Box<dyn Fn(&B) -> Result<(), String> + Send + Sync>;

async fn show<B: Clone>(State(control): State<Arc<Control<B>>>) -> Json<B> {
    let behaviour = control
        .behaviour
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    Json(behaviour.clone())
}

async fn set<B>(
    State(control): State<Arc<Control<B>>>,
    body: Bytes,
) -> Result<Json<B>, (StatusCode, String)>
where
    B: Clone + DeserializeOwned + Send + Sync + 'static,
{
    // Whatever its content type, so that `curl -X PUT -d` will do.
    let asked: B = serde_json::from_slice(&body).map_err(|error| {
        (
            StatusCode::BAD_REQUEST,
            format!("No such behaviour: {error}.\n"),
        )
    })?;
    let answer = asked.clone();
    let applied = tokio::task::spawn_blocking(move || {
        let mut behaviour = control
            .behaviour
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        (control.apply)(&asked)?;
        *behaviour = asked;
        Ok(())
    });
    let failed = |message| (StatusCode::BAD_REQUEST, format!("{message}\n"));
    let applied = applied.await.unwrap_or_else(|error| Err(error.to_string()));
    applied.map_err(failed)?;
    Ok(Json(answer))
}
