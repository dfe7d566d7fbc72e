//! Proxies, certificates, versions of HTTP, and further fields of the body.

use tokio::{
    io::{AsyncWriteExt as _, copy_bidirectional},
    net::TcpStream,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use super::*;

/// A certificate for the loopback interface that is its own authority, and its key.
const CERTIFICATE: &[u8] = include_bytes!("endpoint.pem");
const KEY: &[u8] = include_bytes!("endpoint.key");

/// Accepts connections over TLS, offering these versions of HTTP.
fn tls(versions: &[&str]) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = versions.iter().copied().map(Vec::from).collect();
    TlsAcceptor::from(Arc::new(config))
}

fn over_tls(address: SocketAddr, authorities: Option<&[u8]>) -> Settings {
    Settings {
        url: format!("https://{address}/v1"),
        authorities: authorities.map(Vec::from),
        ..settings(address)
    }
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_and_http_2_is_spoken_where_it_is_offered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shop = Shop::open(&over_tls(address, Some(CERTIFICATE)));
    shop.ask(&["tea"]);
    let (stream, _) = listener.accept().await.unwrap();
    let stream = tls(&["h2", "http/1.1"]).accept(stream).await.unwrap();
    let (_, session) = stream.get_ref();
    assert_eq!(session.alpn_protocol(), Some(b"h2".as_slice()));
}

#[tokio::test]
async fn a_certificate_that_nobody_answers_for_blocks_and_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            assert!(tls(&["h2", "http/1.1"]).accept(stream).await.is_err());
        }
    });
    let shop = Shop::open(&over_tls(address, None));
    shop.ask(&["tea"]);
    let LaneState::Blocked(reason) = shop.trouble().await else {
        panic!("it waits, which mends nothing");
    };
    assert!(reason.contains("correct embed.ca_file"), "{reason}");
    accepting.abort();
}

/// What answers on the port before the endpoint has its certificate: another listener.
#[tokio::test]
async fn an_endpoint_that_gets_its_certificate_is_found_without_a_restart() {
    let endpoint = Endpoint::start(|_, seen| seen.answer()).await;
    let (upstream, is_mended) = (endpoint.address, Arc::new(AtomicBool::new(false)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mended = is_mended.clone();
    let accepting = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if !mended.load(Ordering::Relaxed) {
                // A client that has seen enough hangs up.
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
                continue;
            }
            tokio::spawn(async move {
                let mut stream = tls(&["http/1.1"]).accept(stream).await.unwrap();
                let mut endpoint = TcpStream::connect(upstream).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut endpoint).await;
            });
        }
    });
    let mut shop = Shop::open(&over_tls(address, Some(CERTIFICATE)));
    shop.ask(&["tea"]);
    let LaneState::Blocked(reason) = shop.trouble().await else {
        panic!("it waits, which mends nothing");
    };
    assert!(reason.contains("speaks no TLS"), "{reason}");
    is_mended.store(true, Ordering::Relaxed);
    let EmbedReply { outcome, .. } = shop.replies.recv().await.unwrap();
    assert_eq!(outcome.map_err(|failure| failure.message), bought("tea"));
    accepting.abort();
}

#[tokio::test]
async fn requests_go_through_the_proxy_that_is_configured() {
    // A proxy is asked for the whole URL.
    let proxy = Endpoint::start(|_, seen| seen.answer()).await;
    let mut shop = Shop::open(&Settings {
        url: "http://embeddings.internal/v1".into(),
        proxy: Some(Proxy {
            url: format!("http://{}", proxy.address),
            login: Some(("me".into(), Secret::new("pw"))),
        }),
        ..settings(proxy.address)
    });
    assert_eq!(shop.buy(&["tea"]).await, [bought("tea")]);
    let request = proxy.seen().remove(0);
    assert_eq!(request.uri, "http://embeddings.internal/v1/embeddings");
    let expected = format!("Basic {}", BASE64_STANDARD.encode("me:pw"));
    assert_eq!(request.headers["proxy-authorization"], expected.as_str());
}

#[test]
fn a_proxy_that_is_none_is_refused() {
    let settings = Settings {
        proxy: Some(Proxy {
            url: "http://".into(),
            login: None,
        }),
        ..settings("127.0.0.1:1".parse().unwrap())
    };
    let error = Client::new(&settings).unwrap_err();
    assert_eq!(error.to_string(), "embed.proxy.url can't be used");
}

#[test]
fn authorities_that_are_none_are_refused() {
    let settings = Settings {
        authorities: Some(b"-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n".to_vec()),
        ..settings("127.0.0.1:1".parse().unwrap())
    };
    assert!(matches!(Client::new(&settings), Err(EmbedError::Client(_))));
}

#[tokio::test]
async fn further_fields_of_the_body_are_sent_as_what_they_are() {
    let endpoint = Endpoint::start(|_, seen| seen.answer()).await;
    let config = crate::config::EmbedConfig {
        model: "small".into(),
        dimensions: 2,
        body: [
            ("input_type", "document"),
            ("truncation", "true"),
            ("output_dimension", "512"),
            ("version", "\"4\""),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
        ..crate::config::EmbedConfig::default()
    };
    let url = format!("http://{}/v1", endpoint.address);
    let settings = Settings::new(&config, &url).unwrap();
    let mut shop = Shop::open(&settings);
    assert_eq!(shop.buy(&["tea"]).await, [bought("tea")]);
    let body = endpoint.seen().remove(0).body;
    assert_eq!(body["input_type"], "document");
    assert_eq!(body["truncation"], true);
    assert_eq!(body["output_dimension"], 512);
    assert_eq!(body["version"], "4");
    assert_eq!(body["dimensions"], 2);
}
