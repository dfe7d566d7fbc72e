//! The whole stage against an endpoint on the loopback interface.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod hedges;
#[cfg(feature = "embedded")]
mod measured;
mod providers;
mod seen;
mod transport;

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};

use super::*;
use crate::{
    config::Secret,
    cost::{
        Reason,
        books_tests::{Hand, books},
    },
};

const MS: Duration = Duration::from_millis(1);

/// A request as the endpoint saw it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    uri: Uri,
    headers: HeaderMap,
    body: Value,
}

impl Seen {
    pub(super) fn inputs(&self) -> Vec<String> {
        serde_json::from_value(self.body["input"].clone()).unwrap()
    }

    /// What a well-behaved endpoint answers: for each text its length, and 1.
    pub(super) fn answer(&self) -> Response {
        let base64 = self.body["encoding_format"] == "base64";
        self.answer_as(base64)
    }

    fn answer_as(&self, base64: bool) -> Response {
        let data: Vec<Value> = self
            .inputs()
            .iter()
            .enumerate()
            .map(|(index, text)| {
                let vector = [text.len() as f32, 1.0];
                let embedding = if base64 {
                    BASE64_STANDARD
                        .encode(vector.map(f32::to_le_bytes).concat())
                        .into()
                } else {
                    json!(vector)
                };
                json!({"object": "embedding", "index": index, "embedding": embedding})
            })
            .collect();
        axum::Json(json!({"object": "list", "data": data, "usage": {"prompt_tokens": 3}}))
            .into_response()
    }
}

fn error(status: u16, message: &str) -> Response {
    let body = json!({"error": {"message": message, "type": "some", "param": null, "code": null}});
    (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
}

/// An endpoint that does to its requests, numbered from 0, what `behave` says.
pub(super) struct Endpoint {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _serving: JoinSet<()>,
}

impl Endpoint {
    pub(super) async fn start(
        behave: impl Fn(usize, &Seen) -> Response + Send + Sync + 'static,
    ) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), behave).await
    }

    async fn start_at(
        address: SocketAddr,
        behave: impl Fn(usize, &Seen) -> Response + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (behave, record) = (Arc::new(behave), Arc::clone(&seen));
        let app = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let now = Seen {
                uri,
                headers,
                body: serde_json::from_slice(&body).unwrap(),
            };
            let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
            let response = behave(record.len(), &now);
            record.push(now);
            async { response }
        });
        let mut serving = JoinSet::new();
        serving.spawn(async { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            seen,
            _serving: serving,
        }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

pub(super) fn settings(address: SocketAddr) -> Settings {
    Settings {
        url: format!("http://{address}/v1"),
        model: "small".into(),
        dimensions: 2,
        send_dimensions: true,
        encoding_format: EncodingFormat::Base64,
        api_key: None,
        api_key_header: "authorization".into(),
        query: BTreeMap::new(),
        body: serde_json::Map::new(),
        query_body: serde_json::Map::new(),
        authorities: None,
        proxy: None,
        timeout: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(5),
        hedge_after: None,
        concurrency: 4,
        batch_inputs: 8,
        batch_linger: MS,
        batch_tokens: None,
        input_limit: InputLimit::Unknown,
        requests_per_minute: None,
        tokens_per_minute: None,
        retry_initial: MS,
        retry_max: 20 * MS,
    }
}

/// A running stage and somebody who asks it.
pub(super) struct Shop {
    embedder: Embedder,
    metrics: EmbedMetrics,
    pub(super) health: Health,
    shutdown: CancellationToken,
    wish: Arc<Wish>,
    reply: UnboundedSender<EmbedReply>,
    replies: UnboundedReceiver<EmbedReply>,
}

impl Shop {
    fn open(settings: &Settings) -> Self {
        Self::open_with(settings, books(None, None, &Hand::default()))
    }

    pub(super) fn open_with(settings: &Settings, books: Books) -> Self {
        let metrics = EmbedMetrics::register(&prometheus::Registry::new()).unwrap();
        let health = Health::default();
        let shutdown = CancellationToken::new();
        let (reply, replies) = mpsc::unbounded_channel();
        Self {
            embedder: Embedder::start(
                settings,
                metrics.clone(),
                books,
                health.clone(),
                shutdown.clone(),
            )
            .unwrap(),
            metrics,
            health,
            shutdown,
            wish: Arc::new(Wish::default()),
            reply,
            replies,
        }
    }

    pub(super) fn ask(&self, texts: &[&str]) {
        for (ticket, text) in (0..).zip(texts) {
            self.embedder.submit(EmbedRequest {
                ticket: Ticket(ticket),
                text: (*text).into(),
                purpose: Purpose {
                    table: "shop.products".into(),
                    reason: Reason::New,
                },
                priority: Priority::Fresh,
                wanted: Arc::downgrade(&self.wish),
                seen: None,
                reply: self.reply.clone(),
            });
        }
    }

    /// Asks, and waits for all replies: vectors or messages, in the order of the texts.
    pub(super) async fn buy(&mut self, texts: &[&str]) -> Vec<Result<PointVector, String>> {
        self.ask(texts);
        let mut replies = BTreeMap::new();
        while replies.len() < texts.len() {
            let EmbedReply { ticket, outcome } = self.replies.recv().await.unwrap();
            replies.insert(ticket, outcome.map_err(|failure| failure.message));
        }
        replies.into_values().collect()
    }

    /// Waits until the lane is not ready, and says why.
    async fn trouble(&self) -> LaneState {
        loop {
            match self.health.get(Lane::Embed) {
                LaneState::Ready => tokio::time::sleep(MS).await,
                state => return state,
            }
        }
    }
}

#[allow(clippy::unnecessary_wraps, reason = "it is compared with replies")]
fn bought(text: &str) -> Result<PointVector, String> {
    Ok(Vector::from_iter([text.len() as f32, 1.0]).into())
}

#[tokio::test]
async fn a_request_speaks_the_protocol() {
    let endpoint = Endpoint::start(|_, seen| seen.answer()).await;
    let mut shop = Shop::open(&Settings {
        api_key: Some(Secret::new("sk-1")),
        query: BTreeMap::from([("api-version".into(), "2024-10-21".into())]),
        ..settings(endpoint.address)
    });
    let texts = ["a \"quoted\" tea\npot", "Schraubenschlüssel", ""];
    let expected: Vec<_> = texts.map(bought).into();
    assert_eq!(shop.buy(&texts).await, expected);

    let seen = endpoint.seen();
    let [request] = seen.as_slice() else {
        panic!("{seen:?}");
    };
    assert_eq!(request.uri, "/v1/embeddings?api-version=2024-10-21");
    assert_eq!(
        request.body,
        json!({"model": "small", "input": texts, "encoding_format": "base64", "dimensions": 2})
    );
    assert_eq!(request.headers["authorization"], "Bearer sk-1");
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["accept-encoding"], "identity");
    let agent = request.headers["user-agent"].to_str().unwrap();
    assert!(agent.starts_with("vectide/"), "{agent}");
    assert_eq!(shop.metrics.tokens.get(), 3);
    assert_eq!(shop.metrics.inputs.get(), 3);
    assert_eq!(shop.metrics.in_flight.get(), 0);
}

#[tokio::test]
async fn another_header_takes_the_key_alone() {
    let endpoint = Endpoint::start(|_, seen| seen.answer()).await;
    let mut shop = Shop::open(&Settings {
        url: format!("http://{}/openai/", endpoint.address),
        api_key: Some(Secret::new("1234")),
        api_key_header: "api-key".into(),
        send_dimensions: false,
        encoding_format: EncodingFormat::Float,
        ..settings(endpoint.address)
    });
    assert_eq!(shop.buy(&["tea"]).await, [bought("tea")]);
    let request = endpoint.seen().remove(0);
    assert_eq!(request.uri, "/openai/embeddings");
    assert_eq!(request.headers["api-key"], "1234");
    assert!(!request.headers.contains_key("authorization"));
    assert_eq!(
        request.body,
        json!({"model": "small", "input": ["tea"], "encoding_format": "float"})
    );
}

#[tokio::test]
async fn numbers_may_come_compressed() {
    let endpoint = Endpoint::start(|_, seen| {
        assert_eq!(seen.headers["accept-encoding"], "gzip");
        let body = json!({"data": [{"index": 0, "embedding": [3, 1]}]});
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(body.to_string().as_bytes()).unwrap();
        ([("content-encoding", "gzip")], gzip.finish().unwrap()).into_response()
    })
    .await;
    let mut shop = Shop::open(&Settings {
        encoding_format: EncodingFormat::Float,
        ..settings(endpoint.address)
    });
    assert_eq!(shop.buy(&["tea"]).await, [bought("tea")]);
}

#[tokio::test]
async fn an_endpoint_that_ignores_base64_is_understood() {
    let endpoint = Endpoint::start(|_, seen| seen.answer_as(false)).await;
    let mut shop = Shop::open(&settings(endpoint.address));
    assert_eq!(shop.buy(&["tea"]).await, [bought("tea")]);
}

#[tokio::test]
async fn an_endpoint_that_refuses_base64_is_asked_for_numbers_from_then_on() {
    let endpoint = Endpoint::start(|_, seen| {
        if seen.body["encoding_format"] == "base64" {
            error(400, "unsupported parameter")
        } else {
            seen.answer()
        }
    })
    .await;
    let mut shop = Shop::open(&settings(endpoint.address));
    assert_eq!(shop.buy(&["tea"]).await, [bought("tea")]);
    assert_eq!(shop.buy(&["coffee"]).await, [bought("coffee")]);
    assert_eq!(endpoint.seen().len(), 3);
    assert!(check(&settings(endpoint.address)).await.is_ok());
}

#[tokio::test]
async fn the_words_of_a_search_are_sent_with_the_fields_for_queries() {
    let endpoint = Endpoint::start(|_, seen| seen.answer()).await;
    let fields = |fields: Value| fields.as_object().unwrap().clone();
    let settings = Settings {
        body: fields(json!({"input_type": "document", "truncation": true})),
        query_body: fields(json!({"input_type": "query"})),
        ..settings(endpoint.address)
    };
    vector_of(&settings, "tea").await.unwrap();
    Shop::open(&settings).buy(&["tea"]).await[0]
        .as_ref()
        .unwrap();
    let sent = endpoint.seen();
    let sent = sent
        .iter()
        .map(|seen| (&seen.body["input_type"], &seen.body["truncation"]));
    let sent: Vec<_> = sent.collect();
    assert_eq!(
        sent,
        [
            (&json!("query"), &json!(true)),
            (&json!("document"), &json!(true))
        ]
    );
}

#[tokio::test]
async fn what_passes_by_itself_is_waited_out() {
    let endpoint = Endpoint::start(|n, seen| match n {
        0 => error(500, "oops"),
        1 => error(503, "overloaded"),
        2 => error(408, "slow"),
        3 => ([("retry-after-ms", "5")], error(429, "slowly")).into_response(),
        4 => r#"{"data":[{"index":0,"embedding":"AACAP"#.into_response(),
        5 => axum::Json(json!({"data": []})).into_response(),
        6 => axum::Json(json!({"error": {"message": "upstream failed"}})).into_response(),
        7 => Body::from_stream(futures_util::stream::iter([
            Ok(Bytes::from_static(b"{\"data\":")),
            Err(io::Error::other("cut off")),
        ]))
        .into_response(),
        _ => seen.answer(),
    })
    .await;
    let mut shop = Shop::open(&settings(endpoint.address));
    assert_eq!(shop.buy(&["tea"]).await, [bought("tea")]);
    assert_eq!(shop.health.get(Lane::Embed), LaneState::Ready);
    let retries = |reason| shop.metrics.retries.with_label_values(&[reason]).get();
    let counted = [
        "http_500",
        "http_503",
        "http_408",
        "http_429",
        "malformed_answer",
        "io",
    ];
    assert_eq!(counted.map(retries), [1, 1, 1, 1, 3, 1]);
    let outcomes = |outcome| shop.metrics.requests.with_label_values(&[outcome]).get();
    assert_eq!(["transient", "throttled", "ok"].map(outcomes), [7, 1, 1]);
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_yet_is_waited_for() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let mut shop = Shop::open(&settings(address));
    shop.ask(&["tea"]);
    let LaneState::Waiting(reason) = shop.trouble().await else {
        panic!("blocked");
    };
    let expected =
        format!("the embedding endpoint http://{address}/v1/embeddings can't be reached: ");
    assert!(reason.starts_with(&expected), "{reason}");
    assert!(reason.contains("refused"), "{reason}");

    let _endpoint = Endpoint::start_at(address, |_, seen| seen.answer()).await;
    let reply = shop.replies.recv().await.unwrap();
    assert_eq!(reply.outcome, Ok(Vector::from_iter([3.0, 1.0]).into()));
    assert_eq!(shop.health.get(Lane::Embed), LaneState::Ready);
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_in_time_is_asked_again() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let shop = Shop::open(&Settings {
        timeout: 20 * MS,
        ..settings(silent.local_addr().unwrap())
    });
    shop.ask(&["tea"]);
    let first = silent.accept().await.unwrap();
    let again = silent.accept().await.unwrap();
    assert!(shop.metrics.retries.with_label_values(&["timeout"]).get() >= 1);
    drop((first, again));
}

#[tokio::test]
async fn a_wrong_key_blocks_the_lane_until_it_is_mended() {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let endpoint = Endpoint::start(move |_, seen| {
        if is_mended.load(Ordering::Relaxed) {
            seen.answer()
        } else {
            error(401, "no such key: sk-1")
        }
    })
    .await;
    let mut shop = Shop::open(&Settings {
        api_key: Some(Secret::new("sk-1")),
        ..settings(endpoint.address)
    });
    shop.ask(&["tea"]);
    let expected = format!(
        "the embedding endpoint does not accept the key: correct embed.api_key and embed.api_key_header \
         (http://{}/v1/embeddings said HTTP 401: no such key: ***)",
        endpoint.address
    );
    assert_eq!(shop.trouble().await, LaneState::Blocked(expected));
    mended.store(true, Ordering::Relaxed);
    let reply = shop.replies.recv().await.unwrap();
    assert_eq!(reply.outcome, Ok(Vector::from_iter([3.0, 1.0]).into()));
    assert_eq!(shop.health.get(Lane::Embed), LaneState::Ready);
}

#[tokio::test]
async fn vectors_of_another_length_block_the_lane() {
    let endpoint = Endpoint::start(|_, seen| seen.answer()).await;
    let shop = Shop::open(&Settings {
        dimensions: 3,
        ..settings(endpoint.address)
    });
    shop.ask(&["tea"]);
    let LaneState::Blocked(reason) = shop.trouble().await else {
        panic!("not blocked");
    };
    assert_eq!(
        reason,
        format!(
            "the model \"small\" makes vectors of length 2, and embed.dimensions is 3: \
             correct the one or the other (http://{}/v1/embeddings answered)",
            endpoint.address
        )
    );
}

#[tokio::test]
async fn a_redirect_is_named_and_not_followed() {
    let endpoint =
        Endpoint::start(|_, _| (StatusCode::FOUND, [("location", "/elsewhere")]).into_response())
            .await;
    let error = check(&settings(endpoint.address)).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("set embed.url to where it redirects to"),
        "{error}"
    );
    assert_eq!(endpoint.seen().len(), 1);
}

#[tokio::test]
async fn one_text_that_is_refused_costs_its_siblings_nothing() {
    let endpoint = Endpoint::start(|_, seen| {
        if seen.inputs().iter().any(|text| text.len() > 10) {
            error(400, "maximum context length is 10 tokens")
        } else {
            seen.answer()
        }
    })
    .await;
    let mut shop = Shop::open(&settings(endpoint.address));
    let texts = ["a", "b", "c", "d", "e", "far too long", "g", "h"];
    let replies = shop.buy(&texts).await;
    for (text, reply) in texts.into_iter().zip(replies) {
        if text == "far too long" {
            assert_eq!(
                reply.unwrap_err(),
                "the embedding endpoint refuses the text (“HTTP 400: maximum context length is 10 tokens”)"
            );
        } else {
            assert_eq!(reply, bought(text));
        }
    }
    assert_eq!(shop.health.get(Lane::Embed), LaneState::Ready);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let endpoint = Endpoint::start(|n, seen| match n {
        0 => Body::from_stream(futures_util::stream::repeat_with(|| {
            Ok::<_, io::Error>(Bytes::from_static(&[b' '; 4096]))
        }))
        .into_response(),
        _ => seen.answer(),
    })
    .await;
    let mut shop = Shop::open(&settings(endpoint.address));
    assert_eq!(shop.buy(&["tea"]).await, [bought("tea")]);
    assert_eq!(
        shop.metrics
            .retries
            .with_label_values(&["malformed_answer"])
            .get(),
        1
    );
}

#[tokio::test]
async fn answers_of_real_size_are_read() {
    let endpoint = Endpoint::start(|_, seen| {
        let vector: Vec<f32> = (0..1536_u16).map(f32::from).collect();
        let bytes: Vec<u8> = vector
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        let embedding = BASE64_STANDARD.encode(bytes);
        let data: Vec<Value> = (0..seen.inputs().len())
            .map(|index| json!({"index": index, "embedding": embedding}))
            .collect();
        axum::Json(json!({"data": data})).into_response()
    })
    .await;
    let mut shop = Shop::open(&Settings {
        dimensions: 1536,
        batch_inputs: 128,
        ..settings(endpoint.address)
    });
    let texts: Vec<String> = (0..128).map(|n| format!("text {n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for reply in shop.buy(&texts).await {
        let reply = reply.unwrap();
        let [vector] = reply.vectors() else {
            panic!("{reply:?}")
        };
        assert_eq!(vector.dimensions(), 1536);
        assert_eq!(vector.floats().last(), Some(1535.0));
    }
}

#[tokio::test]
async fn a_shutdown_gives_up_what_is_under_way() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut shop = Shop::open(&settings(silent.local_addr().unwrap()));
    shop.ask(&["tea"]);
    let _connection = silent.accept().await.unwrap();
    shop.shutdown.cancel();
    drop(shop.reply);
    assert_eq!(shop.replies.recv().await, None);
}

#[test]
fn settings_that_cannot_work_say_why() {
    let address = "127.0.0.1:1".parse().unwrap();
    let message = |change: fn(&mut Settings)| {
        let mut settings = settings(address);
        settings.api_key = Some(Secret::new("sk-1"));
        change(&mut settings);
        Client::new(&settings).unwrap_err().to_string()
    };
    assert_eq!(
        message(|settings| settings.url = "localhost:8080".into()),
        "embed.url \"localhost:8080\" can't be used: it starts with neither http:// nor https://"
    );
    assert_eq!(
        message(|settings| settings.url = "/v1".into()),
        "embed.url \"/v1\" can't be used: relative URL without a base"
    );
    assert_eq!(
        message(|settings| settings.url = "https://me:pw@localhost".into()),
        "embed.url must not carry a user name or password: use embed.api_key"
    );
    assert_eq!(
        message(|settings| settings.api_key_header = "my key".into()),
        "embed.api_key_header \"my key\" is not the name of an HTTP header"
    );
    assert_eq!(
        message(|settings| settings.api_key = Some(Secret::new("sk-1\n"))),
        "the key of embed.api_key has characters that an HTTP header can't carry, such as a line end"
    );
}

#[tokio::test]
async fn while_a_person_wants_it_nothing_is_bought_and_nothing_is_lost() {
    let endpoint = Endpoint::start(|_, seen| seen.answer()).await;
    let mut shop = Shop::open(&Settings {
        batch_linger: Duration::ZERO,
        ..settings(endpoint.address)
    });
    shop.health.pause_embed(true);
    shop.ask(&["tea"]);
    // Were it not paused, the text would be sent before it is counted.
    while shop.metrics.queue.get() == 0 {
        tokio::time::sleep(MS).await;
    }
    assert_eq!(shop.metrics.in_flight.get(), 0);
    assert!(endpoint.seen().is_empty());

    shop.health.pause_embed(false);
    let reply = shop.replies.recv().await.unwrap();
    assert_eq!(reply.outcome.unwrap(), bought("tea").unwrap());
    assert_eq!(shop.health.get(Lane::Embed), LaneState::Ready);
}
