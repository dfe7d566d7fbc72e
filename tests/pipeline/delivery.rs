//! What must hold of rows and points when nothing goes wrong, or only Vectide itself goes away.

use vectide::telemetry::Lane;

use crate::shop::{Shop, lane, row, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_become_points_and_deletes_remove_them() {
    let mut shop = Shop::open().await;
    let app = shop.member().await;
    for id in 0..50 {
        shop.put(id, row(&format!("kettle {id}"), id)).await;
    }
    shop.equal().await;
    for id in 0..20 {
        shop.delete(id).await;
    }
    shop.put(20, row("tea pot", 1)).await;
    shop.equal().await;
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sold_out_and_deleted_products_leave_while_the_embedding_endpoint_stalls() {
    let mut shop = Shop::open().await;
    let app = shop.member().await;
    for id in 0..30 {
        shop.put(id, row(&format!("kettle {id}"), 5)).await;
    }
    shop.equal().await;
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.stall = true);
    for id in 0..10 {
        shop.put(id, row(&format!("copper kettle {id}"), 5)).await;
    }
    // The texts are on their way to an endpoint that says nothing.
    shop.embeddings
        .control()
        .stats_when(|stats| stats.in_flight > 0)
        .await;
    let before = app.metrics().embed.inputs.get();
    for id in 5..15 {
        shop.put(id, row(&format!("kettle {id}"), 0)).await;
    }
    for id in 15..20 {
        shop.delete(id).await;
    }
    until("the sold out and deleted ones to be gone", async || {
        let indexed = shop.indexed().await;
        (5..15).all(|id| indexed.get(&id).is_some_and(|row| row.1 == 0))
            && (15..20).all(|id| !indexed.contains_key(&id))
    })
    .await;
    assert_eq!(
        app.metrics().embed.inputs.get(),
        before,
        "nothing was bought for it"
    );
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.stall = false);
    shop.equal().await;
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_the_whole_topic_again_buys_nothing_and_changes_nothing() {
    let mut shop = Shop::open().await;
    let app = shop.member().await;
    for round in 0..3 {
        for id in 0..20 {
            shop.put(id, row(&format!("kettle {id}.{}", round / 2), round))
                .await;
        }
    }
    shop.at_rest().await;
    app.stop().await.unwrap();
    let points = shop.points().await;
    let requests = shop.embeddings.control().stats().requests;

    shop.config.kafka.group = "another".to_owned();
    let app = shop.member().await;
    shop.at_rest().await;
    app.stop().await.unwrap();
    assert_eq!(shop.embeddings.control().stats().requests, requests);
    assert_eq!(
        shop.points().await,
        points,
        "not even the bookkeeping changed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_while_the_program_was_away_is_caught_up() {
    let mut shop = Shop::open().await;
    let app = shop.member().await;
    for id in 0..10 {
        shop.put(id, row(&format!("kettle {id}"), 1)).await;
    }
    shop.at_rest().await;
    app.stop().await.unwrap();
    shop.delete(3).await;
    shop.put(4, row("samovar", 2)).await;
    let app = shop.member().await;
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_with_texts_on_their_way_loses_none_of_them() {
    let mut shop = Shop::open().await;
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.stall = true);
    let app = shop.member().await;
    for id in 0..10 {
        shop.put(id, row(&format!("kettle {id}"), 1)).await;
    }
    shop.embeddings
        .control()
        .stats_when(|stats| stats.in_flight > 0)
        .await;
    app.stop().await.unwrap();
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.stall = false);
    let app = shop.member().await;
    shop.equal().await;
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_may_come_and_go() {
    let mut shop = Shop::open().await;
    let first = shop.member().await;
    for id in 0..30 {
        shop.put(id, row(&format!("kettle {id}"), 1)).await;
    }
    shop.equal().await;
    let second = shop.member().await;
    until("the partitions to be shared", async || {
        first.metrics().kafka.assigned.get() > 0 && second.metrics().kafka.assigned.get() > 0
    })
    .await;
    for id in 10..40 {
        shop.put(id, row(&format!("kettle {id}"), 2)).await;
    }
    shop.equal().await;
    first.stop().await.unwrap();
    for id in 0..40 {
        shop.put(id, row(&format!("pan {id}"), 3)).await;
    }
    shop.delete(0).await;
    shop.equal().await;
    shop.at_rest().await;
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_does_not_take_for_absent_what_another_has_written() {
    let mut shop = Shop::open().await;
    let (first, second) = (shop.member().await, shop.member().await);
    until("the partitions to be shared", async || {
        first.metrics().kafka.assigned.get() > 0 && second.metrics().kafka.assigned.get() > 0
    })
    .await;
    for id in 0..30 {
        shop.put(id, row(&format!("kettle {id}"), 1)).await;
    }
    shop.equal().await;
    first.stop().await.unwrap();
    for id in 0..30 {
        shop.delete(id).await;
    }
    shop.at_rest().await;
    assert!(shop.points().await.is_empty());
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_over_the_memory_budget_pauses_and_still_arrives() {
    let mut shop = Shop::open().await;
    shop.config.pipeline.budget = vectide::config::ByteSize(64 * 1024);
    for id in 0..400 {
        shop.put(id, row(&format!("{} {id}", "kettle ".repeat(40)), 1))
            .await;
    }
    let app = shop.member().await;
    shop.equal().await;
    shop.at_rest().await;
    until("the budget to be given back", async || {
        app.metrics().pipeline.budget_used.get() == 0
    })
    .await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_does_not_outlive_the_rebalances_during_it() {
    let mut shop = Shop::open().await;
    shop.config.pipeline.budget = vectide::config::ByteSize(64 * 1024);
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.stall = true);
    let first = shop.member().await;
    for id in 0..300 {
        shop.put(id, row(&format!("kettle {id}"), 1)).await;
    }
    until("the first member to pause", async || {
        first.metrics().kafka.paused.get() > 0
    })
    .await;
    let second = shop.member().await;
    until("the partitions to be shared", async || {
        second.metrics().kafka.assigned.get() > 0
    })
    .await;
    second.stop().await.unwrap();
    until("the first member to have all again", async || {
        first.metrics().kafka.assigned.get() == 3
    })
    .await;
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.stall = false);
    shop.equal().await;
    for id in 0..300 {
        shop.delete(id).await;
    }
    shop.equal().await;
    shop.at_rest().await;
    first.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_topic_is_a_healthy_one() {
    let shop = Shop::open().await;
    let app = shop.member().await;
    lane(&app, Lane::Kafka, "ready").await;
    assert!(app.health().ready());
    assert!(shop.points().await.is_empty());
    app.stop().await.unwrap();
}
