//! What a person does to the running program by its admin address, while records go through it.

use std::time::Duration;

use tokio::{io::AsyncWriteExt, net::TcpStream};
use vectide::{app::App, config::SecretRef};

use crate::shop::{Shop, row, until};

const TOPIC: &str = "shop.public.products";
const TOKEN: &str = "a-token-of-24-characters";

/// A member that can be controlled, and the folder that its token is in.
async fn controlled(shop: &mut Shop) -> (App, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    shop.config.admin.token = Some(SecretRef::File(file));
    (shop.member().await, folder)
}

async fn post(app: &App, path: &str, body: String, token: &str) -> u16 {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}{path}", app.admin_address().unwrap());
    let request = http.post(url).bearer_auth(token).body(body);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_table_is_read_no_further_deletes_included_and_loses_nothing() {
    let mut shop = Shop::open().await;
    let (app, _folder) = controlled(&mut shop).await;
    for id in 0..10 {
        shop.put(id, row(&format!("kettle {id}"), 1)).await;
    }
    shop.at_rest().await;
    assert_eq!(
        post(&app, "/api/tables/pause", TOPIC.into(), TOKEN).await,
        200
    );
    let paused = &app.metrics().kafka.paused;
    let assigned = &app.metrics().kafka.assigned;
    until("its partitions to be paused", async || {
        assigned.get() > 0 && paused.get() == assigned.get()
    })
    .await;
    let received = app.metrics().pipeline.received.get();
    shop.delete(3).await;
    shop.put(4, row("samovar", 0)).await;
    // Long enough for several polls.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(app.metrics().pipeline.received.get(), received);
    assert!(
        shop.indexed().await.contains_key(&3),
        "the delete waits, too"
    );
    assert!(!app.health().ready());

    assert_eq!(
        post(&app, "/api/tables/resume", TOPIC.into(), TOKEN).await,
        200
    );
    shop.at_rest().await;
    assert!(app.health().ready());
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_table_stays_paused_over_a_rebalance() {
    let mut shop = Shop::open().await;
    let (app, _folder) = controlled(&mut shop).await;
    for id in 0..10 {
        shop.put(id, row(&format!("kettle {id}"), 1)).await;
    }
    shop.at_rest().await;
    app.health().pause_table(TOPIC, true);
    let (paused, assigned) = (&app.metrics().kafka.paused, &app.metrics().kafka.assigned);
    let all = assigned.get();
    let is_all_paused = || paused.get() == assigned.get();
    until("all to be paused", async || is_all_paused()).await;
    // The second member is not paused: a pause is of one process.
    shop.config.admin.enabled = false;
    let other = shop.member().await;
    until("the other to have its part", async || assigned.get() < all).await;
    other.stop().await.unwrap();
    until("all to be back, and paused", async || {
        assigned.get() == all && is_all_paused()
    })
    .await;
    shop.put(1, row("samovar", 0)).await;
    let received = app.metrics().pipeline.received.get();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(app.metrics().pipeline.received.get(), received);
    app.health().pause_table(TOPIC, false);
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pipeline_does_not_notice_what_is_thrown_at_the_admin_port() {
    let mut shop = Shop::open().await;
    let (app, _folder) = controlled(&mut shop).await;
    let address = app.admin_address().unwrap();
    let mut idle = Vec::new();
    for number in 0..1_000 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        if number % 2 == 0 {
            // It may have had to give way by now.
            let _ = stream.write_all(b"POST /api/drain HTTP/1.1\r\nHo").await;
        }
        idle.push(stream);
    }
    for request in [
        "GET /api/status HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(),
        format!(
            "DELETE /{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "x".repeat(5_000)
        ),
        "\u{16}\u{3}\u{1} no http at all\r\n\r\n".to_owned(),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        idle.push(stream);
    }
    assert_eq!(
        post(&app, "/api/drain", String::new(), "no-token-at-all-0").await,
        401
    );
    assert_eq!(
        post(&app, "/api/log-level", "x".repeat(1 << 20), TOKEN).await,
        413
    );
    for path in ["/api/tables/pause", "/api/tables/resume"] {
        assert_eq!(post(&app, path, "no.such.topic".into(), TOKEN).await, 404);
    }
    // All of them are still there while records settle.
    for id in 0..10 {
        shop.put(id, row(&format!("kettle {id}"), 1)).await;
    }
    shop.delete(3).await;
    shop.at_rest().await;
    assert!(app.health().ready());
    drop(idle);
    app.stop().await.unwrap();
}
