//! Tables that are emptied at once.

use serde_json::{Value, json};
use vectide::{config::TruncatePolicy, telemetry::Lane};

use crate::shop::{Shop, key, lane, row, until};

fn envelope(op: &str, after: &Value, lsn: i64) -> String {
    json!({
        "before": null, "after": after, "op": op,
        "source": {"connector": "postgresql", "ts_ms": 1_000 + lsn, "lsn": lsn, "snapshot": "false"},
    })
    .to_string()
}

/// Writes a row's change that stands at `lsn` in the database's log.
async fn change(shop: &Shop, op: &str, id: i64, title: &str, lsn: i64) {
    let after = json!({"id": id, "title": title, "stock": 1});
    let value = envelope(op, &after, lsn);
    shop.write(Some(key(id).as_bytes()), Some(value.as_bytes()))
        .await;
}

async fn truncate(shop: &Shop, lsn: i64) {
    let value = envelope("t", &Value::Null, lsn);
    shop.write(None, Some(value.as_bytes())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_from_before_a_truncate_go_from_every_partition_and_later_ones_stay() {
    let mut shop = Shop::open().await;
    let app = shop.member().await;
    for id in 0..30 {
        change(&shop, "c", id, &format!("kettle {id}"), 1 + id).await;
        shop.table.insert(id, row(&format!("kettle {id}"), 1));
    }
    shop.equal().await;
    truncate(&shop, 100).await;
    shop.table.clear();
    // The same rows again, and others.
    for id in 20..40 {
        change(&shop, "c", id, &format!("kettle {id}"), 200 + id).await;
        shop.table.insert(id, row(&format!("kettle {id}"), 1));
    }
    shop.equal().await;
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_from_before_a_truncate_that_is_read_after_it_does_not_come_back() {
    let mut shop = Shop::open().await;
    let app = shop.member().await;
    truncate(&shop, 100).await;
    shop.at_rest().await;
    for id in 0..10 {
        change(&shop, "u", id, "from before", 90).await;
    }
    change(&shop, "c", 11, "from after", 110).await;
    shop.table.insert(11, row("from after", 1));
    shop.equal().await;
    shop.at_rest().await;
    app.stop().await.unwrap();

    // Another member learns of it from the index.
    for id in 0..10 {
        change(&shop, "u", id, "from before", 91).await;
    }
    let app = shop.member().await;
    shop.at_rest().await;
    assert_eq!(app.metrics().embed.inputs.get(), 0);
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncate_does_not_wait_for_the_embedding_endpoint() {
    let mut shop = Shop::open().await;
    let app = shop.member().await;
    for id in 0..20 {
        change(&shop, "c", id, "kettle", 1).await;
        shop.table.insert(id, row("kettle", 1));
    }
    shop.equal().await;
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.stall = true);
    for id in 0..20 {
        change(&shop, "u", id, "copper kettle", 2).await;
    }
    shop.embeddings
        .control()
        .stats_when(|stats| stats.in_flight > 0)
        .await;
    truncate(&shop, 100).await;
    shop.table.clear();
    shop.equal().await;
    shop.at_rest().await;
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.stall = false);
    app.stop().await.unwrap();
    assert_eq!(shop.indexed().await, shop.table);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncate_that_is_to_be_ignored_takes_nothing() {
    let mut shop = Shop::open().await;
    shop.config.rows.truncate = TruncatePolicy::Ignore;
    let app = shop.member().await;
    change(&shop, "c", 1, "kettle", 1).await;
    shop.table.insert(1, row("kettle", 1));
    shop.equal().await;
    truncate(&shop, 100).await;
    until("the truncate to be skipped", async || {
        app.metrics()
            .pipeline
            .skipped
            .with_label_values(&["truncate"])
            .get()
            == 1
    })
    .await;
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncate_that_somebody_must_decide_on_blocks_its_table_and_takes_nothing() {
    let mut shop = Shop::open().await;
    shop.config.rows.truncate = TruncatePolicy::Block;
    let app = shop.member().await;
    change(&shop, "c", 1, "kettle", 1).await;
    shop.table.insert(1, row("kettle", 1));
    shop.equal().await;
    truncate(&shop, 100).await;
    let reason = lane(&app, Lane::Tables, "blocked").await;
    assert!(reason.contains("rows.truncate"), "{reason}");
    assert_eq!(shop.indexed().await, shop.table);
    app.stop().await.unwrap();

    shop.config.rows.truncate = TruncatePolicy::Apply;
    let app = shop.member().await;
    shop.table.clear();
    shop.equal().await;
    shop.at_rest().await;
    app.stop().await.unwrap();
}
