//! `vectide explain` and `vectide search`, beside a running member of the group.

use qdrant_client::qdrant::{SetPayloadPointsBuilder, value::Kind};
use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
};
use serde_json::{Value as Json, json};
use vectide::{cli::ExitStatus, config::TableConfig, record::RowKey};

use crate::shop::{Shop, TOPIC, envelope, key, row, until};

impl Shop {
    pub(crate) async fn explain(&self, arguments: &[&str]) -> (ExitStatus, Json) {
        let all = [&["explain", "--json"], arguments].concat();
        let (status, text) = self.vectide(&all).await;
        let json = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
        (status, json)
    }
}

fn field<'a>(json: &'a Json, pointer: &str) -> &'a Json {
    json.pointer(pointer)
        .unwrap_or_else(|| panic!("{pointer} is not in {json:#}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_is_explained_from_its_first_record_to_its_delete() {
    let mut shop = Shop::open().await;
    let app = shop.addressed_member().await;
    shop.put(17, row("Tent", 3)).await;
    shop.put(18, row("Kettle", 1)).await;
    shop.equal().await;
    shop.at_rest().await;

    let (status, text) = shop.vectide(&["explain", "17"]).await;
    assert_eq!(status, ExitStatus::Success, "{text}");
    let fingerprint = "text-embedding-3-small/32@127.0.0.1";
    for part in [
        "[17]  shop.public.products\n",
        "of collection products\n",
        "  vector  there, of the text with the hash ",
        fingerprint,
        ", as configured\n",
        "    title  \"Tent\"\n",
        "because the topic has few records with keys to learn from: looked at all of it, 2 records\n",
        "  settled: the group vectide has committed ",
        "\nnow  nothing: the index reflects shop.public.products/",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }

    // The member is gone: what comes now is pending.
    app.stop().await.unwrap();
    shop.put(17, row("Tent", 0)).await;
    let (status, told) = shop.explain(&["17"]).await;
    assert_eq!(status, ExitStatus::Success);
    assert_eq!(field(&told, "/verdict/action"), "patch");
    assert_eq!(field(&told, "/verdict/is_pending"), true);
    assert_eq!(
        field(&told, "/verdict/text"),
        "patch the payload: stock 3 -> 0; this is pending"
    );
    shop.put(17, row("Tarp", 0)).await;
    let (_, told) = shop.explain(&["17"]).await;
    assert_eq!(field(&told, "/verdict/action"), "patch_then_embed");
    let fields: Vec<&Json> = field(&told, "/verdict/differences")
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["field"])
        .collect();
    assert_eq!(fields, ["stock", "title"]);
    shop.delete(17).await;
    let (_, told) = shop.explain(&["17"]).await;
    assert_eq!(field(&told, "/verdict/action"), "delete");
    assert_eq!(field(&told, "/kafka/records").as_array().unwrap().len(), 3);

    let app = shop.addressed_member().await;
    shop.equal().await;
    shop.at_rest().await;
    let (status, told) = shop.explain(&["[17]"]).await;
    assert_eq!(status, ExitStatus::Success);
    assert_eq!(field(&told, "/verdict/action"), "nothing", "{told:#}");
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_difference_that_nothing_will_mend_ends_with_a_code_of_its_own() {
    let mut shop = Shop::open().await;
    let app = shop.addressed_member().await;
    shop.put(17, row("Tent", 3)).await;
    shop.put(18, row("Kettle", 1)).await;
    shop.equal().await;
    shop.at_rest().await;
    app.stop().await.unwrap();

    // Somebody else changes one point, and deletes another.
    let client = shop.qdrant_client();
    let tent = shop.point_of(&RowKey::single_integer(17));
    let change = SetPayloadPointsBuilder::new("products", [("stock".to_owned(), 99_i64.into())]);
    client
        .set_payload(change.points_selector(vec![tent]).wait(true))
        .await
        .unwrap();
    let kettle = shop.point_of(&RowKey::single_integer(18));
    let delete = qdrant_client::qdrant::DeletePointsBuilder::new("products");
    client
        .delete_points(delete.points(vec![kettle]).wait(true))
        .await
        .unwrap();
    let (status, told) = shop.explain(&["17"]).await;
    assert_eq!(status, ExitStatus::Differs);
    assert_eq!(field(&told, "/verdict/action"), "altered");
    assert_eq!(field(&told, "/verdict/differences/0/index"), 99);
    let (status, told) = shop.explain(&["18"]).await;
    assert_eq!(status, ExitStatus::Differs);
    assert_eq!(
        field(&told, "/verdict/text"),
        "embed and upsert: the index has no point of the row; nothing is pending: `vectide audit --repair` mends it, or the row's next change"
    );

    // Another model is configured: every vector is to be bought anew.
    shop.config.embed.model = "another".to_owned();
    let (status, told) = shop.explain(&["17"]).await;
    assert_eq!(status, ExitStatus::Differs);
    assert_eq!(field(&told, "/verdict/because/0"), "other_model");
    assert_eq!(field(&told, "/index/made/model_is_configured"), false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_row_is_known_by_the_point_that_stands_for_it_and_never_found() {
    let mut shop = Shop::open().await;
    let app = shop.addressed_member().await;
    shop.put(1, row("Tent", 3)).await;
    shop.put(17, row("Tarp", 3)).await;
    shop.equal().await;
    shop.delete(17).await;
    shop.equal().await;
    shop.at_rest().await;
    app.stop().await.unwrap();

    let (status, text) = shop.vectide(&["explain", "17"]).await;
    assert_eq!(status, ExitStatus::Success, "{text}");
    assert!(text.contains("it stands for a deleted row"), "{text}");
    assert!(text.contains("as of    shop.public.products/"), "{text}");
    let (_, found) = shop.vectide(&["search", "tent", "--json"]).await;
    let found: Vec<Json> = serde_json::from_str(&found).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_kafkas_own_hash_spreads_the_keys_one_partition_is_looked_at() {
    let shop = Shop::open().await;
    // As the Java producer of Kafka Connect does.
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", shop.kafka.bootstrap_servers())
        .set("partitioner", "murmur2_random")
        .create()
        .unwrap();
    for id in 0..300 {
        let value = envelope("c", &json!({"id": id, "title": "Tent", "stock": 1}));
        let key = key(id);
        let record = FutureRecord::to(TOPIC).key(&key).payload(&value);
        let sent = producer.send_result(record).map_err(|(error, _)| error);
        drop(sent.unwrap());
    }
    let member = shop.member().await;
    until("the rows to be indexed", async || {
        shop.points().await.len() == 300
    })
    .await;
    member.stop().await.unwrap();
    for id in ["7", "42", "299"] {
        let (_, told) = shop.explain(&[id]).await;
        let place = field(&told, "/kafka/partition_by_hash").as_i64();
        let record = field(&told, "/kafka/records/0/partition").as_i64();
        assert!(place.is_some() && place == record, "{told:#}");
        assert_eq!(field(&told, "/kafka/is_complete"), true);
    }
    let (status, text) = shop.vectide(&["explain", "0", "--scan", "10"]).await;
    assert_eq!(status, ExitStatus::Success, "{text}");
    assert!(text.contains("where --scan 10 ends"), "{text}");
    assert!(
        text.contains("now  unknown: the row's last record is further back"),
        "{text}"
    );
    let (_, text) = shop.vectide(&["explain", "42"]).await;
    assert!(
        text.contains(" of 3, by the hash of {\"id\":42}: looked at all of it"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_key_that_looks_like_a_number_is_found_by_its_digits() {
    let shop = Shop::open().await;
    let value = envelope("c", &json!({"id": "17", "title": "Tent", "stock": 1}));
    shop.write_to(TOPIC, Some("{\"id\":\"17\"}"), Some(&value))
        .await;
    let member = shop.member().await;
    until("the row to be indexed", async || {
        shop.points().await.len() == 1
    })
    .await;
    member.stop().await.unwrap();
    for key in ["17", "\"17\"", "[\"17\"]", "{\"id\":\"17\"}"] {
        let (_, told) = shop.explain(&[key]).await;
        assert_eq!(field(&told, "/key"), "[\"17\"]");
        assert_eq!(field(&told, "/kafka/records").as_array().unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_were_not_repeated_are_completed_as_the_pipeline_does() {
    let mut shop = Shop::open().await;
    let app = shop.addressed_member().await;
    shop.put(17, row("Tent", 3)).await;
    shop.equal().await;
    shop.at_rest().await;
    app.stop().await.unwrap();
    let after = json!({"id": 17, "title": "__debezium_unavailable_value", "stock": 0});
    let value = envelope("u", &after);
    shop.write(Some(key(17).as_bytes()), Some(value.as_bytes()))
        .await;
    let (_, told) = shop.explain(&["17"]).await;
    assert_eq!(
        field(&told, "/verdict/text"),
        "patch the payload: stock 3 -> 0; this is pending"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_t_be_told_is_one_line() {
    let mut shop = Shop::open().await;
    let said = async |shop: &Shop, arguments: &[&str]| {
        let (status, text) = shop.vectide(arguments).await;
        assert_eq!(text.trim_end().lines().count(), 1, "{text}");
        (status as u8, text)
    };
    let (code, text) = said(&shop, &["explain", "17"]).await;
    let absent = "vectide: the collection products does not exist: `vectide run` makes it; or correct index.collection";
    assert_eq!((code, text.as_str()), (1, absent));
    let (code, text) = said(&shop, &["search", "tent"]).await;
    assert_eq!((code, text.as_str()), (1, absent));

    let app = shop.addressed_member().await;
    let (code, text) = said(&shop, &["explain", "17"]).await;
    let empty = "vectide: no row [17]: the topic shop.public.products is empty, and the collection products has no point for it";
    assert_eq!((code, text.as_str()), (1, empty));
    shop.put(1, row("Tent", 3)).await;
    shop.equal().await;
    let (code, text) = said(&shop, &["explain", "B-204"]).await;
    assert_eq!(code, 1);
    assert!(
        text.ends_with("has no point for it; keys there look like [1]"),
        "{text}"
    );
    let (code, text) = said(&shop, &["explain", "1", "--topic", "absent"]).await;
    let absent = "vectide: the topic absent does not exist: correct the name";
    assert_eq!((code, text.as_str()), (1, absent));
    app.stop().await.unwrap();

    shop.kafka.create_topic("shop.public.brands", 1).unwrap();
    shop.config
        .kafka
        .topics
        .push("shop.public.brands".to_owned());
    shop.config.tables.push(TableConfig {
        topics: vec!["shop.public.brands".to_owned()],
        collection: Some("brands".to_owned()),
        ..TableConfig::default()
    });
    let (code, text) = said(&shop, &["explain", "1"]).await;
    let several = "vectide: name one topic with --topic: shop.public.brands, shop.public.products";
    assert_eq!((code, text.as_str()), (2, several));
    let (code, text) = said(&shop, &["search", "tent"]).await;
    let several = "vectide: name one collection with --collection, or a table's topic with --topic: brands, products";
    assert_eq!((code, text.as_str()), (2, several));
    let (code, _) = said(&shop, &["search", "tent", "--topic", TOPIC]).await;
    assert_eq!(code, 0);
    let (code, _) = said(&shop, &["search", "tent", "--collection", "products"]).await;
    assert_eq!(code, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_finds_the_nearest_rows_of_which_the_filters_are_true() {
    let mut shop = Shop::open().await;
    let app = shop.addressed_member().await;
    for (id, title, stock) in [
        (1, "waterproof hiking boots", 3),
        (2, "hiking boots", 0),
        (3, "electric kettle", 5),
    ] {
        shop.put(id, row(title, stock)).await;
    }
    shop.equal().await;
    shop.at_rest().await;
    let asked = shop.embeddings.control().stats().requests;
    let (status, text) = shop
        .vectide(&["search", "waterproof hiking boots", "--limit", "2"])
        .await;
    assert_eq!(status, ExitStatus::Success);
    assert_eq!(shop.embeddings.control().stats().requests, asked + 1);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].ends_with("[1]  waterproof hiking boots"), "{text}");
    assert!(lines[1].ends_with("[2]  hiking boots"), "{text}");

    let found = async |filters: &[&str]| {
        let mut arguments = vec!["search", "boots", "--json"];
        for filter in filters {
            arguments.extend(["--filter", filter]);
        }
        let (_, text) = shop.vectide(&arguments).await;
        let hits: Vec<Json> = serde_json::from_str(&text).unwrap();
        let mut ids: Vec<i64> = hits
            .iter()
            .map(|hit| hit["payload"]["id"].as_i64().unwrap())
            .collect();
        ids.sort_unstable();
        ids
    };
    for (filters, ids) in [
        (&[][..], &[1, 2, 3][..]),
        (&["stock > 0"], &[1, 3]),
        (&["stock > 0", "title = electric kettle"], &[3]),
        (&["title != electric kettle"], &[1, 2]),
        (&["stock = 5"], &[3]),
        (&["stock != 5", "stock<=3"], &[1, 2]),
        (&["stock >= 3", "stock < 5"], &[1]),
        (&["title = '5'"], &[]),
    ] {
        assert_eq!(found(filters).await, ids, "{filters:?}");
    }
    let (_, text) = shop
        .vectide(&["search", "boots", "--filter", "stock > 3"])
        .await;
    assert!(
        text.trim_end().ends_with("[3]  electric kettle  stock 5"),
        "{text}"
    );
    app.stop().await.unwrap();
}

/// The point's own words are not among what is searched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_beside_the_rows_is_not_shown_by_a_search() {
    let mut shop = Shop::open().await;
    let app = shop.addressed_member().await;
    shop.put(1, row("Tent", 3)).await;
    shop.equal().await;
    let kept = shop.points().await;
    assert!(
        kept.iter()
            .all(|point| matches!(point.payload["_vectide"].kind, Some(Kind::StructValue(_))))
    );
    let (_, text) = shop.vectide(&["search", "tent", "--json"]).await;
    assert!(!text.contains("_vectide"), "{text}");
    app.stop().await.unwrap();
}
