//! A shop for one test: servers, a table, a producer of its changes, and the program under test.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use qdrant_client::{
    Qdrant,
    qdrant::{Condition, Filter, RetrievedPoint, ScrollPointsBuilder, value::Kind},
};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{Header, Headers, OwnedHeaders, OwnedMessage},
    producer::{FutureProducer, FutureRecord},
};
use vectide::{
    app::App,
    config::Config,
    stand_ins::{Endpoints, StandIns},
    telemetry::{Lane, LaneState},
};
use vectide_embedded::{
    embeddings::{EmbeddedEmbeddings, EmbeddingsOptions},
    kafka::{EmbeddedKafka, KafkaOptions},
    qdrant::{EmbeddedQdrant, QdrantOptions, Storage},
};

/// How long any condition may take to come true; a test that needs it all has failed.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const TOPIC: &str = "shop.public.products";
pub(crate) const DIMENSIONS: u32 = 32;
const PARTITIONS: i32 = 3;

/// A row: title and stock.
pub(crate) type Row = (String, i64);

pub(crate) struct Shop {
    pub(crate) kafka: EmbeddedKafka,
    pub(crate) qdrant: EmbeddedQdrant,
    pub(crate) embeddings: EmbeddedEmbeddings,
    pub(crate) config: Config,
    pub(crate) table: BTreeMap<i64, Row>,
    producer: FutureProducer,
    client: Qdrant,
}

pub(crate) fn local() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

pub(crate) fn row(title: &str, stock: i64) -> Row {
    (title.to_owned(), stock)
}

impl Shop {
    /// A shop whose topic exists.
    pub(crate) async fn open() -> Self {
        let shop = Self::open_without_topic().await;
        shop.kafka.create_topic(TOPIC, PARTITIONS).unwrap();
        shop
    }

    pub(crate) async fn open_without_topic() -> Self {
        let kafka = EmbeddedKafka::start(KafkaOptions::default()).unwrap();
        let options = QdrantOptions {
            address: local(),
            storage: Storage::Memory,
        };
        let qdrant = EmbeddedQdrant::start(options).await.unwrap();
        let options = EmbeddingsOptions {
            address: local(),
            ..EmbeddingsOptions::default()
        };
        let embeddings = EmbeddedEmbeddings::start(options).await.unwrap();
        let producer = ClientConfig::new()
            .set("bootstrap.servers", kafka.bootstrap_servers())
            .set("message.max.bytes", "100000000")
            .create()
            .unwrap();
        let client = Qdrant::from_url(&qdrant.url())
            .skip_compatibility_check()
            .build()
            .unwrap();
        let mut config = Config::default();
        config.kafka.topics = vec![TOPIC.to_owned()];
        config.kafka.session_timeout = Duration::from_secs(6);
        config.document.columns.category = None;
        config.document.columns.description = None;
        config.document.columns.product = Some("title".into());
        config.window.quiet = Duration::from_millis(100);
        config.window.max_hold = Duration::from_secs(1);
        config.embed.dimensions = DIMENSIONS;
        config.embed.requests_per_minute = None;
        config.embed.retry_initial = Duration::from_millis(50);
        config.embed.retry_max = Duration::from_millis(500);
        config.index.retry_initial = Duration::from_millis(50);
        config.index.retry_max = Duration::from_millis(500);
        config.commit.interval = Duration::from_millis(100);
        config.pipeline.drain_timeout = Duration::from_secs(2);
        config.pipeline.shutdown_timeout = Duration::from_secs(3);
        config.admin.address = local();
        Self {
            kafka,
            qdrant,
            embeddings,
            config,
            table: BTreeMap::new(),
            producer,
            client,
        }
    }

    pub(crate) fn endpoints(&self) -> Endpoints {
        Endpoints {
            brokers: self.kafka.bootstrap_servers().to_owned(),
            index_url: self.qdrant.url(),
            embed_url: self.embeddings.url(),
        }
    }

    /// Starts a member of the group.
    pub(crate) async fn member(&self) -> App {
        App::start_with(&self.config, StandIns::default(), self.endpoints())
            .await
            .unwrap()
    }

    pub(crate) async fn write(&self, key: Option<&[u8]>, value: Option<&[u8]>) {
        self.write_with(key, value, &[]).await;
    }

    pub(crate) async fn write_with(
        &self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, &[u8])],
    ) {
        let mut record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(TOPIC);
        record.key = key;
        record.payload = value;
        if !headers.is_empty() {
            let mut owned = OwnedHeaders::new();
            for (key, value) in headers {
                owned = owned.insert(Header {
                    key,
                    value: Some(*value),
                });
            }
            record.headers = Some(owned);
        }
        self.producer.send(record, PATIENCE).await.unwrap();
    }

    /// Writes to another table's topic.
    pub(crate) async fn write_to(&self, topic: &str, key: Option<&str>, value: Option<&str>) {
        let mut record: FutureRecord<'_, str, str> = FutureRecord::to(topic);
        record.key = key;
        record.payload = value;
        self.producer.send(record, PATIENCE).await.unwrap();
    }

    /// Creates or changes a row.
    pub(crate) async fn put(&mut self, id: i64, row: Row) {
        let after = serde_json::json!({"id": id, "title": row.0, "stock": row.1});
        let value = envelope("u", &after);
        self.table.insert(id, row);
        self.write(Some(key(id).as_bytes()), Some(value.as_bytes()))
            .await;
    }

    /// Deletes a row: the event, then the tombstone.
    pub(crate) async fn delete(&mut self, id: i64) {
        self.delete_without_tombstone(id).await;
        self.tombstone(id).await;
    }

    /// Deletes a row: the event alone.
    pub(crate) async fn delete_without_tombstone(&mut self, id: i64) {
        let value = envelope("d", &serde_json::Value::Null);
        self.table.remove(&id);
        self.write(Some(key(id).as_bytes()), Some(value.as_bytes()))
            .await;
    }

    /// What Debezium writes after the event of a delete.
    pub(crate) async fn tombstone(&self, id: i64) {
        self.write(Some(key(id).as_bytes()), None).await;
    }

    pub(crate) async fn points(&self) -> Vec<RetrievedPoint> {
        self.points_of(&self.config.index.collection).await
    }

    /// The points of rows: bookkeeping and tombstones have no vector.
    pub(crate) async fn points_of(&self, collection: &str) -> Vec<RetrievedPoint> {
        let all = ScrollPointsBuilder::new(collection)
            .filter(Filter::must([Condition::has_vector(
                &self.config.index.vector,
            )]))
            .limit(100_000)
            .with_payload(true)
            .with_vectors(true);
        self.client
            .scroll(all)
            .await
            .map_or_else(|_| Vec::new(), |answer| answer.result)
    }

    /// What the index holds of the table's columns.
    pub(crate) async fn indexed(&self) -> BTreeMap<i64, Row> {
        self.points()
            .await
            .into_iter()
            .filter_map(|point| {
                let integer = |name: &str| match point.payload.get(name)?.kind {
                    Some(Kind::IntegerValue(integer)) => Some(integer),
                    _ => None,
                };
                let title = match &point.payload.get("title")?.kind {
                    Some(Kind::StringValue(title)) => title.clone(),
                    _ => return None,
                };
                Some((integer("id")?, (title, integer("stock")?)))
            })
            .collect()
    }

    /// Waits until the index equals the table.
    pub(crate) async fn equal(&self) {
        let start = Instant::now();
        loop {
            let indexed = self.indexed().await;
            if indexed == self.table {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "the index never equals the table: {indexed:?}, not {:?}",
                self.table
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the group has committed everything, then compares index and table.
    pub(crate) async fn at_rest(&self) {
        self.committed().await;
        assert_eq!(self.indexed().await, self.table);
    }

    /// Waits until the group has committed everything.
    pub(crate) async fn committed(&self) {
        let group = self.config.kafka.group.clone();
        let brokers = self.kafka.bootstrap_servers().to_owned();
        tokio::task::spawn_blocking(move || wait_for_no_lag(&brokers, &group))
            .await
            .unwrap();
    }

    /// Reads the dead-letter topic until it holds `count` records.
    pub(crate) async fn dead_letters(&self, count: usize) -> Vec<OwnedMessage> {
        let brokers = self.kafka.bootstrap_servers().to_owned();
        let topic = self.config.dead_letter.topic.clone();
        tokio::task::spawn_blocking(move || read(&brokers, &topic, count))
            .await
            .unwrap()
    }
}

pub(crate) fn key(id: i64) -> String {
    format!(r#"{{"id":{id}}}"#)
}

pub(crate) fn envelope(op: &str, after: &serde_json::Value) -> String {
    serde_json::json!({
        "before": null, "after": after, "op": op, "ts_ms": 1,
        "source": {"connector": "postgresql", "ts_ms": 1, "lsn": 1, "snapshot": "false"},
    })
    .to_string()
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until a lane's state is as told, and returns its reason.
pub(crate) async fn lane(app: &App, lane: Lane, label: &str) -> String {
    until(&format!("lane {lane} to be {label}"), async || {
        app.health().get(lane).label() == label
    })
    .await;
    let state: LaneState = app.health().get(lane);
    state.reason().unwrap_or_default().to_owned()
}

fn wait_for_no_lag(brokers: &str, group: &str) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .create()
        .unwrap();
    let start = Instant::now();
    loop {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(TOPIC, 0, PARTITIONS - 1);
        let committed = consumer.committed_offsets(list, PATIENCE).unwrap();
        let behind = committed.elements().iter().any(|element| {
            let (_, end) = consumer
                .fetch_watermarks(TOPIC, element.partition(), PATIENCE)
                .unwrap();
            end > 0 && element.offset() != Offset::Offset(end)
        });
        if !behind {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "the group lags: {committed:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn read(brokers: &str, topic: &str, count: usize) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "reader")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    let start = Instant::now();
    let mut list = TopicPartitionList::new();
    // The topic is made with its first record.
    while list.count() == 0 {
        assert!(start.elapsed() < PATIENCE, "there is no dead-letter topic");
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
        for partition in metadata.topics()[0].partitions() {
            list.add_partition_offset(topic, partition.id(), Offset::Beginning)
                .unwrap();
        }
    }
    consumer.assign(&list).unwrap();
    let mut messages = Vec::new();
    while messages.len() < count {
        assert!(
            start.elapsed() < PATIENCE,
            "only {} dead letters",
            messages.len()
        );
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            messages.push(message.detach());
        }
    }
    messages
}

/// A header's value as text.
pub(crate) fn header(message: &OwnedMessage, name: &str) -> Option<String> {
    message
        .headers()?
        .iter()
        .find(|header| header.key == name)
        .and_then(|header| String::from_utf8(header.value?.to_vec()).ok())
}
