//! What the stage spends, and how it stops when nothing may be spent any more.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{collections::BTreeMap, time::Duration};

use super::{
    Books,
    tests::{Endpoint, Shop, settings},
};
use crate::{
    cost::{
        Account, Money, Spent,
        books_tests::{Hand, books},
    },
    telemetry::{Lane, LaneState},
};

const TODAY: &str = "2026-11-25";
const TOMORROW: &str = "2026-11-26";

/// A sum of all lines, as `why: texts tokens`.
fn lines(books: &Books) -> Vec<String> {
    let mut sum = Account::default();
    for (_, account) in books.to_be_noted() {
        sum.merge(&account);
    }
    let lines = sum.entries().map(|(entry, figures)| {
        let (why, texts, tokens) = (entry.why.label(), figures.texts, figures.tokens);
        format!("{} {why}: {texts} {tokens}", entry.table)
    });
    lines.collect()
}

async fn wait_until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn identical_texts_are_bought_once_and_charged_to_who_asked_first() {
    let endpoint = Endpoint::start(|_, seen| seen.answer()).await;
    let books = books(None, None, &Hand::at(TODAY));
    let mut shop = Shop::open_with(&settings(endpoint.address), books.clone());
    shop.buy(&["red kettle", "red kettle", "blue"]).await;
    assert_eq!(endpoint.seen().len(), 1);
    // The endpoint says 3 tokens a request.
    assert_eq!(
        lines(&books),
        ["shop.products new: 2 3", "shop.products duplicate: 1 2"]
    );
}

#[tokio::test]
async fn a_spent_budget_blocks_the_lane_until_midnight() {
    let endpoint = Endpoint::start(|_, seen| seen.answer()).await;
    let hand = Hand::at(TODAY);
    let books = books(Some("3 tokens"), None, &hand);
    let mut shop = Shop::open_with(&settings(endpoint.address), books);
    shop.buy(&["a"]).await[0].as_ref().unwrap();
    wait_until(|| matches!(shop.health.get(Lane::Embed), LaneState::Blocked(_))).await;
    let state = shop.health.get(Lane::Embed);
    assert!(
        state.reason().unwrap().contains("2026-11-26 at midnight"),
        "{state:?}"
    );

    shop.ask(&["b"]);
    tokio::task::yield_now().await;
    assert_eq!(endpoint.seen().len(), 1);

    hand.turn(TOMORROW);
    wait_until(|| endpoint.seen().len() == 2).await;
    assert_eq!(endpoint.seen()[1].inputs(), ["b"]);
}

#[tokio::test]
async fn what_was_spent_before_a_restart_counts() {
    let endpoint = Endpoint::start(|_, seen| seen.answer()).await;
    let books = books(None, Some("$1"), &Hand::at(TODAY));
    let before = Spent {
        tokens: 0,
        money: Money::from_dollars(1.0).unwrap(),
    };
    books.tell_others(BTreeMap::from([("2026-11-02".parse().unwrap(), before)]));
    let shop = Shop::open_with(&settings(endpoint.address), books.clone());
    shop.ask(&["a"]);
    wait_until(|| matches!(shop.health.get(Lane::Embed), LaneState::Blocked(_))).await;
    assert_eq!(endpoint.seen().len(), 0);

    books.tell_others(BTreeMap::new());
    wait_until(|| endpoint.seen().len() == 1).await;
    wait_until(|| shop.health.get(Lane::Embed) == LaneState::Ready).await;
}
