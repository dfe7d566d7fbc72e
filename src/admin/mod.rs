//! The HTTP endpoint for probes, metrics and people.
//!
//! | route | what |
//! |---|---|
//! | `GET /` | the status page, which `GET /api/events` keeps up to date |
//! | `GET /api/status` | what the page shows, as JSON; `docs/status.md` lists it |
//! | `GET /livez` | 200 while the process's essentials run, else 503: restart it |
//! | `GET /readyz` | 200 when every lane is ready, else 503, with each lane's state and what to do; as JSON to whom asks for it |
//! | `GET /metrics` | Prometheus' text format, or OpenMetrics with exemplars to whom asks for it; the names are in `docs/metrics.md` |
//!
//! None of these changes anything, and nothing asks who asks: bind it where only monitoring and people
//! who operate it reach. What does change something is in `control`, and wants a token.

mod accept;
mod connection;
mod control;
mod events;
mod guard;
mod page;
mod reload;
mod routes;
mod status;
#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use self::{connection::Connections, guard::AllowedHosts, routes::Shown};
pub use self::{
    control::{Control, ShortToken},
    reload::{ConfigurationStatus, InEffect, ReloadAnswer, ReloadRequest, Reloads},
    status::Job,
};
use crate::{
    config::AdminConfig,
    cost::Books,
    telemetry::{Health, Metrics},
};

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

/// What the endpoint shows, and what may be done by it.
#[derive(Clone)]
pub struct Views {
    /// For `/metrics` and the status.
    pub metrics: Metrics,
    /// For `/readyz` and the status.
    pub health: Health,
    /// For `/livez`.
    pub live: Liveness,
    /// For the status.
    pub job: Job,
    /// For what the status says of money.
    pub books: Books,
    /// For what the status says of the configuration.
    pub configuration: InEffect,
    /// Who may change something, if anybody may.
    pub control: Option<Control>,
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
    /// Starts the endpoint that is configured, port 0 being any free one; it accepts connections when
    /// this returns.
    pub async fn start(config: &AdminConfig, views: Views) -> Result<Self, AdminError> {
        let address = config.address;
        let failed = |source| AdminError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let hosts = AllowedHosts::new(address, &config.hosts);
        let closing = CancellationToken::new();
        let (sampled, watched) = watch::channel(());
        let shown = Arc::new(Shown::new(views, watched));
        tokio::spawn(observe(shown.clone(), sampled, closing.clone()));
        let router = routes::router(shown, hosts);
        let serve = axum::serve(Connections::new(listener, address), router)
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

/// Takes samples until the endpoint stops, and tells of each.
async fn observe(shown: Arc<Shown>, sampled: watch::Sender<()>, closing: CancellationToken) {
    let mut times = tokio::time::interval(status::EVERY);
    times.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while closing.run_until_cancelled(times.tick()).await.is_some() {
        shown.observer.take(&shown.views.metrics, Instant::now());
        sampled.send_replace(());
    }
}
