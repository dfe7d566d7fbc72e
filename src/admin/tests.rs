//! The endpoint as a monitoring system sees it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, Ordering},
};

use reqwest::{Method, Response, header::ACCEPT};
use serde_json::{Value, json};

use super::*;
use crate::telemetry::{Lane, LaneState};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

struct Endpoint {
    admin: Admin,
    health: Health,
    live: Arc<AtomicBool>,
    http: reqwest::Client,
}

impl Endpoint {
    async fn start() -> Self {
        let (health, live) = (Health::default(), Arc::new(AtomicBool::new(true)));
        let alive = live.clone();
        let views = Views {
            metrics: Metrics::new().unwrap(),
            health: health.clone(),
            live: Arc::new(move || alive.load(Ordering::Relaxed)),
            details: Arc::new(|| {
                [("group".to_owned(), json!("vectide"))]
                    .into_iter()
                    .collect()
            }),
        };
        Self {
            admin: Admin::serve(ANY_PORT, views).await.unwrap(),
            health,
            live,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    async fn ask(&self, method: Method, path: &str, accept: &str) -> Response {
        let url = format!("http://{}{path}", self.admin.address());
        let request = self.http.request(method, url).header(ACCEPT, accept);
        request.send().await.unwrap()
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let response = self.ask(Method::GET, path, "*/*").await;
        (response.status().as_u16(), response.text().await.unwrap())
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
async fn the_status_tells_version_uptime_lanes_and_what_else_there_is() {
    let endpoint = Endpoint::start().await;
    let (code, text) = endpoint.get("/status").await;
    let status: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, 200);
    assert_eq!(status["version"], json!(env!("CARGO_PKG_VERSION")));
    assert!(status["uptime_seconds"].is_u64());
    assert_eq!(status["group"], json!("vectide"));
    assert_eq!(status["lanes"].as_array().map(Vec::len), Some(6));
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_done_is_said_in_words() {
    let endpoint = Endpoint::start().await;
    assert_eq!(
        endpoint.get("/metrics/").await,
        (
            404,
            "there is no /metrics/; there are /livez, /readyz, /metrics and /status\n".into()
        )
    );
    let response = endpoint.ask(Method::POST, "/livez", "*/*").await;
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers().get("allow").unwrap(), "GET,HEAD");
    assert_eq!(
        response.text().await.unwrap(),
        "/livez takes no POST, only GET and HEAD\n"
    );
    let response = endpoint.ask(Method::HEAD, "/livez", "*/*").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.text().await.unwrap(), "");
}

#[tokio::test]
async fn a_taken_port_says_what_to_do_and_a_shutdown_frees_it() {
    let endpoint = Endpoint::start().await;
    let address = endpoint.admin.address();
    let start = || {
        Admin::start(
            address,
            Metrics::new().unwrap(),
            Health::default(),
            Arc::new(|| true),
        )
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
