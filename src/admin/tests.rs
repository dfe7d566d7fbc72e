//! The endpoint as a monitoring system sees it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, Ordering},
    time::SystemTime,
};

use reqwest::{Method, Response, header::ACCEPT};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;
use crate::{
    config::{Config, Secret},
    telemetry::{Lane, LaneState},
};

const TOKEN: &str = "a-token-of-24-characters";

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(30);

struct Endpoint {
    admin: Admin,
    health: Health,
    live: Arc<AtomicBool>,
    drain: CancellationToken,
    reloads: Reloads,
    http: reqwest::Client,
}

fn config() -> AdminConfig {
    AdminConfig {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        ..AdminConfig::default()
    }
}

fn views(health: &Health, live: &Arc<AtomicBool>, control: Option<Control>) -> Views {
    let live = live.clone();
    let metrics = Metrics::new().unwrap();
    Views {
        metrics: metrics.clone(),
        health: health.clone(),
        live: Arc::new(move || live.load(Ordering::Relaxed)),
        job: Job {
            group: "vectide".into(),
            topics: vec!["shop.public.products".into(), "^stock[.]".into()],
            ..Job::default()
        },
        books: Books::open(&Config::default(), metrics.cost.clone()).unwrap(),
        configuration: InEffect::since(SystemTime::UNIX_EPOCH),
        control,
    }
}

impl Endpoint {
    async fn start() -> Self {
        Self::start_with(None).await
    }

    async fn start_with(token: Option<&str>) -> Self {
        let (health, live) = (Health::default(), Arc::new(AtomicBool::new(true)));
        let drain = CancellationToken::new();
        let reloads = Reloads::default();
        let control = token.map(|token| {
            Control::new(&Secret::new(token), drain.clone(), reloads.clone()).unwrap()
        });
        let views = views(&health, &live, control);
        Self {
            admin: Admin::start(&config(), views).await.unwrap(),
            health,
            live,
            drain,
            reloads,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin.address())
    }

    async fn ask(&self, method: Method, path: &str, accept: &str) -> Response {
        let request = self.http.request(method, self.url(path));
        request.header(ACCEPT, accept).send().await.unwrap()
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let response = self.ask(Method::GET, path, "*/*").await;
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn post(&self, path: &str, token: Option<&str>, body: &str) -> (u16, String) {
        let mut request = self.http.post(self.url(path)).body(body.to_owned());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// Sends bytes as they are, and returns the first line of what comes back.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.admin.address()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = [0; 1024];
        let read = timeout(PATIENCE, stream.read(&mut answer));
        let read = read.await.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        answer.lines().next().unwrap_or_default().to_owned()
    }
}

#[tokio::test]
async fn liveness_is_the_processs_own_and_not_the_lanes() {
    let endpoint = Endpoint::start().await;
    endpoint
        .health
        .set(Lane::Kafka, LaneState::Blocked("grant READ".into()));
    assert_eq!(endpoint.get("/livez").await, (200, "ok\n".into()));
    endpoint.live.store(false, Ordering::Relaxed);
    assert_eq!(endpoint.get("/livez").await.0, 503);
}

#[tokio::test]
async fn readiness_says_for_each_lane_what_to_do() {
    let endpoint = Endpoint::start().await;
    assert_eq!(
        endpoint.get("/readyz").await,
        (
            503,
            "kafka waiting: starting\nregistry ready\ntables ready\nembed ready\nindex waiting: starting\ndead_letter ready\n"
                .into()
        )
    );
    for lane in Lane::ALL {
        endpoint.health.set(lane, LaneState::Ready);
    }
    let lines =
        "kafka ready\nregistry ready\ntables ready\nembed ready\nindex ready\ndead_letter ready\n";
    assert_eq!(endpoint.get("/readyz").await, (200, lines.into()));

    endpoint
        .health
        .set(Lane::Embed, LaneState::Blocked("renew the key".into()));
    let accept = "text/html, application/json;q=0.9";
    let response = endpoint.ask(Method::GET, "/readyz", accept).await;
    assert_eq!(response.status(), 503);
    let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(body["ready"], json!(false));
    assert_eq!(
        body["lanes"][3],
        json!({ "lane": "embed", "state": "blocked", "reason": "renew the key" })
    );
}

#[tokio::test]
async fn metrics_come_in_prometheus_text_format() {
    let endpoint = Endpoint::start().await;
    let response = endpoint.ask(Method::GET, "/metrics", "*/*").await;
    let kind = response.headers().get("content-type").unwrap().clone();
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text().await.unwrap();
    let lane = "vectide_lane_state{lane=\"kafka\",state=\"waiting\"} 1\n";
    assert!(text.contains(lane), "{text}");
}

#[tokio::test]
async fn metrics_come_in_open_metrics_format_to_whom_asks_for_it() {
    let endpoint = Endpoint::start().await;
    let accept = "application/openmetrics-text; version=1.0.0";
    let response = endpoint.ask(Method::GET, "/metrics", accept).await;
    let kind = response.headers().get("content-type").unwrap().clone();
    assert_eq!(
        kind,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let text = response.text().await.unwrap();
    assert!(text.ends_with("\n# EOF\n"), "{text}");
}

#[tokio::test]
async fn the_status_tells_version_uptime_lanes_and_what_the_program_is_for() {
    let endpoint = Endpoint::start().await;
    let (code, text) = endpoint.get("/api/status").await;
    let status: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, 200);
    assert_eq!(status["version"], json!(env!("CARGO_PKG_VERSION")));
    assert!(status["uptime_seconds"].is_u64());
    assert_eq!(status["job"]["group"], json!("vectide"));
    assert_eq!(status["lanes"].as_array().map(Vec::len), Some(6));
    assert_eq!(endpoint.get("/status").await.0, 200, "its former name");
}

#[tokio::test]
async fn the_page_and_what_it_loads_are_served_with_their_types() {
    let endpoint = Endpoint::start().await;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/assets/style.css", "text/css; charset=utf-8"),
        ("/assets/script.js", "text/javascript; charset=utf-8"),
        ("/assets/icon.svg", "image/svg+xml"),
    ] {
        let response = endpoint.ask(Method::GET, path, "*/*").await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], kind, "{path}");
    }
}

#[tokio::test]
async fn every_answer_forbids_browsers_what_the_page_does_not_need() {
    let endpoint = Endpoint::start().await;
    for path in ["/", "/api/status", "/metrics", "/livez", "/nowhere"] {
        let response = endpoint.ask(Method::GET, path, "*/*").await;
        let headers = response.headers();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{path}");
        assert!(!policy.contains("unsafe"), "{path}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["cache-control"], "no-store", "{path}");
    }
}

#[tokio::test]
async fn the_page_comes_anew_as_events_and_shows_what_has_changed() {
    let endpoint = Endpoint::start().await;
    let mut response = endpoint.ask(Method::GET, "/api/events", "*/*").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let reason = LaneState::Blocked("renew the key".into());
    endpoint.health.set(Lane::Embed, reason);
    let mut received = String::new();
    while !received.contains("renew the key") {
        let chunk = timeout(PATIENCE, response.chunk()).await.unwrap();
        let chunk = chunk.unwrap().expect("the stream goes on");
        received.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert!(received.starts_with("event: page\ndata: <!doctype html>"));
}

#[tokio::test]
async fn so_many_may_watch_and_the_others_are_told() {
    let endpoint = Endpoint::start().await;
    let mut watching = Vec::new();
    let refused = loop {
        let response = endpoint.ask(Method::GET, "/api/events", "*/*").await;
        if response.status() != 200 {
            break response;
        }
        watching.push(response);
    };
    assert_eq!(watching.len(), 16);
    assert_eq!(refused.status(), 503);
    assert_eq!(endpoint.get("/livez").await.0, 200);
    // A place is free once one of them has gone.
    watching.clear();
    let again = async {
        while endpoint
            .ask(Method::GET, "/api/events", "*/*")
            .await
            .status()
            != 200
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn a_shutdown_ends_the_streams() {
    let endpoint = Endpoint::start().await;
    let response = endpoint.ask(Method::GET, "/api/events", "*/*").await;
    endpoint.admin.shutdown().await;
    assert!(timeout(PATIENCE, response.text()).await.is_ok());
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_done_is_said_in_words() {
    let endpoint = Endpoint::start().await;
    assert_eq!(
        endpoint.get("/metrics/").await,
        (
            404,
            "there is no /metrics/; there are /, /api/status, /livez, /readyz and /metrics\n"
                .into()
        )
    );
    let response = endpoint.ask(Method::POST, "/livez", "*/*").await;
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers().get("allow").unwrap(), "GET,HEAD");
    assert_eq!(
        response.text().await.unwrap(),
        "/livez takes no POST, only GET and HEAD\n"
    );
    assert_eq!(
        endpoint.get("/api/drain").await,
        (405, "/api/drain takes no GET, only POST\n".into())
    );
    let response = endpoint.ask(Method::HEAD, "/livez", "*/*").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.text().await.unwrap(), "");
}

#[tokio::test]
async fn a_long_path_is_not_repeated_in_full_and_no_path_leads_to_a_file() {
    let endpoint = Endpoint::start().await;
    let (code, text) = endpoint.get(&format!("/{}", "x".repeat(5_000))).await;
    assert_eq!(code, 404);
    assert!(text.len() < 250, "{text}");
    for path in [
        "/assets/../Cargo.toml",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
    ] {
        assert_eq!(endpoint.get(path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn another_sites_name_is_refused_whatever_is_asked_for() {
    let endpoint = Endpoint::start_with(Some(TOKEN)).await;
    for path in ["/", "/api/status", "/api/events", "/metrics", "/nowhere"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: evil.example:9464\r\n\r\n");
        let answer = endpoint.raw(request.as_bytes()).await;
        assert_eq!(answer, "HTTP/1.1 421 Misdirected Request", "{path}");
    }
    let control = format!(
        "POST /api/drain HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n\r\n"
    );
    let answer = endpoint.raw(control.as_bytes()).await;
    assert_eq!(answer, "HTTP/1.1 421 Misdirected Request");
    assert!(!endpoint.drain.is_cancelled());
    for (request, expected) in [
        ("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", "200 OK"),
        (
            "GET /livez HTTP/1.1\r\nHost: 127.0.0.1:9464\r\n\r\n",
            "200 OK",
        ),
        (
            "GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
            "421 Misdirected Request",
        ),
        (
            "GET http://evil.example/livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "421 Misdirected Request",
        ),
    ] {
        let answer = endpoint.raw(request.as_bytes()).await;
        assert_eq!(answer, format!("HTTP/1.1 {expected}"), "{request}");
    }
}

#[tokio::test]
async fn a_thousand_idle_connections_keep_nobody_out() {
    let endpoint = Endpoint::start().await;
    let mut idle = Vec::new();
    for number in 0..1_000 {
        let mut stream = TcpStream::connect(endpoint.admin.address()).await.unwrap();
        if number % 2 == 0 {
            // The server may have closed it by now.
            let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nHo").await;
        }
        idle.push(stream);
    }
    let answer = timeout(PATIENCE, endpoint.get("/livez")).await.unwrap();
    assert_eq!(answer, (200, "ok\n".into()));
}

#[tokio::test]
async fn what_is_no_request_or_too_much_of_one_is_refused() {
    let endpoint = Endpoint::start_with(Some(TOKEN)).await;
    assert_eq!(
        endpoint.raw(b"\x16\x03\x01 no http at all\r\n\r\n").await,
        "HTTP/1.1 400 Bad Request"
    );
    let headers = "X-A: b\r\n".repeat(200);
    let many = format!("GET /livez HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    assert_eq!(
        endpoint.raw(many.as_bytes()).await,
        "HTTP/1.1 431 Request Header Fields Too Large"
    );
    let body = "x".repeat(1 << 20);
    let (code, _) = endpoint.post("/api/log-level", Some(TOKEN), &body).await;
    assert_eq!(code, 413);
    assert_eq!(endpoint.get("/livez").await.0, 200);
}

#[tokio::test]
async fn without_a_token_configured_nobody_controls_anything() {
    let endpoint = Endpoint::start().await;
    for path in control::PATHS {
        for token in [None, Some(""), Some(TOKEN)] {
            let expected = "control is off: refer to a token in admin.token, and restart\n";
            let answer = endpoint.post(path, token, "").await;
            assert_eq!(answer, (403, expected.into()), "{path}");
        }
    }
    assert!(!endpoint.health.is_embed_paused());
    assert!(!endpoint.drain.is_cancelled());
}

#[tokio::test]
async fn who_does_not_show_the_token_controls_nothing() {
    let endpoint = Endpoint::start_with(Some(TOKEN)).await;
    let longer = format!("{TOKEN}x");
    for path in control::PATHS {
        for token in [None, Some(""), Some(&TOKEN[1..]), Some(&longer)] {
            let (code, text) = endpoint.post(path, token, "").await;
            assert_eq!(code, 401, "{path} {token:?}");
            assert!(!text.contains(TOKEN));
        }
        let basic = endpoint.http.post(endpoint.url(path));
        let basic = basic.basic_auth("bearer", Some(TOKEN)).send().await;
        let basic = basic.unwrap();
        assert_eq!(basic.status(), 401, "{path}");
        assert_eq!(basic.headers()["www-authenticate"], "Bearer");
    }
    assert!(!endpoint.health.is_embed_paused());
    assert!(!endpoint.drain.is_cancelled());
}

#[tokio::test]
async fn embedding_is_paused_and_resumed_and_the_lane_says_so() {
    let endpoint = Endpoint::start_with(Some(TOKEN)).await;
    let (code, _) = endpoint.post("/api/embed/pause", Some(TOKEN), "").await;
    assert_eq!(code, 200);
    let (_, lanes) = endpoint.get("/readyz").await;
    assert!(lanes.contains("embed blocked: paused by hand"), "{lanes}");
    let again = endpoint.post("/api/embed/pause", Some(TOKEN), "").await;
    assert_eq!(again, (200, "embedding was paused before\n".into()));
    let resumed = endpoint.post("/api/embed/resume", Some(TOKEN), "").await;
    assert_eq!(resumed, (200, "embedding goes on\n".into()));
    assert_eq!(endpoint.health.get(Lane::Embed), LaneState::Ready);
}

#[tokio::test]
async fn a_table_is_paused_and_resumed_by_its_topic_and_its_lane_and_metric_say_so() {
    let endpoint = Endpoint::start_with(Some(TOKEN)).await;
    let ask = async |path: &str, topic: &str| endpoint.post(path, Some(TOKEN), topic).await;
    let (pause, resume) = ("/api/tables/pause", "/api/tables/resume");
    let (code, text) = ask(pause, "shop.public.prodcts").await;
    assert_eq!(code, 404);
    assert!(text.contains("shop.public.products, ^stock[.]"), "{text}");
    assert_eq!(ask(pause, "shop.public.products\n").await.0, 200);
    assert_eq!(ask(pause, "stock.berlin").await.0, 200);
    let again = ask(pause, "stock.berlin").await;
    assert_eq!(again, (200, "stock.berlin was paused before\n".into()));
    let (_, lanes) = endpoint.get("/readyz").await;
    let reason = "tables blocked: shop.public.products, stock.berlin paused by hand";
    assert!(lanes.contains(reason), "{lanes}");

    assert_eq!(ask(resume, "stock.berlin").await.0, 200);
    let (_, status) = endpoint.get("/api/status").await;
    let status: Value = serde_json::from_str(&status).unwrap();
    let paused = &status["control"]["paused_tables"];
    assert_eq!(paused, &json!(["shop.public.products"]));
    let (_, metrics) = endpoint.get("/metrics").await;
    for line in [
        "vectide_table_paused{topic=\"shop.public.products\"} 1\n",
        "vectide_table_paused{topic=\"stock.berlin\"} 0\n",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
}

#[tokio::test]
async fn a_reload_is_asked_for_and_its_answer_is_passed_on() {
    let endpoint = Endpoint::start_with(Some(TOKEN)).await;
    let early = endpoint.post("/api/reload", Some(TOKEN), "").await;
    assert_eq!(early.0, 503, "nobody listens yet");
    let mut asked = endpoint.reloads.listen();
    for (answer, code) in [(Ok("done".to_owned()), 200), (Err("bad".to_owned()), 422)] {
        let answers = async { asked.recv().await.unwrap().answer(answer) };
        let post = endpoint.post("/api/reload", Some(TOKEN), "");
        let ((), (answered, _)) = tokio::join!(answers, post);
        assert_eq!(answered, code);
    }
}

#[tokio::test]
async fn a_drain_is_asked_for() {
    let endpoint = Endpoint::start_with(Some(TOKEN)).await;
    let (code, _) = endpoint.post("/api/drain", Some(TOKEN), "").await;
    assert_eq!(code, 202);
    assert!(endpoint.drain.is_cancelled());
}

#[test]
fn a_token_that_is_guessed_too_easily_is_refused_and_not_repeated() {
    let error = Control::new(
        &Secret::new("fifteen letters"),
        CancellationToken::new(),
        Reloads::default(),
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "admin.token is shorter than 16 characters"
    );
}

#[tokio::test]
async fn a_taken_port_says_what_to_do_and_a_shutdown_frees_it() {
    let endpoint = Endpoint::start().await;
    let address = endpoint.admin.address();
    let config = AdminConfig {
        address,
        ..config()
    };
    let start = || {
        let views = views(&Health::default(), &endpoint.live, None);
        Admin::start(&config, views)
    };
    let error = start().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {address}: free the port, choose another in admin.address, or set admin.enabled = false"
        )
    );
    endpoint.admin.shutdown().await;
    assert_eq!(start().await.unwrap().address(), address);
}
