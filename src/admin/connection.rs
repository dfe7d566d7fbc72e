//! Connections that a slow or silent client can't hold for long, and not many of them.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep},
};

/// Connections at once; more wait to be accepted.
const CONNECTIONS: usize = 64;

/// How long a connection may last without an answer on it: longer than the usual minute between
/// two scrapes, so that these share one.
const QUIET: Duration = Duration::from_secs(75);

/// Accepts so many connections at once.
#[derive(Debug)]
pub(super) struct Connections {
    listener: TcpListener,
    address: SocketAddr,
    free: Arc<Semaphore>,
    quiet: Duration,
}

impl Connections {
    pub(super) fn new(listener: TcpListener, address: SocketAddr) -> Self {
        Self {
            listener,
            address,
            free: Arc::new(Semaphore::new(CONNECTIONS)),
            quiet: QUIET,
        }
    }
}

impl Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let permit = self.free.clone().acquire_owned().await;
        // Axum's own accept waits and tries again where the process is short of sockets.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let connection = Connection {
            stream,
            quiet: self.quiet,
            deadline: Box::pin(sleep(self.quiet)),
            _permit: permit.ok(),
        };
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// A connection that fails once nothing was written to it for too long: its client asks nothing,
/// or asks a byte at a time, or doesn't read.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    quiet: Duration,
    deadline: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// What there is to say while the stream has nothing to say.
    fn pending<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        ready!(self.deadline.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn written<T>(
        &mut self,
        outcome: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_pending() {
            return self.pending(context);
        }
        let deadline = Instant::now() + self.quiet;
        self.deadline.as_mut().reset(deadline);
        outcome
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.deadline.is_elapsed() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending => self.pending(context),
            ready @ Poll::Ready(_) => ready,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::net::Ipv4Addr;

    use axum::Router;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_client_that_never_ends_its_request_is_cut_off() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Connections {
            quiet: Duration::from_millis(50),
            ..Connections::new(listener, address)
        };
        tokio::spawn(axum::serve(connections, Router::new()).into_future());
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
        let mut answer = Vec::new();
        // Ends, or is reset; it would wait for ever if the server did.
        let end = client.read_to_end(&mut answer);
        let end = tokio::time::timeout(Duration::from_secs(30), end).await;
        assert!(end.is_ok());
    }

    #[tokio::test]
    async fn one_connection_more_is_accepted_when_another_ends() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut connections = Connections {
            free: Arc::new(Semaphore::new(1)),
            ..Connections::new(listener, address)
        };
        let _clients = [
            TcpStream::connect(address).await.unwrap(),
            TcpStream::connect(address).await.unwrap(),
        ];
        let (first, _) = connections.accept().await;
        assert_eq!(connections.free.available_permits(), 0);
        let second = tokio::spawn(async move { connections.accept().await });
        drop(first);
        second.await.unwrap();
    }
}
