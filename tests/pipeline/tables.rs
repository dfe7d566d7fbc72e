//! Several tables in one process, and tables that are blocked.

use std::collections::BTreeMap;

use qdrant_client::qdrant::value::Kind;
use serde_json::json;
use vectide::{
    app::App,
    config::{ByteSize, DocumentConfig, TableConfig},
    record::TextHash,
    telemetry::Lane,
};

use crate::shop::{Shop, envelope, key, lane, row, until};

const BRANDS: &str = "shop.public.brands";

/// A shop with a second table in a collection of its own.
async fn open() -> Shop {
    let mut shop = Shop::open().await;
    // One partition, so that what is behind a record is told easily.
    shop.kafka.create_topic(BRANDS, 1).unwrap();
    shop.config.kafka.topics.push(BRANDS.to_owned());
    let mut document = DocumentConfig::default();
    document.columns.product = Some("name".into());
    document.columns.category = Some("country".into());
    document.columns.description = None;
    shop.config.tables.push(TableConfig {
        topics: vec![BRANDS.to_owned()],
        collection: Some("brands".to_owned()),
        document: Some(document),
        ..TableConfig::default()
    });
    shop
}

fn held(app: &App) -> i64 {
    app.metrics().pipeline.held.get()
}

fn dead_letters(app: &App) -> bool {
    let metrics = app.metrics().encode(app.health()).unwrap();
    metrics.contains("vectide_dead_letters_total{")
}

impl Shop {
    async fn put_brand(&self, id: i64, columns: serde_json::Value) {
        let mut after = columns;
        after["id"] = json!(id);
        let value = envelope("u", &after);
        self.write_to(BRANDS, Some(&key(id)), Some(&value)).await;
    }

    /// The hash of each brand's text, by id.
    async fn brands(&self) -> BTreeMap<i64, String> {
        let points = self.points_of("brands").await.into_iter();
        points
            .filter_map(|point| {
                let Some(Kind::IntegerValue(id)) = point.payload.get("id")?.kind else {
                    return None;
                };
                let Some(Kind::StructValue(stored)) = &point.payload.get("_vectide")?.kind else {
                    return None;
                };
                match &stored.fields.get("text_hash")?.kind {
                    Some(Kind::StringValue(hash)) => Some((id, hash.clone())),
                    _ => None,
                }
            })
            .collect()
    }

    /// Waits until the brands are those with these texts.
    async fn brands_are(&self, texts: &[(i64, &str)]) {
        let wanted: BTreeMap<i64, String> = texts
            .iter()
            .map(|(id, text)| (*id, TextHash::of_text(text).to_string()))
            .collect();
        until("the brands", async || self.brands().await == wanted).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tables_go_to_two_collections_each_by_its_own_settings() {
    let mut shop = open().await;
    let document = shop.config.tables[0].document.as_mut().unwrap();
    document.template = Some("{{ name }} of {{ country }}".to_owned());
    let app = shop.member().await;
    shop.put(1, row("kettle", 1)).await;
    shop.put_brand(1, json!({"name": "Acme", "country": "NL"}))
        .await;
    shop.put_brand(2, json!({"name": "Umbra", "country": "CA"}))
        .await;
    shop.equal().await;
    shop.brands_are(&[(1, "Acme of NL"), (2, "Umbra of CA")])
        .await;
    shop.write_to(BRANDS, Some(&key(1)), None).await;
    shop.brands_are(&[(2, "Umbra of CA")]).await;
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_that_is_renamed_goes_on_under_both_names() {
    let mut shop = open().await;
    let document = shop.config.tables[0].document.as_mut().unwrap();
    document.columns.product = Some(["name", "title"].into());
    document.columns.category = None;
    let app = shop.member().await;
    shop.put_brand(1, json!({"title": "Acme"})).await;
    shop.put_brand(2, json!({"name": "Umbra"})).await;
    shop.put_brand(3, json!({"name": "Orbit", "title": "old"}))
        .await;
    let texts = [
        (1, "Product: Acme"),
        (2, "Product: Umbra"),
        (3, "Product: Orbit"),
    ];
    shop.brands_are(&texts).await;
    assert!(app.health().ready());
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_that_vanished_blocks_its_table_alone_until_a_row_or_the_configuration_mends_it() {
    let mut shop = open().await;
    let app = shop.member().await;
    shop.put_brand(1, json!({"name": "Acme", "country": "NL"}))
        .await;
    shop.put_brand(2, json!({"name": "Umbra", "country": "CA"}))
        .await;
    let (acme, umbra) = (
        (1, "Product: Acme\nCategory: NL"),
        (2, "Product: Umbra\nCategory: CA"),
    );
    shop.brands_are(&[acme, umbra]).await;

    shop.put_brand(1, json!({"name": "Acme", "land": "NL"}))
        .await;
    let reason = lane(&app, Lane::Tables, "blocked").await;
    assert_eq!(
        reason,
        "table shop.public.brands: column `country` is missing since brands/0@2; name another in tables[0].document.columns or list it in tables[0].document.optional"
    );
    assert!(!app.health().ready());
    assert_eq!(held(&app), 1);
    // Deletes behind it pass, and so does the other table.
    shop.write_to(BRANDS, Some(&key(2)), None).await;
    shop.brands_are(&[acme]).await;
    shop.put(1, row("kettle", 1)).await;
    shop.equal().await;

    // A later row of the key that has the column mends it.
    shop.put_brand(1, json!({"name": "Apex", "country": "NL"}))
        .await;
    shop.brands_are(&[(1, "Product: Apex\nCategory: NL")]).await;
    lane(&app, Lane::Tables, "ready").await;
    assert_eq!(held(&app), 0);

    // So does a delete, and so does a configuration that knows the new name.
    shop.put_brand(3, json!({"name": "Orbit", "land": "SE"}))
        .await;
    lane(&app, Lane::Tables, "blocked").await;
    shop.write_to(BRANDS, Some(&key(3)), None).await;
    lane(&app, Lane::Tables, "ready").await;
    shop.put_brand(1, json!({"name": "Apex", "land": "BE"}))
        .await;
    lane(&app, Lane::Tables, "blocked").await;
    assert!(!dead_letters(&app));
    app.stop().await.unwrap();
    let document = shop.config.tables[0].document.as_mut().unwrap();
    document.columns.category = Some(["country", "land"].into());
    let app = shop.member().await;
    shop.brands_are(&[(1, "Product: Apex\nCategory: BE")]).await;
    assert!(app.health().ready());
    assert!(!dead_letters(&app));
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_repeats_only_what_changed_waits_behind_the_held_one_that_it_goes_on_from() {
    let mut shop = open().await;
    let app = shop.member().await;
    shop.put_brand(1, json!({"name": "Acme", "country": "NL"}))
        .await;
    shop.brands_are(&[(1, "Product: Acme\nCategory: NL")]).await;
    shop.put_brand(1, json!({"name": "Apex", "land": "NL"}))
        .await;
    let unchanged = "__debezium_unavailable_value";
    shop.put_brand(1, json!({"name": unchanged, "country": "BE"}))
        .await;
    until("both to be held", async || held(&app) == 2).await;
    lane(&app, Lane::Tables, "blocked").await;
    shop.brands_are(&[(1, "Product: Acme\nCategory: NL")]).await;
    app.stop().await.unwrap();

    let document = shop.config.tables[0].document.as_mut().unwrap();
    document.columns.category = Some(["country", "land"].into());
    let app = shop.member().await;
    shop.brands_are(&[(1, "Product: Apex\nCategory: BE")]).await;
    assert_eq!(held(&app), 0);
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_without_a_key_blocks_itself_alone_however_much_of_it_there_is() {
    let mut shop = open().await;
    shop.config.pipeline.budget = ByteSize(1 << 20);
    let padding = "x".repeat(20_000);
    let value = envelope("c", &json!({"name": "Acme", "country": padding}));
    // The budget holds 25 of them, and the gate is open for longer than that.
    for _ in 0..150 {
        shop.write_to(BRANDS, None, Some(&value)).await;
    }
    let app = shop.member().await;
    let reason = lane(&app, Lane::Tables, "blocked").await;
    assert_eq!(
        reason,
        "table shop.public.brands: its records have no key since brands/0@0; give it a primary key, set the connector's message.key.columns, or name key columns in rows.key_columns"
    );
    until("the table to be paused", async || {
        app.metrics().kafka.paused.get() == 1
    })
    .await;
    for id in 0..50 {
        shop.put(id, row("kettle", id)).await;
    }
    shop.equal().await;
    shop.at_rest().await;
    assert_eq!(app.metrics().kafka.paused.get(), 1);
    assert!(!dead_letters(&app));
    app.stop().await.unwrap();

    shop.config.tables[0].rows = Some(vectide::config::RowsConfig {
        key_columns: vec!["name".to_owned()],
        ..vectide::config::RowsConfig::default()
    });
    let app = shop.member().await;
    until("the one brand", async || {
        shop.points_of("brands").await.len() == 1
    })
    .await;
    assert!(app.health().ready());
    app.stop().await.unwrap();
}
