//! The HTTP endpoint for probes, metrics and people.
//!
//! | route | what |
//! |---|---|
//! | `GET /livez` | 200 while the process's essentials run, else 503: restart it |
//! | `GET /readyz` | 200 when every lane is ready, else 503, with each lane's state and what to do; as JSON to whom asks for it |
//! | `GET /metrics` | Prometheus' text format; the names are in `docs/metrics.md` |
//! | `GET /status` | version, uptime and lanes, as JSON |
//!
//! Nothing here changes anything, and nothing asks who asks: bind it where only monitoring
//! reaches.

mod connection;
mod routes;
#[cfg(test)]
mod tests;

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use self::connection::Connections;
use crate::telemetry::{Health, Metrics};

/// How long requests may take to end once the endpoint is told to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// The endpoint can't be started.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address is taken, or isn't one of this machine.
    #[error(
        "cannot listen on {address}: free the port, choose another in admin.address, or set admin.enabled = false"
    )]
    Listen {
        /// The address that is configured.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Says whether the process's essentials run. Called for each request; must not block.
pub type Liveness = Arc<dyn Fn() -> bool + Send + Sync>;

/// What `/status` says beside version, uptime and lanes: a field a pair. Called for each request;
/// must not block.
pub type Details = Arc<dyn Fn() -> serde_json::Map<String, serde_json::Value> + Send + Sync>;

/// What the endpoint shows.
#[derive(Clone)]
pub struct Views {
    /// For `/metrics`.
    pub metrics: Metrics,
    /// For `/readyz` and `/status`.
    pub health: Health,
    /// For `/livez`.
    pub live: Liveness,
    /// For `/status`.
    pub details: Details,
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Views").finish_non_exhaustive()
    }
}

/// A running endpoint. It stops when dropped; [`shutdown`](Self::shutdown) also waits for that.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    closing: DropGuard,
    serving: JoinHandle<()>,
}

impl Admin {
    /// Starts an endpoint on `address`, port 0 being any free one; it accepts connections when
    /// this returns.
    pub async fn start(
        address: SocketAddr,
        metrics: Metrics,
        health: Health,
        live: Liveness,
    ) -> Result<Self, AdminError> {
        let views = Views {
            metrics,
            health,
            live,
            details: Arc::new(serde_json::Map::new),
        };
        Self::serve(address, views).await
    }

    /// Starts an endpoint that shows `views`; see [`start`](Self::start).
    pub async fn serve(address: SocketAddr, views: Views) -> Result<Self, AdminError> {
        let failed = |source| AdminError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let closing = CancellationToken::new();
        let serve = axum::serve(Connections::new(listener, address), routes::router(views))
            .with_graceful_shutdown(closing.clone().cancelled_owned());
        let serving = tokio::spawn(async move {
            if let Err(error) = serve.await {
                warn!(%address, "the admin endpoint stopped serving: {error}");
            }
        });
        info!(%address, "admin endpoint listening");
        Ok(Self {
            address,
            closing: closing.drop_guard(),
            serving,
        })
    }

    /// Where it listens, with the port it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, and waits a moment for the requests under way.
    pub async fn shutdown(self) {
        drop(self.closing);
        // A client that holds its connection open is left behind.
        let _ = timeout(SHUTDOWN_GRACE, self.serving).await;
    }
}
