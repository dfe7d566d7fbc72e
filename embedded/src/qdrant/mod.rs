//! An in-process Qdrant: Qdrant's own gRPC services, answered by the `qdrant-edge` engine, which is
//! the real server's engine without the server.
//!
//! [`EmbeddedQdrant::start`] opens the store and listens; an ordinary `qdrant_client::Qdrant` talks to
//! [`EmbeddedQdrant::url`]. The path of a call: `points` or `collections` (the services) take it off
//! the wire, `store` finds the collection by name or alias, `collection` queues writers and lets
//! readers pass, `convert` turns protobuf into the engine's types and back, and `error` gives what
//! went wrong the real server's code and words.
//!
//! # What it answers
//! Health check. Collections: create, get, list, delete, exists, aliases. Points: upsert (with
//! `update_filter` and `update_mode`), update batch, delete, payload and vector operations by ids
//! and filter, payload indexes, get, scroll, count, query (nearest, order by, sample), search, and
//! batches of the two. Everything else, and every condition or option that can't be honoured,
//! answers `UNIMPLEMENTED` by name. Vectors are dense; every search is exact, because nothing
//! here builds an HNSW graph, so a search takes time in proportion to the collection.
//!
//! A write without `wait` is answered before it is carried out, in order with the others; what goes wrong with it is told to nobody.
//! Harsher than the real server, which keeps it in its log, this one forgets it when it is killed.
//!
//! # What survives
//! A write that was answered survives the death of the process in a [`Storage::Folder`], `kill -9`
//! included: it is in a journal before it is applied, and the journal is replayed on opening. (The
//! engine's own log isn't read by the engine on opening.) Every 30 seconds or 128 MiB everything is
//! flushed and the journal emptied; [`EmbeddedQdrant::shutdown`] flushes too. A power cut can take
//! what wasn't flushed, for the journal isn't synced to the disk call by call. Tried: a process
//! killed in the middle of its writes, again and again on one folder, has every answered one after
//! reopening (`embedded/tests/qdrant/kill.rs`); without the journal it has none since the last flush.

mod collection;
mod collections;
mod control;
mod convert;
mod error;
mod fault;
mod health;
mod journal;
mod points;
mod query;
mod retrieve;
mod store;
mod unawaited;
mod write;

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use qdrant_client::qdrant::{
    collections_server::CollectionsServer, points_server::PointsServer, qdrant_server::QdrantServer,
};
use thiserror::Error;
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Status,
    codec::CompressionEncoding,
    transport::{Server, server::TcpIncoming},
};

pub use self::{
    collection::OpenError,
    control::{Behaviour, Failure, serve_control},
    fault::FaultSwitch,
};
use self::{collections::Collections, health::Health, points::Points, store::Store};

/// The largest message in either direction. The real server takes 32 MiB by default; a batch of
/// vectors that is too large for it is for the client to notice there.
const MAX_MESSAGE_BYTES: usize = 256 * 1024 * 1024;
/// HTTP/2 flow control: room for whole batches of vectors in flight.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);
/// How long calls in flight may take to end once the server is told to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// Where the points are.
#[derive(Clone, Debug)]
pub enum Storage {
    /// In a private folder among the temporary files, removed when the server stops: the engine
    /// maps files into memory. Nothing is journalled or flushed.
    Memory,
    /// In this folder, which is made if it doesn't exist. One process at a time.
    Folder(PathBuf),
}

/// How to start.
#[derive(Clone, Debug)]
pub struct QdrantOptions {
    /// Where to listen; port 0 is any free one.
    pub address: SocketAddr,
    /// Where the points are.
    pub storage: Storage,
}

/// Why the server didn't start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is taken, or isn't one of this machine.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The storage folder can't be made or read.
    #[error("cannot use the folder {folder}", folder = folder.display())]
    Folder {
        /// The folder asked for.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A collection in the folder can't be opened.
    #[error("cannot open the collection {name:?}")]
    Collection {
        /// Its name.
        name: String,
        /// Why.
        source: OpenError,
    },
}

/// A running server. Dropping it stops the server as [`shutdown`](Self::shutdown) does, but in the
/// background: whoever opens the folder again waits for `shutdown`.
#[derive(Debug)]
pub struct EmbeddedQdrant {
    address: SocketAddr,
    faults: FaultSwitch,
    stop: CancellationToken,
    server: Option<JoinHandle<()>>,
}

impl EmbeddedQdrant {
    /// Opens the store, replaying what its last process couldn't flush, and listens. When this
    /// returns, clients can connect.
    pub async fn start(options: QdrantOptions) -> Result<Self, StartError> {
        let QdrantOptions { address, storage } = options;
        let listen = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let store = tokio::task::spawn_blocking(|| Store::open(storage))
            .await
            .unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))?;
        let faults = FaultSwitch::default();
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(
            listener,
            Arc::new(store),
            faults.clone(),
            stop.clone(),
        ));
        tracing::info!(%address, "embedded Qdrant is listening");
        Ok(Self {
            address,
            faults,
            stop,
            server: Some(server),
        })
    }

    /// Where it listens, with the port it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to give to a client, e.g. `http://127.0.0.1:6334`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes the points service slow or broken, for tests.
    pub fn faults(&self) -> FaultSwitch {
        self.faults.clone()
    }

    /// Stops listening, lets calls in flight end (5 seconds at most), flushes and closes the store.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if let Some(server) = self.server.take()
            && let Err(error) = server.await
        {
            tracing::error!(%error, "embedded Qdrant didn't stop in order");
        }
    }
}

impl Drop for EmbeddedQdrant {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(
    listener: TcpListener,
    store: Arc<Store>,
    faults: FaultSwitch,
    stop: CancellationToken,
) {
    let collections = CollectionsServer::new(Collections::new(Arc::clone(&store)))
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let points = PointsServer::new(Points::new(Arc::clone(&store), faults))
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let server = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .add_service(QdrantServer::new(Health))
        .add_service(collections)
        .add_service(points)
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            stop.cancelled(),
        );
    tokio::select! {
        ended = server => {
            if let Err(error) = ended {
                tracing::error!(%error, "embedded Qdrant stopped");
            }
        }
        () = upkeep(Arc::clone(&store)) => {}
        () = grace(&stop) => tracing::warn!("embedded Qdrant stops with calls in flight"),
    }
    if let Err(error) = tokio::task::spawn_blocking(move || store.close()).await {
        tracing::error!(%error, "embedded Qdrant wasn't closed");
    }
}

/// Ends when calls in flight have had their time.
async fn grace(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(SHUTDOWN_GRACE).await;
}

/// Runs for as long as the server.
async fn upkeep(store: Arc<Store>) {
    let mut ticks = interval(UPKEEP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let store = Arc::clone(&store);
        if let Err(error) = tokio::task::spawn_blocking(move || store.upkeep()).await {
            tracing::error!(%error, "upkeep failed");
        }
    }
}

/// Runs `f` on a thread that may block. A panic in it, or in the engine, is a fault of this call.
async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> Result<T, Status> + Send + 'static,
) -> Result<T, Status> {
    tokio::task::spawn_blocking(f)
        .await
        .unwrap_or_else(|panicked| Err(error::internal(panicked.to_string())))
}
