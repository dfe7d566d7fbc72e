//! A schema registry in this process: the part of Confluent's REST API that serializers and
//! consumers use.
//!
//! | route | what |
//! |---|---|
//! | `GET /schemas/ids/{id}` | the schema with that id |
//! | `GET /schemas/guids/{guid}` | the same, by the id that is the same in every registry |
//! | `GET /schemas/types` | `["AVRO", "JSON"]` |
//! | `POST /subjects/{subject}/versions` | registers a schema; the same text has the same id |
//! | `GET /subjects/{subject}/versions/{version}` | a version by its number, or `latest` |
//! | `GET /control`, `PUT /control` | the [`Behaviour`], as JSON; what a PUT leaves out goes back to its default |
//! | `GET /control/stats` | the [`Stats`], as JSON |
//!
//! Bad days are made with the behaviour, over HTTP or by the [`Control`] handle, which also puts
//! schemas under fixed ids and takes them away:
//!
//! ```sh
//! curl -X PUT localhost:8081/control -d '{"fail": 503}'
//! curl -X PUT localhost:8081/control -d '{"stall": true, "password": "secret"}'
//! ```

mod behaviour;
mod control;
mod routes;
mod schemas;
#[cfg(test)]
mod tests;

use std::{io, net::SocketAddr};

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use behaviour::Behaviour;
pub use control::{Control, Stats};
pub use schemas::{Reference, Schema};

/// Where the registry listens.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// Port 0 takes any free one.
    pub address: SocketAddr,
}

impl Default for RegistryOptions {
    /// On a free port of the loopback interface.
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        }
    }
}

/// Why the registry did not start.
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

/// A running registry. It stops when dropped; [`shutdown`](Self::shutdown) also waits for that.
#[derive(Debug)]
pub struct EmbeddedRegistry {
    address: SocketAddr,
    control: Control,
    closing: DropGuard,
    serving: JoinHandle<()>,
}

impl EmbeddedRegistry {
    /// Starts an empty registry; it accepts connections when this returns.
    pub async fn start(options: RegistryOptions) -> Result<Self, StartError> {
        let RegistryOptions { address } = options;
        let failed = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;

        let control = Control::default();
        let closing = CancellationToken::new();
        let router = routes::router(routes::Server {
            control: control.clone(),
            closing: closing.clone(),
        });
        let serve =
            axum::serve(listener, router).with_graceful_shutdown(closing.clone().cancelled_owned());
        let serving = tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, %address, "the schema registry stopped serving");
            }
        });
        tracing::debug!(%address, "schema registry listening");
        Ok(Self {
            address,
            control,
            closing: closing.drop_guard(),
            serving,
        })
    }

    /// The base URL for clients, as `http://127.0.0.1:8081`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The handle that changes the behaviour, the schemas, and reads the statistics.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Stops listening, answers 503 to the requests it holds, and returns when all connections are closed.
    pub async fn shutdown(self) {
        drop(self.closing);
        let _ = self.serving.await;
    }
}
