//! Rows whose vectors can't be bought for long: what waits for them, and what doesn't.

use std::time::Duration;

use serde_json::Value;
use vectide::cli::ExitStatus;
use vectide_embedded::embeddings::Failure;

use crate::shop::{Shop, row, until};

/// Rows with long titles, more than the budget has room for.
const NEW: i64 = 600;
/// Rows that are there already.
const OLD: i64 = 40;

fn long_title(id: i64) -> String {
    format!("kettle {id} {}", "with a whistle ".repeat(40))
}

/// A shop with some rows in the index, whose members have hardly any memory.
async fn small_shop() -> Shop {
    let mut shop = Shop::open().await;
    shop.config.pipeline.budget = "1MiB".parse().unwrap();
    shop.config.pipeline.park_after = Duration::from_secs(1);
    // Requests that are held by a stall are not sent again.
    shop.config.embed.timeout = Duration::from_mins(5);
    for id in 0..OLD {
        shop.put(id, row(&format!("pan {id}"), 1)).await;
    }
    shop
}

/// Stalls the endpoint, then changes texts and adds rows, with flips and deletes of old rows behind.
async fn stall_and_change(shop: &mut Shop) {
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.stall = true);
    for id in 0..OLD / 2 {
        shop.put(id, row(&format!("frying pan {id}"), 1)).await;
    }
    for id in 0..NEW {
        shop.put(1_000 + id, row(&long_title(id), 1)).await;
    }
    for id in OLD / 2..OLD - 5 {
        shop.put(id, row(&format!("pan {id}"), 0)).await;
    }
    for id in OLD - 5..OLD {
        shop.delete(id).await;
    }
}

/// Waits until the flips and the deletes are in the index.
async fn flips_are_visible(shop: &Shop) {
    until("flips and deletes", async || {
        let indexed = shop.indexed().await;
        (OLD / 2..OLD).all(|id| indexed.get(&id) == shop.table.get(&id))
    })
    .await;
}

fn texts(shop: &Shop) -> u64 {
    shop.embeddings.control().stats().inputs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_waits_behind_rows_whose_vectors_can_not_be_bought() {
    let mut shop = small_shop().await;
    let app = shop.member().await;
    shop.equal().await;
    stall_and_change(&mut shop).await;
    flips_are_visible(&shop).await;
    until("old rows to be as they were found by before", async || {
        let indexed = shop.indexed().await;
        indexed.len() == usize::try_from(OLD - 5).unwrap()
    })
    .await;
    // Time to take in hand what is owed, which is more than memory has room for: what comes then is read all the same.
    tokio::time::sleep(Duration::from_secs(3)).await;
    for id in OLD / 2..OLD - 5 {
        shop.put(id, row(&format!("pan {id}"), 2)).await;
    }
    flips_are_visible(&shop).await;
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.stall = false);
    shop.equal().await;
    shop.at_rest().await;
    let all = u64::try_from(OLD + OLD / 2 + NEW).unwrap();
    assert_eq!(texts(&shop), all, "each text is bought once");
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_move_on_while_every_request_fails() {
    let mut shop = small_shop().await;
    shop.config.embed.retry_initial = Duration::from_millis(20);
    let app = shop.member().await;
    shop.equal().await;
    let before = texts(&shop);
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.fail = Some(Failure::status(503)));
    for id in 0..OLD {
        shop.put(id, row(&format!("frying pan {id}"), 1)).await;
    }
    // Also of the rows whose texts were sent, and will be sent again.
    shop.committed().await;
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.fail = None);
    let all = before + u64::try_from(OLD).unwrap();
    until("the vectors to be bought", async || texts(&shop) >= all).await;
    shop.equal().await;
    shop.at_rest().await;
    assert_eq!(texts(&shop), all, "each text is bought once");
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_former_owner_parked_is_bought_by_the_next() {
    let mut shop = small_shop().await;
    let app = shop.member().await;
    shop.equal().await;
    stall_and_change(&mut shop).await;
    flips_are_visible(&shop).await;
    app.stop().await.unwrap();
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.stall = false);
    let app = shop.member().await;
    shop.equal().await;
    shop.at_rest().await;
    app.stop().await.unwrap();
}

/// What is explained of a row that is parked and whose record has settled. Of the partition whose text has been sent,
/// and waits, no offset moves on: so several rows are asked for.
async fn explained_parked_row(shop: &Shop) -> Option<(ExitStatus, Value)> {
    for id in NEW - 8..NEW {
        let (status, told) = shop.explain(&[&(1_000 + id).to_string()]).await;
        let number = |pointer| told.pointer(pointer).and_then(Value::as_i64);
        let is_parked = number("/index/made/parked_ms").is_some();
        if is_parked && number("/kafka/committed") > number("/kafka/records/0/offset") {
            return Some((status, told));
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_row_is_explained_as_one_that_is_owed_its_vector() {
    let mut shop = small_shop().await;
    // Texts that have been sent are not parked.
    shop.config.embed.concurrency = 1;
    shop.config.embed.batch_inputs = 1;
    let app = shop.addressed_member().await;
    shop.equal().await;
    stall_and_change(&mut shop).await;
    until("a row to be parked, and its record settled", async || {
        explained_parked_row(&shop).await.is_some()
    })
    .await;
    let (status, told) = explained_parked_row(&shop).await.unwrap();
    assert_eq!(status, ExitStatus::Success, "{told:#}");
    let verdict = &told["verdict"];
    assert_eq!(verdict["action"], "embed", "{verdict:#}");
    assert_eq!(verdict["is_pending"], true, "{verdict:#}");
    let text = verdict["text"].as_str().unwrap();
    assert!(
        text.contains("this is pending: the row is parked"),
        "{text}"
    );
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.stall = false);
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_row_that_is_deleted_does_not_come_back() {
    let mut shop = small_shop().await;
    let app = shop.member().await;
    shop.equal().await;
    stall_and_change(&mut shop).await;
    flips_are_visible(&shop).await;
    for id in (0..NEW).step_by(3) {
        shop.delete(1_000 + id).await;
    }
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.stall = false);
    shop.equal().await;
    shop.at_rest().await;
    app.stop().await.unwrap();
}
