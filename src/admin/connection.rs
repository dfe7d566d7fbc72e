//! Connections that a slow or silent client can't hold for long, and not many of them.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Instant, Sleep, sleep},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Connections at once.
const CONNECTIONS: usize = 64;

/// How long a connection may last before the first answer on it.
const FIRST: Duration = Duration::from_secs(10);

/// How long a connection may last after an answer on it: longer than the usual minute between
/// two scrapes, so that these share one.
const QUIET: Duration = Duration::from_secs(75);

/// Accepts whoever comes. When there are too many, the one that was quiet for the longest has to go:
/// were newcomers to wait instead, a thousand idle connections would keep a probe out.
#[derive(Debug)]
pub(super) struct Connections {
    listener: TcpListener,
    address: SocketAddr,
    places: Arc<Places>,
    first: Duration,
    quiet: Duration,
}

impl Connections {
    pub(super) fn new(listener: TcpListener, address: SocketAddr) -> Self {
        Self {
            listener,
            address,
            places: Arc::new(Places::new(CONNECTIONS)),
            first: FIRST,
            quiet: QUIET,
        }
    }
}

impl Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // Axum's own accept waits and tries again where the process is short of sockets.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let (place, has_to_go) = Places::take(&self.places, Instant::now());
        let connection = Connection {
            stream,
            quiet: self.quiet,
            deadline: Box::pin(sleep(self.first)),
            place,
            has_to_go: Box::pin(has_to_go.cancelled_owned()),
        };
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// The connections that there may be.
#[derive(Debug)]
struct Places {
    limit: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    by: Vec<Holder>,
}

#[derive(Debug)]
struct Holder {
    number: u64,
    answered: Instant,
    has_to_go: CancellationToken,
}

/// A connection's place, given back when dropped.
#[derive(Debug)]
struct Place {
    number: u64,
    places: Arc<Places>,
}

impl Places {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            taken: Mutex::default(),
        }
    }

    /// Takes a place, if need be that of whoever was quiet for the longest. The token tells when
    /// this one has to be given up in turn.
    fn take(places: &Arc<Self>, now: Instant) -> (Place, CancellationToken) {
        let mut taken = places.lock();
        while taken.by.len() >= places.limit {
            let quiet = taken.by.iter().enumerate();
            let Some((longest, _)) = quiet.min_by_key(|(_, holder)| holder.answered) else {
                break;
            };
            taken.by.swap_remove(longest).has_to_go.cancel();
        }
        let number = taken.next;
        taken.next += 1;
        let has_to_go = CancellationToken::new();
        taken.by.push(Holder {
            number,
            answered: now,
            has_to_go: has_to_go.clone(),
        });
        drop(taken);
        let places = places.clone();
        (Place { number, places }, has_to_go)
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn answered(&self, now: Instant) {
        let mut taken = self.places.lock();
        let mut holders = taken.by.iter_mut();
        if let Some(own) = holders.find(|holder| holder.number == self.number) {
            own.answered = now;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.by.retain(|holder| holder.number != self.number);
    }
}

/// A connection that fails once nothing was written to it for too long: its client asks nothing,
/// or asks a byte at a time, or doesn't read. Or once another needs its place.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    quiet: Duration,
    deadline: Pin<Box<Sleep>>,
    place: Place,
    has_to_go: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connection {
    /// What there is to say while the stream has nothing to say.
    fn pending<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if self.has_to_go.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
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
        let now = Instant::now();
        self.deadline.as_mut().reset(now + self.quiet);
        self.place.answered(now);
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
            first: Duration::from_millis(50),
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

    #[test]
    fn who_was_quiet_for_the_longest_gives_way_to_who_comes() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let places = Arc::new(Places::new(2));
        let (first, first_has_to_go) = Places::take(&places, start);
        let (_second, second_has_to_go) = Places::take(&places, start + second);
        first.answered(start + 2 * second);
        let (third, _) = Places::take(&places, start + 3 * second);
        assert!(second_has_to_go.is_cancelled());
        assert!(!first_has_to_go.is_cancelled());
        drop(third);
        let _fourth = Places::take(&places, start + 4 * second);
        assert!(!first_has_to_go.is_cancelled(), "there was a free place");
    }

    #[tokio::test]
    async fn a_connection_that_has_to_go_ends() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Connections {
            places: Arc::new(Places::new(1)),
            ..Connections::new(listener, address)
        };
        tokio::spawn(axum::serve(connections, Router::new()).into_future());
        let mut idle = TcpStream::connect(address).await.unwrap();
        // Accepted in order: once this one is answered, the other was there before.
        let mut busy = TcpStream::connect(address).await.unwrap();
        let ask = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        busy.write_all(ask).await.unwrap();
        assert_ne!(busy.read_u8().await.unwrap(), 0);
        let mut answer = Vec::new();
        let end = idle.read_to_end(&mut answer);
        let end = tokio::time::timeout(Duration::from_secs(5), end).await;
        assert!(end.is_ok(), "the idle one is still held");
    }
}
