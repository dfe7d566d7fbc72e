//! Servers that are away at the start, or go away later: the program waits, says so, and goes on.

use std::time::Duration;

use vectide::{app::App, stand_ins::StandIns, telemetry::Lane};
use vectide_embedded::{
    kafka::Brokers,
    qdrant::{EmbeddedQdrant, QdrantOptions, Storage},
};

use crate::shop::{Shop, TOPIC, lane, local, row};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_does_not_exist_yet_is_waited_for() {
    let mut shop = Shop::open_without_topic().await;
    shop.config.kafka.properties.insert(
        "topic.metadata.refresh.interval.ms".to_owned(),
        "500".to_owned(),
    );
    let app = shop.member().await;
    let reason = lane(&app, Lane::Kafka, "waiting").await;
    assert!(!app.health().ready());
    assert!(!reason.is_empty());
    shop.kafka.create_topic(TOPIC, 3).unwrap();
    shop.put(1, row("kettle", 1)).await;
    shop.equal().await;
    lane(&app, Lane::Kafka, "ready").await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_goes_away_is_waited_for() {
    let mut shop = Shop::open().await;
    let app = shop.member().await;
    shop.put(1, row("kettle", 1)).await;
    shop.equal().await;
    shop.kafka.broker_down(Brokers::All).unwrap();
    let reason = lane(&app, Lane::Kafka, "waiting").await;
    assert!(
        reason.starts_with("no Kafka broker can be reached; trying again ("),
        "{reason}"
    );
    shop.kafka.broker_up(Brokers::All).unwrap();
    shop.put(2, row("pan", 1)).await;
    shop.equal().await;
    lane(&app, Lane::Kafka, "ready").await;
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_away_at_the_start_is_waited_for() {
    let mut shop = Shop::open().await;
    shop.put(1, row("kettle", 1)).await;
    shop.kafka.broker_down(Brokers::All).unwrap();
    let app = shop.member().await;
    let reason = lane(&app, Lane::Kafka, "waiting").await;
    assert!(!reason.is_empty());
    shop.kafka.broker_up(Brokers::All).unwrap();
    shop.equal().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_goes_away_is_waited_for() {
    let mut shop = Shop::open().await;
    let app = shop.member().await;
    shop.put(1, row("kettle", 1)).await;
    shop.equal().await;
    shop.qdrant.faults().refuse(true);
    shop.put(2, row("pan", 1)).await;
    shop.delete(1).await;
    let reason = lane(&app, Lane::Index, "waiting").await;
    assert!(reason.starts_with("Qdrant can't be reached"), "{reason}");
    shop.qdrant.faults().refuse(false);
    shop.equal().await;
    lane(&app, Lane::Index, "ready").await;
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_is_away_at_the_start_is_waited_for() {
    let mut shop = Shop::open().await;
    shop.put(1, row("kettle", 1)).await;
    let free = std::net::TcpListener::bind(local()).unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut endpoints = shop.endpoints();
    endpoints.index_url = format!("http://{address}");
    let config = shop.config.clone();
    let starting =
        tokio::spawn(async move { App::start_with(&config, StandIns::default(), endpoints).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!starting.is_finished(), "it waits");
    let options = QdrantOptions {
        address,
        storage: Storage::Memory,
    };
    let qdrant = EmbeddedQdrant::start(options).await.unwrap();
    let app = starting.await.unwrap().unwrap();
    lane(&app, Lane::Kafka, "ready").await;
    app.stop().await.unwrap();
    qdrant.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_the_embedding_endpoint_delay_and_lose_nothing() {
    use vectide_embedded::embeddings::Failure;
    let mut shop = Shop::open().await;
    let app = shop.member().await;
    for status in [500, 429, 503] {
        shop.embeddings
            .control()
            .update(|behaviour| behaviour.fail = Some(Failure::times(3, status)));
        shop.put(i64::from(status), row(&format!("kettle {status}"), 1))
            .await;
        shop.equal().await;
    }
    shop.at_rest().await;
    app.stop().await.unwrap();
}
