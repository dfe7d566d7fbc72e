//! Records that can't be processed, and settings that don't fit: what a user reads, and that the
//! rest goes on.

use rdkafka::Message;
use vectide::{app::App, stand_ins::StandIns, telemetry::Lane};

use crate::shop::{Shop, TOPIC, envelope, header, key, lane, row, until};

/// Key, value, and what the dead letter says.
type Bad<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, &'static str);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_decoded_is_dead_lettered_as_it_came_and_the_rest_goes_on() {
    let mut shop = Shop::open().await;
    let app = shop.member().await;
    let good = envelope("c", &serde_json::json!({"id": 1, "title": "x", "stock": 1}));
    let key1 = key(1);
    let bad: [Bad<'_>; 3] = [
        (
            Some(key1.as_bytes()),
            Some(b"not json"),
            "not the JSON of a change",
        ),
        (
            Some(key1.as_bytes()),
            Some(br#"{"op":"z","source":{}}"#),
            "operation “z” is unknown",
        ),
        (
            Some(b"\xff\xfe"),
            Some(good.as_bytes()),
            "key can't be read",
        ),
    ];
    for (key, value, _) in bad {
        shop.write_with(key, value, &[("trace", b"\x00\xff")]).await;
    }
    shop.put(2, row("kettle", 1)).await;
    shop.equal().await;

    let letters = shop.dead_letters(bad.len()).await;
    for (key, value, message) in bad {
        let letter = letters
            .iter()
            .find(|letter| {
                header(letter, "__connect.errors.exception.message")
                    .is_some_and(|text| text.contains(message))
            })
            .unwrap_or_else(|| panic!("no letter says: {message}"));
        assert_eq!((letter.key(), letter.payload()), (key, value));
        assert_eq!(
            header(letter, "__connect.errors.topic").as_deref(),
            Some(TOPIC)
        );
        let first = rdkafka::message::Headers::get(letter.headers().unwrap(), 0);
        assert_eq!((first.key, first.value), ("trace", Some(&b"\x00\xff"[..])));
    }
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_can_not_be_used_does_not_supersede_one_that_can() {
    let mut shop = Shop::open().await;
    shop.put(1, row("kettle", 0)).await;
    let unusable = envelope(
        "?",
        &serde_json::json!({"id": 1, "title": "kettle", "stock": 7}),
    );
    shop.write(Some(key(1).as_bytes()), Some(unusable.as_bytes()))
        .await;
    let app = shop.member().await;
    shop.equal().await;
    let letters = shop.dead_letters(1).await;
    assert_eq!(
        header(&letters[0], "__connect.errors.exception.class.name").as_deref(),
        Some("unknown_operation")
    );
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_product_that_sold_out_without_a_text_shows_it_and_is_dead_lettered() {
    let mut shop = Shop::open().await;
    shop.put(1, row("kettle", 5)).await;
    let app = shop.member().await;
    shop.equal().await;
    let bare = serde_json::json!({"id": 1, "title": " ", "stock": 0});
    shop.write(
        Some(key(1).as_bytes()),
        Some(envelope("u", &bare).as_bytes()),
    )
    .await;
    until("the stock to be gone", async || {
        let points = shop.points().await;
        let stock = points.iter().filter_map(|point| point.payload.get("stock"));
        stock
            .filter_map(qdrant_client::qdrant::Value::as_integer)
            .eq(std::iter::once(0))
    })
    .await;
    let letters = shop.dead_letters(1).await;
    assert_eq!(
        header(&letters[0], "__connect.errors.exception.class.name").as_deref(),
        Some("empty_text")
    );
    shop.committed().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_the_provider_refuses_is_dead_lettered_and_its_siblings_are_written() {
    let mut shop = Shop::open().await;
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.refuse_containing = Some("unspeakable".to_owned()));
    for id in 0..20 {
        let title = if id == 7 {
            "unspeakable kettle".to_owned()
        } else {
            format!("kettle {id}")
        };
        shop.put(id, row(&title, 1)).await;
    }
    let app = shop.member().await;
    shop.table.remove(&7);
    shop.equal().await;
    let letters = shop.dead_letters(1).await;
    assert_eq!(letters[0].key(), Some(key(7).as_bytes()));
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_larger_than_the_memory_budget_arrives() {
    let mut shop = Shop::open().await;
    shop.config.pipeline.budget = vectide::config::ByteSize(1 << 20);
    // Of 4 MB, because the mock broker keeps 5 MiB a partition.
    let app = shop.member().await;
    shop.put(1, row(&"kettle ".repeat(600_000), 1)).await;
    shop.put(2, row("pan", 1)).await;
    shop.equal().await;
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_of_any_depth_arrives() {
    let mut shop = Shop::open().await;
    let app = shop.member().await;
    for depth in [1, 10, 20, 30, 40, 60, 100] {
        let id = i64::from(depth);
        let nested: serde_json::Value = (0..depth).fold(1.into(), |inner, level: i32| {
            if level % 2 == 0 {
                serde_json::json!([inner])
            } else {
                serde_json::json!({"a": inner})
            }
        });
        let after = serde_json::json!({"id": id, "title": "kettle", "stock": 1, "nested": nested});
        let value = envelope("c", &after);
        shop.table.insert(id, row("kettle", 1));
        shop.write(Some(key(id).as_bytes()), Some(value.as_bytes()))
            .await;
        shop.equal().await;
    }
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_blocks_the_embedding_lane_alone_and_it_resumes_once_mended() {
    let mut shop = Shop::open().await;
    let app = shop.member().await;
    shop.put(1, row("kettle", 1)).await;
    shop.put(2, row("pan", 1)).await;
    shop.equal().await;
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.api_key = Some("right".to_owned()));
    shop.put(3, row("pot", 1)).await;
    let reason = lane(&app, Lane::Embed, "blocked").await;
    assert!(reason.contains("key"), "{reason}");
    assert!(!app.health().ready());
    // Deletes don't need the key.
    shop.delete(1).await;
    crate::shop::until("the delete", async || {
        !shop.indexed().await.contains_key(&1)
    })
    .await;
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.api_key = None);
    shop.equal().await;
    lane(&app, Lane::Embed, "ready").await;
    shop.at_rest().await;
    let dead = app.metrics().encode(app.health()).unwrap();
    assert!(
        !dead.contains("vectide_dead_letters_total{"),
        "nothing was dead-lettered"
    );
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vector_of_another_length_blocks_and_nothing_is_lost() {
    use vectide_embedded::embeddings::Garbage;
    let mut shop = Shop::open().await;
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.garbage = Some(Garbage::WrongLength));
    let app = shop.member().await;
    shop.put(1, row("kettle", 1)).await;
    let reason = lane(&app, Lane::Embed, "blocked").await;
    assert!(reason.contains("dimensions"), "{reason}");
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.garbage = None);
    shop.equal().await;
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_of_another_size_is_refused_with_what_to_change() {
    let mut shop = Shop::open().await;
    shop.member().await.stop().await.unwrap();
    shop.config.embed.dimensions = 48;
    let error = App::start_with(&shop.config, StandIns::default(), shop.endpoints())
        .await
        .err()
        .map(|error| error.to_string());
    assert_eq!(
        error.as_deref(),
        Some(
            "collection `products` does not fit: it has vector `text` of 32 dimensions, cosine, but the configuration wants vector `text` of 48 dimensions, cosine; change embed.dimensions, index.vector or index.distance, or name another collection in index.collection"
        )
    );
}
