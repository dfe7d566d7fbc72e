//! TLS on the way to Qdrant, the registry and the embedding endpoint, with an authority of one's own.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
};
use vectide::{
    app::App,
    config::Config,
    stand_ins::{Endpoints, StandIns},
    telemetry::Lane,
};

use crate::{
    avro::AvroShop,
    shop::{lane, local, until},
};

/// A certificate for the loopback interface that is its own authority, for servers and clients, and its key.
fn pem(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/embed/tests")
        .join(name)
}

/// TLS in front of a server that has none. It ends when dropped.
struct Front {
    address: SocketAddr,
    /// What each connection agreed to speak, in their order; a handshake that failed is none.
    spoken: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clients {
    Anybody,
    Certified,
}

impl Front {
    /// In front of the server at `upstream`, which speaks `protocol` (as ALPN names it).
    async fn of(upstream: &str, protocol: &str, clients: Clients) -> Self {
        let upstream = upstream
            .trim_start_matches("http://")
            .split('/')
            .next()
            .unwrap()
            .to_owned();
        let certificate = CertificateDer::from_pem_file(pem("endpoint.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(pem("endpoint.key")).unwrap();
        let config = ServerConfig::builder();
        let config = if clients == Clients::Certified {
            let mut trusted = RootCertStore::empty();
            trusted.add(certificate.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder(Arc::new(trusted));
            config.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            config.with_no_client_auth()
        };
        let mut config = config.with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(local()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let spoken: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = spoken.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen, upstream) = (acceptor.clone(), seen.clone(), upstream.clone());
                tokio::spawn(async move {
                    let Ok(mut encrypted) = acceptor.accept(stream).await else {
                        return;
                    };
                    let (_, session) = encrypted.get_ref();
                    let agreed = session.alpn_protocol().unwrap_or_default();
                    let agreed = String::from_utf8_lossy(agreed).into_owned();
                    seen.lock().unwrap().push(agreed);
                    if let Ok(mut plain) = TcpStream::connect(upstream).await {
                        // Either side may end it at any time.
                        let _ = copy_bidirectional(&mut encrypted, &mut plain).await;
                    }
                });
            }
        });
        Self {
            address,
            spoken,
            accepting,
        }
    }

    /// The same place over TLS.
    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    fn spoken(&self) -> Vec<String> {
        self.spoken.lock().unwrap().clone()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A shop whose servers are all behind TLS; Qdrant wants a certificate.
struct Encrypted {
    avro: AvroShop,
    qdrant: Front,
    registry: Front,
    embeddings: Front,
}

impl Encrypted {
    async fn open() -> Self {
        let mut avro = AvroShop::open().await;
        let (qdrant, registry, embeddings) = (
            Front::of(&avro.shop.qdrant.url(), "h2", Clients::Certified).await,
            Front::of(&avro.registry.url(), "http/1.1", Clients::Anybody).await,
            Front::of(&avro.shop.embeddings.url(), "http/1.1", Clients::Anybody).await,
        );
        let config = &mut avro.shop.config;
        config.registry.urls = vec![registry.url("")];
        config.registry.ca_file = Some(pem("endpoint.pem"));
        config.embed.ca_file = Some(pem("endpoint.pem"));
        config.index.ca_file = Some(pem("endpoint.pem"));
        config.index.certificate_file = Some(pem("endpoint.pem"));
        config.index.key_file = Some(pem("endpoint.key"));
        Self {
            avro,
            qdrant,
            registry,
            embeddings,
        }
    }

    async fn start(config: Config, endpoints: Endpoints) -> anyhow::Result<App> {
        App::start_with(&config, StandIns::default(), endpoints).await
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            brokers: self.avro.shop.kafka.bootstrap_servers().to_owned(),
            index_url: self.qdrant.url(""),
            embed_url: self.embeddings.url("/v1"),
        }
    }

    async fn member(&self) -> App {
        Self::start(self.avro.shop.config.clone(), self.endpoints())
            .await
            .unwrap()
    }

    /// Looks until `/readyz` says of a start that Qdrant needs a person because of that. A server may hang up before
    /// its reason is read; then it is the next attempt's.
    async fn is_blocked(&self, because: &str) {
        let free = std::net::TcpListener::bind(local()).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut config = self.avro.shop.config.clone();
        config.admin.address = address;
        let starting = tokio::spawn(Self::start(config, self.endpoints()));
        until("the start to be blocked at Qdrant", async || {
            let answer = reqwest::get(format!("http://{address}/readyz")).await;
            let Ok(answer) = answer else { return false };
            let lines = answer.text().await.unwrap();
            lines.lines().any(|line| {
                let is_blocked = line.starts_with("index blocked") && line.contains("https://");
                is_blocked && line.contains(because)
            })
        })
        .await;
        starting.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_server_may_be_behind_tls_with_an_authority_of_ones_own() {
    let mut shop = Encrypted::open().await;
    let app = shop.member().await;
    shop.avro.put(1, "kettle", 1).await;
    shop.avro.put(2, "pan", 1).await;
    shop.avro.delete(1).await;
    shop.avro.shop.equal().await;
    shop.avro.shop.at_rest().await;
    app.stop().await.unwrap();
    for (front, protocol) in [
        (&shop.qdrant, "h2"),
        (&shop.registry, "http/1.1"),
        (&shop.embeddings, "http/1.1"),
    ] {
        let spoken = front.spoken();
        assert!(!spoken.is_empty());
        assert!(spoken.iter().all(|it| it == protocol), "{spoken:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_not_trusted_or_missing_is_named_and_all_goes_on_once_put_right() {
    let mut shop = Encrypted::open().await;
    let right = shop.avro.shop.config.clone();
    shop.avro.put(1, "kettle", 1).await;

    // Nothing but the system's authorities.
    shop.avro.shop.config.registry.ca_file = None;
    shop.avro.shop.config.embed.ca_file = None;
    let app = shop.member().await;
    let reason = lane(&app, Lane::Registry, "blocked").await;
    assert!(reason.contains("correct registry.ca_file"), "{reason}");
    app.stop().await.unwrap();

    shop.avro.shop.config = right.clone();
    shop.avro.shop.config.embed.ca_file = None;
    let app = shop.member().await;
    let reason = lane(&app, Lane::Embed, "blocked").await;
    assert!(reason.contains("correct embed.ca_file"), "{reason}");
    app.stop().await.unwrap();

    shop.avro.shop.config = right.clone();
    let app = shop.member().await;
    shop.avro.shop.equal().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn qdrants_certificate_and_the_one_it_wants_are_told_apart() {
    let mut shop = Encrypted::open().await;
    let right = shop.avro.shop.config.clone();
    shop.avro.put(1, "kettle", 1).await;
    let config = &mut shop.avro.shop.config;
    config.index.ca_file = None;
    shop.is_blocked("correct index.ca_file").await;

    shop.avro.shop.config = right.clone();
    shop.avro.shop.config.index.certificate_file = None;
    shop.avro.shop.config.index.key_file = None;
    shop.is_blocked("correct index.certificate_file").await;

    shop.avro.shop.config = right;
    let app = shop.member().await;
    shop.avro.shop.equal().await;
    until("the lane to be ready", async || {
        app.health().get(Lane::Index).label() == "ready"
    })
    .await;
    app.stop().await.unwrap();
}
