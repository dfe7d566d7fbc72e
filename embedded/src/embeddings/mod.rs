//! An embedding provider in this process: OpenAI's HTTP interface, vectors of hashed words.
//!
//! | route | what |
//! |---|---|
//! | `POST /v1/embeddings` | embeddings, as OpenAI specifies them: one text or a list, `dimensions`, `encoding_format` |
//! | `POST /openai/deployments/{name}/embeddings` | the same, at Azure's address |
//! | `GET /v1/models` | the model names with a size of their own; any other name is served too |
//! | `GET /control`, `PUT /control` | the [`Behaviour`], as JSON; what a PUT leaves out goes back to its default |
//! | `GET /control/stats` | the [`Stats`], as JSON |
//! | `POST /control/reset` | the behaviour of the start, statistics of nothing |
//!
//! Texts alike have vectors that are near (see [`vector`]), so a search in plain words finds what it should, and the same
//! text has the same vector everywhere. A token is four characters ([`count_tokens`]).
//!
//! A provider's bad days are made with the behaviour, over HTTP or by the [`Control`] handle:
//!
//! ```sh
//! curl -X PUT localhost:8400/control -d '{"stall": true}'
//! curl -X PUT localhost:8400/control -d '{"fail": {"status": 429, "retry_after_s": 2, "remaining": 5}}'
//! curl -X PUT localhost:8400/control -d '{"requests_per_minute": 60, "max_inputs": 32, "api_key": "secret"}'
//! ```
//!
//! A request meets, in this order: a stall, the latency, the failure, the key, the limits on inputs, the rate limits, garbage.

mod answer;
mod behaviour;
mod control;
mod error;
mod limits;
mod models;
mod request;
mod routes;
#[cfg(test)]
mod tests;
mod tokens;
mod vectors;

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use behaviour::{Behaviour, Failure, Garbage};
pub use control::{Control, Stats};
pub use limits::{OverLimit, RateLimits};
pub use tokens::count_tokens;
pub use vectors::vector;

/// Where the endpoint listens and how it behaves at first.
#[derive(Debug, Clone)]
pub struct EmbeddingsOptions {
    /// Port 0 takes any free one.
    pub address: SocketAddr,
    /// Also what a reset goes back to.
    pub behaviour: Behaviour,
}

impl Default for EmbeddingsOptions {
    /// The ideal provider, on a free port of the loopback interface.
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            behaviour: Behaviour::default(),
        }
    }
}

/// Why the endpoint did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, not this machine's, or not allowed.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// A running endpoint. It stops when dropped; [`shutdown`](Self::shutdown) also waits for that.
#[derive(Debug)]
pub struct EmbeddedEmbeddings {
    address: SocketAddr,
    control: Control,
    closing: DropGuard,
    serving: JoinHandle<()>,
}

impl EmbeddedEmbeddings {
    /// Starts an endpoint; it accepts connections when this returns.
    pub async fn start(options: EmbeddingsOptions) -> Result<Self, StartError> {
        let EmbeddingsOptions { address, behaviour } = options;
        let failed = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;

        let control = Control::new(behaviour);
        let closing = CancellationToken::new();
        let router = routes::router(routes::Server {
            control: control.clone(),
            closing: closing.clone(),
        });
        let serve =
            axum::serve(listener, router).with_graceful_shutdown(closing.clone().cancelled_owned());
        let serving = tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, %address, "the embedding endpoint stopped serving");
            }
        });
        tracing::debug!(%address, "embedding endpoint listening");
        Ok(Self {
            address,
            control,
            closing: closing.drop_guard(),
            serving,
        })
    }

    /// The base address for clients, as `http://127.0.0.1:8400/v1`.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The address it listens on, with the port it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The handle that changes the behaviour and reads the statistics.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Stops listening, answers 503 to the requests it holds, and returns when all connections are closed.
    pub async fn shutdown(self) {
        drop(self.closing);
        let _ = self.serving.await;
    }
}
