//! What lies between one member and one server: a proxy that can hold, slow, shorten and cut every connection.
//!
//! Kafka's clients are told by the brokers where the brokers are. So a proxy for Kafka reads the frames and puts its own ports in
//! the place of the brokers': the addresses in an answer keep their length.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// What the stand-ins listen on, and the proxies.
const HOST: &str = "127.0.0.1";

/// The key of a Produce request in Kafka's protocol.
const PRODUCE: i16 = 0;

/// Larger than any frame of the suite; a length beyond it means that the proxy has lost its place.
const MAX_FRAME: usize = 64 << 20;

/// How the connections fare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Weather {
    /// All that is sent arrives.
    #[default]
    Fair,
    /// Nothing arrives, until the weather changes: then all that was sent does, however late.
    Held,
    /// Each piece, of up to 16 KiB, arrives late.
    Slow(Duration),
    /// A connection is reset when this many bytes of answers have passed.
    Short(usize),
    /// Connections are reset at once.
    Closed,
    /// Kafka's Produce requests are held, and nothing else: no dead letter arrives.
    NoLetters,
}

/// What the bytes are.
#[derive(Debug, Clone)]
enum Protocol {
    Opaque,
    /// Kafka's frames, and where the brokers' ports lead here.
    Kafka(Arc<BTreeMap<u16, u16>>),
}

/// A proxy in front of one or several servers of a kind. It ends when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    ports: Vec<u16>,
    link: Link,
    _closing: DropGuard,
}

/// What the connections of a proxy share.
#[derive(Debug, Clone)]
struct Link {
    weather: Arc<watch::Sender<Weather>>,
    /// Counts the cuts: a connection ends when it changes.
    cuts: Arc<watch::Sender<u64>>,
    /// Bytes of requests that wait for other weather.
    held: Arc<AtomicUsize>,
    closing: CancellationToken,
}

impl Proxy {
    /// In front of a server whose protocol does not matter.
    pub(crate) async fn opaque(upstream: u16) -> io::Result<Self> {
        Self::start(&[upstream], |_| Protocol::Opaque).await
    }

    /// In front of all brokers of a cluster.
    pub(crate) async fn kafka(brokers: &[u16]) -> io::Result<Self> {
        Self::start(brokers, |ports| Protocol::Kafka(Arc::new(ports))).await
    }

    async fn start(
        upstreams: &[u16],
        protocol: impl FnOnce(BTreeMap<u16, u16>) -> Protocol,
    ) -> io::Result<Self> {
        let closing = CancellationToken::new();
        let link = Link {
            weather: Arc::default(),
            cuts: Arc::default(),
            held: Arc::default(),
            closing: closing.clone(),
        };
        let mut listeners = Vec::new();
        for _ in upstreams {
            listeners.push(TcpListener::bind((HOST, 0)).await?);
        }
        let ports: Vec<u16> = listeners
            .iter()
            .map(|listener| listener.local_addr().map(|address| address.port()))
            .collect::<io::Result<_>>()?;
        let protocol = protocol(
            upstreams
                .iter()
                .copied()
                .zip(ports.iter().copied())
                .collect(),
        );
        for (listener, upstream) in listeners.into_iter().zip(upstreams.iter().copied()) {
            let (link, protocol) = (link.clone(), protocol.clone());
            tokio::spawn(async move {
                let closing = link.closing.clone();
                tokio::select! {
                    () = closing.cancelled() => {}
                    () = link.accept(listener, upstream, protocol) => {}
                }
            });
        }
        Ok(Self {
            ports,
            link,
            _closing: closing.drop_guard(),
        })
    }

    /// The addresses that clients take for the servers', comma separated.
    pub(crate) fn addresses(&self) -> String {
        let addresses: Vec<String> = self
            .ports
            .iter()
            .map(|port| format!("{HOST}:{port}"))
            .collect();
        addresses.join(",")
    }

    /// From now on.
    pub(crate) fn set(&self, weather: Weather) {
        self.link.weather.send_replace(weather);
    }

    /// How many bytes of requests were sent and wait for other weather.
    pub(crate) fn held(&self) -> usize {
        self.link.held.load(Ordering::Relaxed)
    }

    /// Resets every connection there is.
    pub(crate) fn cut(&self) {
        self.link.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Link {
    async fn accept(&self, listener: TcpListener, upstream: u16, protocol: Protocol) {
        while let Ok((client, _)) = listener.accept().await {
            let (link, protocol) = (self.clone(), protocol.clone());
            tokio::spawn(async move {
                // However a connection ends, both of its sides notice.
                let _ = link.connect(client, upstream, protocol).await;
            });
        }
    }

    async fn connect(
        &self,
        client: TcpStream,
        upstream: u16,
        protocol: Protocol,
    ) -> io::Result<()> {
        let mut cuts = self.cuts.subscribe();
        cuts.borrow_and_update();
        let server = TcpStream::connect((HOST, upstream)).await?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            // Closing then resets, which is what a cut is.
            stream.set_zero_linger()?;
        }
        let (client_reads, client_writes) = split(client);
        let (server_reads, server_writes) = split(server);
        let requests = Pipe::new(self, client_reads, server_writes, Direction::Requests);
        let answers = Pipe::new(self, server_reads, client_writes, Direction::Answers);
        tokio::select! {
            () = self.closing.cancelled() => Ok(()),
            _ = cuts.changed() => Ok(()),
            ended = async { tokio::try_join!(requests.run(&protocol), answers.run(&protocol)) } => {
                ended.map(|_| ())
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Requests,
    Answers,
}

/// One direction of one connection.
struct Pipe {
    weather: watch::Receiver<Weather>,
    held: Arc<AtomicUsize>,
    from: ReadHalf<TcpStream>,
    to: WriteHalf<TcpStream>,
    direction: Direction,
    passed: usize,
}

impl Pipe {
    fn new(
        link: &Link,
        from: ReadHalf<TcpStream>,
        to: WriteHalf<TcpStream>,
        direction: Direction,
    ) -> Self {
        Self {
            weather: link.weather.subscribe(),
            held: link.held.clone(),
            from,
            to,
            direction,
            passed: 0,
        }
    }

    async fn run(mut self, protocol: &Protocol) -> io::Result<()> {
        match protocol {
            Protocol::Opaque => {
                let mut piece = vec![0; 16 << 10];
                loop {
                    let length = self.from.read(&mut piece).await?;
                    if length == 0 {
                        return self.end().await;
                    }
                    let mut sent = piece[..length].to_vec();
                    self.hold(&mut sent).await?;
                    self.pass(&sent, None).await?;
                }
            }
            Protocol::Kafka(ports) => loop {
                let Ok(length) = self.from.read_u32().await else {
                    return self.end().await;
                };
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                if length > MAX_FRAME {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                let mut frame = vec![0; 4 + length];
                frame[..4].copy_from_slice(&u32::try_from(length).unwrap_or(0).to_be_bytes());
                self.from.read_exact(&mut frame[4..]).await?;
                let request = match self.direction {
                    Direction::Requests => frame
                        .get(4..6)
                        .map(|key| i16::from_be_bytes([key[0], key[1]])),
                    Direction::Answers => {
                        redirect(&mut frame, ports);
                        None
                    }
                };
                self.pass(&frame, request).await?;
            },
        }
    }

    /// What was sent before the end arrives; the other direction may have more to say.
    async fn end(&mut self) -> io::Result<()> {
        self.to.shutdown().await
    }

    /// While nothing arrives, the sender can go on sending.
    async fn hold(&mut self, sent: &mut Vec<u8>) -> io::Result<()> {
        let held = self.held.clone();
        let mut counted = 0;
        let count = |length: usize, counted: &mut usize| {
            held.fetch_add(length - *counted, Ordering::Relaxed);
            *counted = length;
        };
        let is_request = self.direction == Direction::Requests;
        while *self.weather.borrow_and_update() == Weather::Held {
            if is_request {
                count(sent.len(), &mut counted);
            }
            tokio::select! {
                changed = self.weather.changed() => {
                    changed.map_err(|_| io::ErrorKind::ConnectionReset)?;
                }
                read = self.from.read_buf(sent) => if read? == 0 {
                    break;
                }
            }
        }
        held.fetch_sub(counted, Ordering::Relaxed);
        Ok(())
    }

    /// Passes one piece on when the weather lets it; `request` is Kafka's key of it.
    async fn pass(&mut self, piece: &[u8], request: Option<i16>) -> io::Result<()> {
        loop {
            let weather = *self.weather.borrow_and_update();
            match weather {
                Weather::NoLetters if request == Some(PRODUCE) => {}
                Weather::Held => {}
                Weather::Fair | Weather::NoLetters => break,
                Weather::Closed => return Err(io::ErrorKind::ConnectionReset.into()),
                Weather::Slow(delay) => {
                    sleep(delay).await;
                    break;
                }
                Weather::Short(limit) => {
                    let room = limit.saturating_sub(self.passed);
                    if self.direction == Direction::Requests || room >= piece.len() {
                        break;
                    }
                    self.to.write_all(&piece[..room]).await?;
                    self.to.flush().await?;
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
            }
            let ended = self.weather.changed().await;
            ended.map_err(|_| io::ErrorKind::ConnectionReset)?;
        }
        self.passed += piece.len();
        self.to.write_all(piece).await
    }
}

/// Puts the proxy's ports in the place of the brokers'. In every version of Kafka's answers the port,
/// four bytes, follows the host's name.
fn redirect(frame: &mut [u8], ports: &BTreeMap<u16, u16>) {
    let host = HOST.as_bytes();
    let mut at = 0;
    while let Some(found) = frame[at..]
        .windows(host.len())
        .position(|window| window == host)
    {
        at += found + host.len();
        let Some(port) = frame.get_mut(at..at + 4) else {
            return;
        };
        let number = u32::from_be_bytes([port[0], port[1], port[2], port[3]]);
        let ours = u16::try_from(number).ok().and_then(|it| ports.get(&it));
        if let Some(ours) = ours {
            port.copy_from_slice(&u32::from(*ours).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers every byte with the same byte.
    async fn echo() -> u16 {
        let listener = TcpListener::bind((HOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut reads, mut writes) = stream.into_split();
                    let _ = tokio::io::copy(&mut reads, &mut writes).await;
                });
            }
        });
        port
    }

    #[tokio::test]
    async fn what_was_held_arrives_when_the_weather_is_fair_again() {
        let proxy = Proxy::opaque(echo().await).await.unwrap();
        let mut client = TcpStream::connect(proxy.addresses()).await.unwrap();
        client.write_all(b"a").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'a');
        proxy.set(Weather::Held);
        client.write_all(b"b").await.unwrap();
        while proxy.held() < 1 {
            tokio::task::yield_now().await;
        }
        client.write_all(b"c").await.unwrap();
        while proxy.held() < 2 {
            tokio::task::yield_now().await;
        }
        proxy.set(Weather::Fair);
        assert_eq!(client.read_u8().await.unwrap(), b'b');
        assert_eq!(client.read_u8().await.unwrap(), b'c');
        assert_eq!(proxy.held(), 0);
    }

    #[tokio::test]
    async fn a_cut_resets_the_connections_there_are_and_no_later_one() {
        let proxy = Proxy::opaque(echo().await).await.unwrap();
        let mut client = TcpStream::connect(proxy.addresses()).await.unwrap();
        client.write_all(b"a").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'a');
        proxy.cut();
        assert!(client.read_u8().await.is_err());
        let mut client = TcpStream::connect(proxy.addresses()).await.unwrap();
        client.write_all(b"b").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'b');
    }

    #[tokio::test]
    async fn a_short_connection_ends_in_the_middle_of_an_answer() {
        let proxy = Proxy::opaque(echo().await).await.unwrap();
        proxy.set(Weather::Short(3));
        let mut client = TcpStream::connect(proxy.addresses()).await.unwrap();
        client.write_all(b"abcdef").await.unwrap();
        let mut answer = Vec::new();
        let ended = client.read_to_end(&mut answer).await;
        assert!(ended.is_err(), "{ended:?}");
    }

    #[test]
    fn only_the_ports_of_brokers_are_replaced() {
        let ports = BTreeMap::from([(9092, 40_001)]);
        let mut frame =
            b"..127.0.0.1\x00\x00\x23\x84..127.0.0.1\x00\x00\x00\x01 127.0.0.1".to_vec();
        redirect(&mut frame, &ports);
        assert_eq!(
            frame,
            b"..127.0.0.1\x00\x00\x9c\x41..127.0.0.1\x00\x00\x00\x01 127.0.0.1"
        );
    }
}
