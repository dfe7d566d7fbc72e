//! The fault switch does what it says, and stopping the server does too.

use std::time::{Duration, Instant};

use qdrant_client::qdrant::UpsertPointsBuilder;
use serde_json::json;
use tonic::Code;
use vectide_embedded::qdrant::serve_control;

use crate::support::{COLLECTION, Server, bare_point, get, refused, upsert};

#[tokio::test]
async fn the_next_calls_fail_and_change_nothing() {
    let server = Server::with_collection().await;
    let write = || {
        server
            .client
            .upsert_points(upsert([bare_point(1, json!({}))]))
    };
    server.qdrant.faults().fail_next(2, Code::ResourceExhausted);
    for _ in 0..2 {
        let (code, _) = refused(write().await.map(drop));
        assert_eq!(code, Code::ResourceExhausted);
    }
    assert!(get(&server.client, 1).await.is_none());
    write().await.unwrap();
    assert!(get(&server.client, 1).await.is_some());
}

#[tokio::test]
async fn a_lost_answer_is_a_write_that_happened() {
    let server = Server::with_collection().await;
    // The client repeats the call once.
    server.qdrant.faults().lose_next_answers(2);
    let answer = server
        .client
        .upsert_points(upsert([bare_point(1, json!({}))]))
        .await;
    assert_eq!(refused(answer).0, Code::Unavailable);
    assert!(get(&server.client, 1).await.is_some());
}

#[tokio::test]
async fn refusing_lasts_until_it_is_switched_off() {
    let server = Server::with_collection().await;
    let write = || {
        server
            .client
            .upsert_points(upsert([bare_point(1, json!({}))]))
    };
    server.qdrant.faults().refuse(true);
    assert_eq!(refused(write().await.map(drop)).0, Code::Unavailable);
    server.qdrant.faults().refuse(false);
    write().await.unwrap();
}

#[tokio::test]
async fn a_delay_is_at_least_as_long_as_set() {
    let server = Server::with_collection().await;
    let delay = Duration::from_millis(50);
    server.qdrant.faults().set_delay(delay);
    let started = Instant::now();
    assert!(get(&server.client, 1).await.is_none());
    assert!(started.elapsed() >= delay);
}

#[tokio::test]
async fn a_dropped_server_takes_no_more_calls() {
    let server = Server::with_collection().await;
    let address = server.qdrant.address();
    drop(server.qdrant);
    // The port is free again as soon as the server is gone.
    loop {
        if tokio::net::TcpListener::bind(address).await.is_ok() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(server.client.list_collections().await.is_err());
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_is_answered_before_it_fails() {
    let server = Server::with_collection().await;
    let unawaited = |id| {
        let write = UpsertPointsBuilder::new(COLLECTION, [bare_point(id, json!({}))]);
        server.client.upsert_points(write.wait(false))
    };
    server.qdrant.faults().fail_next(1, Code::Internal);
    unawaited(1).await.unwrap();
    unawaited(2).await.unwrap();
    // A write that is waited for comes behind them.
    let write = upsert([bare_point(3, json!({}))]);
    server.client.upsert_points(write).await.unwrap();
    assert!(get(&server.client, 1).await.is_none());
    assert!(get(&server.client, 2).await.is_some());
}

#[tokio::test]
async fn faults_are_switched_over_http() {
    let server = Server::with_collection().await;
    let any_port = ([127, 0, 0, 1], 0).into();
    let control = serve_control(server.qdrant.faults(), any_port)
        .await
        .unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/control", control.url());
    let put = async |body: &'static str| {
        let answer = http.put(&url).body(body).send().await.unwrap();
        answer.status().as_u16()
    };
    let write = || {
        let write = upsert([bare_point(1, json!({}))]);
        server.client.upsert_points(write)
    };
    assert_eq!(put(r#"{"refuse": true}"#).await, 200);
    assert_eq!(refused(write().await.map(drop)).0, Code::Unavailable);
    assert_eq!(put(r#"{"fail": {"calls": 1, "code": 8}}"#).await, 200);
    assert_eq!(refused(write().await.map(drop)).0, Code::ResourceExhausted);
    let failing = r#"{"fail_writes": {"calls": 1, "code": 8}}"#;
    assert_eq!(put(failing).await, 200);
    assert!(get(&server.client, 1).await.is_none());
    assert_eq!(refused(write().await.map(drop)).0, Code::ResourceExhausted);
    assert_eq!(put(r#"{"refused": true}"#).await, 400);
    write().await.unwrap();
    let shown = http.get(&url).send().await.unwrap().text().await.unwrap();
    assert!(shown.contains(r#""calls":1"#), "{shown}");
}
