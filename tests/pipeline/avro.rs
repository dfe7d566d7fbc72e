//! Records in Avro, and the schema registry: what happens while it is away, and what it does not
//! know.

use std::time::Duration;

use rdkafka::{
    ClientConfig, Message,
    producer::{FutureProducer, FutureRecord},
};
use serde_json::json;
use vectide::{app::App, config::ByteSize, telemetry::Lane};
use vectide_embedded::registry::{Behaviour, EmbeddedRegistry, RegistryOptions, Schema};

use crate::shop::{Shop, envelope, header, key, lane, row, until};

const KEY_SCHEMA: u32 = 11;
const VALUE_SCHEMA: u32 = 12;

/// A topic in JSON beside the one in Avro.
const JSON_TOPIC: &str = "shop.public.bundles";

/// A shop whose connector writes Avro, with names not adjusted.
pub(crate) struct AvroShop {
    pub(crate) shop: Shop,
    pub(crate) registry: EmbeddedRegistry,
}

impl AvroShop {
    pub(crate) async fn open() -> Self {
        let mut shop = Shop::open().await;
        let registry = EmbeddedRegistry::start(RegistryOptions::default())
            .await
            .unwrap();
        shop.config.registry.urls = vec![registry.url()];
        shop.config.registry.retry_initial = Duration::from_millis(20);
        shop.config.registry.retry_max = Duration::from_millis(100);
        let shop = Self { shop, registry };
        shop.know(VALUE_SCHEMA);
        shop.registry.control().put(
            KEY_SCHEMA,
            Schema::avro(
                json!({"type": "record", "name": "Key", "namespace": "my-shop.public.products", "fields": [
                    {"name": "id", "type": "long"},
                ]})
                .to_string(),
            ),
        );
        shop
    }

    /// Registers the envelope's schema under an id.
    fn know(&self, id: u32) {
        let schema = json!({"type": "record", "name": "Envelope", "namespace": "my-shop.public.products", "fields": [
            {"name": "before", "type": ["null", {"type": "record", "name": "Value", "fields": [
                {"name": "id", "type": "long"},
                {"name": "title", "type": "string"},
                {"name": "stock", "type": {"type": "int", "connect.default": 0}, "default": 0},
            ]}], "default": null},
            {"name": "after", "type": ["null", "Value"], "default": null},
            {"name": "op", "type": "string"},
        ]});
        let schema = Schema::avro(schema.to_string());
        self.registry.control().put(id, schema);
    }

    fn behave(&self, behaviour: Behaviour) {
        self.registry.control().set(behaviour);
    }

    fn down(&self) {
        self.behave(Behaviour {
            fail: Some(503),
            ..Behaviour::default()
        });
    }

    /// Creates or changes a row, in Avro with that schema.
    async fn put_with(&mut self, schema: u32, id: i64, title: &str, stock: i64) {
        self.shop.table.insert(id, row(title, stock));
        self.write(schema, id, title, stock).await;
    }

    pub(crate) async fn put(&mut self, id: i64, title: &str, stock: i64) {
        self.put_with(VALUE_SCHEMA, id, title, stock).await;
    }

    async fn write(&self, schema: u32, id: i64, title: &str, stock: i64) {
        let row = [long(id), text(title), long(stock)].concat();
        let value = [framed(schema), long(0), long(1), row, text("u")].concat();
        self.shop.write(Some(&avro_key(id)), Some(&value)).await;
    }

    /// Deletes a row, in Avro: the event, then the tombstone.
    pub(crate) async fn delete(&mut self, id: i64) {
        self.shop.table.remove(&id);
        let value = [framed(VALUE_SCHEMA), long(0), long(0), text("d")].concat();
        self.shop.write(Some(&avro_key(id)), Some(&value)).await;
        self.shop.write(Some(&avro_key(id)), None).await;
    }

    /// Creates a row of the other table, in JSON.
    async fn put_bundle(&mut self, id: i64, title: &str) {
        let producer: FutureProducer = ClientConfig::new()
            .set("bootstrap.servers", self.shop.kafka.bootstrap_servers())
            .create()
            .unwrap();
        self.shop.table.insert(id, row(title, 1));
        let value = envelope("c", &json!({"id": id, "title": title, "stock": 1}));
        let key = key(id);
        let record = FutureRecord::to(JSON_TOPIC).key(&key).payload(&value);
        producer.send(record, Duration::from_mins(1)).await.unwrap();
    }
}

fn framed(schema: u32) -> Vec<u8> {
    [&[0], &schema.to_be_bytes()[..]].concat()
}

fn avro_key(id: i64) -> Vec<u8> {
    [framed(KEY_SCHEMA), long(id)].concat()
}

/// Avro's encoding of a number that is not negative.
fn long(number: i64) -> Vec<u8> {
    let mut zigzag = number * 2;
    let mut bytes = Vec::new();
    while zigzag > 0x7f {
        bytes.push(u8::try_from(zigzag & 0x7f).unwrap() | 0x80);
        zigzag >>= 7;
    }
    bytes.push(u8::try_from(zigzag).unwrap());
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [long(i64::try_from(text.len()).unwrap()), text.into()].concat()
}

async fn reason(app: &App, label: &str) -> String {
    lane(app, Lane::Registry, label).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_is_the_same_point_from_avro_as_from_json() {
    let mut shop = AvroShop::open().await;
    let app = shop.shop.member().await;
    shop.put(1, "kettle", 3).await;
    shop.put(2, "pan", 1).await;
    shop.shop.put(3, row("pot", 1)).await;
    shop.shop.equal().await;
    // The connector's converter is changed: what it wrote before stays in the topic.
    shop.shop.put(1, row("kettle, in JSON", 2)).await;
    shop.put(3, "pot, in Avro", 2).await;
    shop.delete(2).await;
    shop.shop.equal().await;
    shop.shop.at_rest().await;
    assert_eq!(shop.registry.control().stats().requests, 2);
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_registry_is_away_its_topic_waits_and_others_go_on() {
    let mut shop = AvroShop::open().await;
    shop.shop.kafka.create_topic(JSON_TOPIC, 1).unwrap();
    shop.shop.config.kafka.topics.push(JSON_TOPIC.to_owned());
    shop.down();
    let app = shop.shop.member().await;
    shop.write(VALUE_SCHEMA, 1, "kettle", 3).await;
    shop.write(VALUE_SCHEMA, 1, "kettle", 4).await;
    shop.write(VALUE_SCHEMA, 2, "pan", 1).await;
    let why = reason(&app, "waiting").await;
    assert!(why.contains("fails with status 503"), "{why}");
    assert!(!app.health().ready());
    shop.put_bundle(50, "kettle and pan").await;
    // Only the other topic's row is there.
    shop.shop.equal().await;
    shop.shop.table.insert(1, row("kettle", 4));
    shop.shop.table.insert(2, row("pan", 1));
    shop.behave(Behaviour::default());
    shop.shop.equal().await;
    assert_eq!(reason(&app, "ready").await, "");
    shop.shop.at_rest().await;
    let metrics = app.metrics().encode(app.health()).unwrap();
    assert!(
        !metrics.contains("vectide_dead_letters_total{"),
        "nothing was dead-lettered"
    );
    assert!(
        metrics.contains("vectide_stalled_partitions 0"),
        "{metrics}"
    );
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_schema_does_not_use_up_the_memory_of_all() {
    let mut shop = AvroShop::open().await;
    shop.shop.kafka.create_topic(JSON_TOPIC, 1).unwrap();
    shop.shop.config.kafka.topics.push(JSON_TOPIC.to_owned());
    shop.shop.config.pipeline.budget = ByteSize(4 << 20);
    shop.down();
    let app = shop.shop.member().await;
    shop.write(VALUE_SCHEMA, 1, "kettle", 0).await;
    let paused = &app.metrics().kafka.paused;
    until("the partition to be paused", async || paused.get() == 1).await;
    // More than the budget, and less than the mock broker keeps.
    let title = "kettle ".repeat(15_000);
    for stock in 1..=40 {
        shop.write(VALUE_SCHEMA, 1, &title, stock).await;
    }
    shop.put_bundle(50, "kettle and pan").await;
    shop.shop.equal().await;
    assert_eq!(paused.get(), 1);
    shop.shop.table.insert(1, row(&title, 40));
    shop.behave(Behaviour::default());
    shop.shop.equal().await;
    shop.shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_schema_waits_for_the_next_member_too() {
    let mut shop = AvroShop::open().await;
    shop.down();
    let app = shop.shop.member().await;
    shop.put(1, "kettle", 3).await;
    shop.put(2, "pan", 3).await;
    reason(&app, "waiting").await;
    app.stop().await.unwrap();
    shop.behave(Behaviour::default());
    let app = shop.shop.member().await;
    shop.shop.equal().await;
    shop.shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_an_unknown_schema_are_dead_lettered_and_read_once_it_is_known() {
    let unknown = 99;
    let mut shop = AvroShop::open().await;
    let app = shop.shop.member().await;
    shop.write(unknown, 1, "kettle", 3).await;
    shop.put(2, "pan", 1).await;
    shop.shop.equal().await;
    let letters = shop.shop.dead_letters(1).await;
    assert_eq!(letters[0].key(), Some(&avro_key(1)[..]));
    assert_eq!(
        header(&letters[0], "__connect.errors.exception.class.name").as_deref(),
        Some("unknown_schema")
    );
    let why = header(&letters[0], "__connect.errors.exception.message").unwrap();
    assert!(why.contains("has no schema 99"), "{why}");
    assert!(app.health().ready(), "it is no outage");
    shop.shop.at_rest().await;

    shop.know(unknown);
    // For a moment it is remembered as unknown.
    until("the schema to be known", async || {
        shop.write(unknown, 1, "kettle", 3).await;
        shop.shop.indexed().await.contains_key(&1)
    })
    .await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_registry_avro_blocks_and_says_what_to_configure() {
    let mut shop = AvroShop::open().await;
    let urls = std::mem::take(&mut shop.shop.config.registry.urls);
    let app = shop.shop.member().await;
    shop.put(1, "kettle", 3).await;
    let why = reason(&app, "blocked").await;
    assert!(why.contains("registry.urls"), "{why}");
    app.stop().await.unwrap();
    shop.shop.config.registry.urls = urls;
    let app = shop.shop.member().await;
    shop.shop.equal().await;
    app.stop().await.unwrap();
}
