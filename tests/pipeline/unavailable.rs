//! Values that did not change and that PostgreSQL therefore did not repeat.

use serde_json::{Value, json};

use crate::shop::{Shop, envelope, header, key, row, until};

const UNAVAILABLE: &str = "__debezium_unavailable_value";

async fn change(shop: &Shop, id: i64, after: Value) {
    let value = envelope("u", &after);
    shop.write(Some(key(id).as_bytes()), Some(value.as_bytes()))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unchanged_text_is_taken_from_what_came_right_before() {
    let mut shop = Shop::open().await;
    shop.put(1, row("kettle", 5)).await;
    change(&shop, 1, json!({"id": 1, "title": UNAVAILABLE, "stock": 4})).await;
    change(&shop, 1, json!({"id": 1, "title": UNAVAILABLE, "stock": 3})).await;
    shop.table.insert(1, row("kettle", 3));
    let app = shop.member().await;
    shop.equal().await;
    shop.at_rest().await;
    assert_eq!(app.metrics().embed.inputs.get(), 1);
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unchanged_text_is_taken_from_the_point_and_costs_no_embedding() {
    for in_payload in [true, false] {
        let mut shop = Shop::open().await;
        if !in_payload {
            shop.config.document.template = Some("{{ title }} {{ about }}".into());
            shop.config.document.payload.exclude = vec!["about".into()];
        }
        let first = json!({"id": 1, "title": "kettle", "about": "whistles", "stock": 5});
        change(&shop, 1, first).await;
        shop.table.insert(1, row("kettle", 5));
        let app = shop.member().await;
        shop.equal().await;
        shop.at_rest().await;
        app.stop().await.unwrap();

        let unchanged = if in_payload { "title" } else { "about" };
        let mut next = json!({"id": 1, "title": "kettle", "about": "whistles", "stock": 4});
        next[unchanged] = json!(UNAVAILABLE);
        change(&shop, 1, next.clone()).await;
        next["stock"] = json!(3);
        change(&shop, 1, next).await;
        shop.table.insert(1, row("kettle", 3));
        let app = shop.member().await;
        shop.equal().await;
        shop.at_rest().await;
        assert_eq!(app.metrics().embed.inputs.get(), 0);
        let points = shop.points().await;
        assert!(!format!("{points:?}").contains(UNAVAILABLE));
        app.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_whole_row_or_a_delete_does_not_wait_for_what_is_unknown() {
    let mut shop = Shop::open().await;
    for id in [1, 2, 3] {
        change(
            &shop,
            id,
            json!({"id": id, "title": UNAVAILABLE, "stock": 4}),
        )
        .await;
    }
    shop.put(1, row("kettle", 3)).await;
    shop.delete(2).await;
    let app = shop.member().await;
    shop.equal().await;
    shop.at_rest().await;
    // Those of keys 1 and 2 may have been given up before their successors came.
    let letters = shop.dead_letters(1).await;
    let reasons: Vec<String> = letters
        .iter()
        .filter_map(|letter| header(letter, "__connect.errors.exception.message"))
        .collect();
    assert!(
        reasons
            .iter()
            .all(|reason| reason.contains("`title`") && reason.contains("REPLICA IDENTITY")),
        "{reasons:?}"
    );
    until("the third row to be dead-lettered", async || {
        app.metrics()
            .pipeline
            .dead_letters
            .with_label_values(&["document", "unavailable_value"])
            .get()
            >= 1
    })
    .await;
    app.stop().await.unwrap();
}
