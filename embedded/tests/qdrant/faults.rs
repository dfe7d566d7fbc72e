//! The fault switch does what it says, and stopping the server does too.

use std::time::{Duration, Instant};

use serde_json::json;
use tonic::Code;

use crate::support::{Server, bare_point, get, refused, upsert};

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
