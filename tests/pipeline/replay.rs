//! Topics that are read again, into an index that is right, and into one that was damaged.

use std::time::Duration;

use qdrant_client::qdrant::{
    Condition, CountPointsBuilder, DeletePointsBuilder, Filter, PointId, PointsIdsList,
    SetPayloadPointsBuilder,
};
use vectide::app::App;

use crate::shop::{Shop, row, until};

impl Shop {
    /// Waits until no tombstone is left.
    async fn swept(&self) {
        let tombstone = Filter::must_not([Condition::is_empty("_vectide.deleted_ms")]);
        until("the tombstones to be swept", async || {
            let count = CountPointsBuilder::new("products").filter(tombstone.clone());
            let answer = self.qdrant_client().count(count).await.unwrap();
            answer.result.unwrap().count == 0
        })
        .await;
    }

    /// The point of a row, by its title.
    async fn id_of(&self, title: &str) -> PointId {
        let points = self.points().await;
        let of_title = |point: &qdrant_client::qdrant::RetrievedPoint| {
            point.payload["title"]
                .as_str()
                .is_some_and(|it| it == title)
        };
        points.into_iter().find(of_title).unwrap().id.unwrap()
    }

    async fn read_again_by(&mut self, group: &str) -> App {
        group.clone_into(&mut self.config.kafka.group);
        self.member().await
    }
}

fn written(app: &App) -> bool {
    let metrics = app.metrics().encode(app.health()).unwrap();
    let mut counts = metrics
        .lines()
        .filter(|line| line.starts_with("vectide_index_points_written_total{"));
    counts.any(|line| !line.ends_with(" 0"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tombstones_a_replay_writes_nothing_and_brings_no_deleted_row_back() {
    let mut shop = Shop::open().await;
    shop.config.index.tombstone_retention = Duration::from_secs(1);
    let app = shop.member().await;
    for round in 0..3 {
        for id in 0..20 {
            shop.put(id, row(&format!("kettle {id}"), round)).await;
        }
    }
    shop.equal().await;
    for id in 0..5 {
        shop.delete(id).await;
    }
    shop.at_rest().await;
    shop.swept().await;
    app.stop().await.unwrap();
    let requests = shop.embeddings.control().stats().requests;

    let app = shop.read_again_by("another").await;
    let at_rest = shop.at_rest();
    tokio::pin!(at_rest);
    loop {
        tokio::select! {
            () = &mut at_rest => break,
            indexed = shop.indexed() => assert_eq!(indexed, shop.table, "not for a moment"),
        }
    }
    assert!(!written(&app), "nothing is written");
    app.stop().await.unwrap();
    assert_eq!(shop.embeddings.control().stats().requests, requests);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_index_is_left_alone_by_a_replay_and_mended_by_a_repair() {
    let mut shop = Shop::open().await;
    let app = shop.member().await;
    for id in 0..10 {
        shop.put(id, row(&format!("kettle {id}"), 1)).await;
    }
    shop.equal().await;
    shop.delete(9).await;
    shop.at_rest().await;
    app.stop().await.unwrap();
    let removed = shop.id_of("kettle 3").await;
    let client = shop.qdrant_client();
    let ids = PointsIdsList { ids: vec![removed] };
    let delete = DeletePointsBuilder::new("products").points(ids).wait(true);
    client.delete_points(delete).await.unwrap();
    let changed = vec![shop.id_of("kettle 4").await];
    let damage = qdrant_client::Payload::from([("stock", 99.into())]);
    let damage = SetPayloadPointsBuilder::new("products", damage)
        .points_selector(changed)
        .wait(true);
    client.set_payload(damage).await.unwrap();
    let damaged = shop.indexed().await;
    assert_ne!(damaged, shop.table);

    let app = shop.read_again_by("another").await;
    shop.committed().await;
    assert!(!written(&app), "it is taken for right");
    app.stop().await.unwrap();
    assert_eq!(shop.indexed().await, damaged);

    let texts = shop.embeddings.control().stats().inputs;
    shop.config.index.replay = vectide::config::ReplayPolicy::Repair;
    let app = shop.read_again_by("repair").await;
    shop.at_rest().await;
    app.stop().await.unwrap();
    let bought = shop.embeddings.control().stats().inputs - texts;
    assert!(
        bought <= 2,
        "only what was removed, and what was deleted later: {bought}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_that_was_dropped_is_filled_again() {
    let mut shop = Shop::open().await;
    let app = shop.member().await;
    for id in 0..10 {
        shop.put(id, row(&format!("kettle {id}"), 1)).await;
    }
    shop.at_rest().await;
    app.stop().await.unwrap();
    let client = shop.qdrant_client();
    client.delete_collection("products").await.unwrap();
    let app = shop.read_again_by("another").await;
    shop.at_rest().await;
    app.stop().await.unwrap();
}
