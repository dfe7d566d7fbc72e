//! Servers for one replay: captured records go in, the index is compared with the tables.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use qdrant_client::{
    Qdrant,
    qdrant::{
        self, RetrievedPoint, ScrollPointsBuilder, value::Kind, vectors_output::VectorsOptions,
    },
};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{Header, Headers, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use vectide::{
    app::App,
    config::Config,
    stand_ins::{Endpoints, StandIns},
};
use vectide_embedded::{
    embeddings::{EmbeddedEmbeddings, EmbeddingsOptions},
    kafka::{EmbeddedKafka, KafkaOptions},
    qdrant::{EmbeddedQdrant, QdrantOptions, Storage},
    registry::{EmbeddedRegistry, RegistryOptions, Schema},
};

use crate::{
    capture::{Capture, Table, configuration},
    compare, expected,
    fixtures::{self, Record},
};

/// How long any condition may take to come true; a test that needs it all has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long the truncates that one member has read may take to be applied by all of them.
const TRUNCATES: Duration = Duration::from_secs(10);

/// The partitions that each captured topic has.
const PARTITIONS: i32 = 4;

/// A point's payload.
type Payload = HashMap<String, qdrant::Value>;

/// Servers with the captures' topics, still empty.
pub(crate) struct Replay {
    kafka: EmbeddedKafka,
    qdrant: EmbeddedQdrant,
    embeddings: EmbeddedEmbeddings,
    registry: EmbeddedRegistry,
    captures: &'static [Capture],
    producer: FutureProducer,
    /// Asks for what the group has committed.
    group: Arc<BaseConsumer>,
    client: Qdrant,
    /// How many records each partition was given.
    produced: BTreeMap<(String, i32), i64>,
}

fn local() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

impl Replay {
    pub(crate) async fn open(captures: &'static [Capture]) -> Self {
        let kafka = EmbeddedKafka::start(KafkaOptions::default()).unwrap();
        let qdrant = EmbeddedQdrant::start(QdrantOptions {
            address: local(),
            storage: Storage::Memory,
        })
        .await
        .unwrap();
        let embeddings = EmbeddedEmbeddings::start(EmbeddingsOptions {
            address: local(),
            ..EmbeddingsOptions::default()
        })
        .await
        .unwrap();
        let registry = EmbeddedRegistry::start(RegistryOptions::default())
            .await
            .unwrap();
        for (id, schema) in fixtures::schemas() {
            registry.control().put(id, Schema::avro(schema));
        }
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", kafka.bootstrap_servers());
        let producer = client.create().unwrap();
        client.set("group.id", Config::default().kafka.group);
        let group = Arc::new(client.create().unwrap());
        let client = Qdrant::from_url(&qdrant.url())
            .skip_compatibility_check()
            .build()
            .unwrap();
        let replay = Self {
            kafka,
            qdrant,
            embeddings,
            registry,
            captures,
            producer,
            group,
            client,
            produced: BTreeMap::new(),
        };
        let mut topics: Vec<String> = replay.records().into_iter().map(|it| it.topic).collect();
        topics.push(Config::default().dead_letter.topic);
        topics.sort_unstable();
        topics.dedup();
        for topic in topics {
            replay.kafka.create_topic(&topic, PARTITIONS).unwrap();
        }
        replay
    }

    /// All records of the captures, one capture after the other.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.captures
            .iter()
            .flat_map(|capture| fixtures::records(capture.name))
            .collect()
    }

    /// The configuration of a member, as a file has it.
    pub(crate) fn configuration(&self) -> String {
        let mut config: toml::Table = configuration(self.captures).parse().unwrap();
        let endpoints = self.endpoints();
        for (section, key, value) in [
            ("kafka", "brokers", endpoints.brokers.into()),
            ("index", "url", endpoints.index_url.into()),
            ("embed", "url", endpoints.embed_url.into()),
            ("registry", "urls", vec![self.registry.url()].into()),
        ] {
            let value: toml::Value = value;
            config[section]
                .as_table_mut()
                .unwrap()
                .insert(key.to_owned(), value);
        }
        config.to_string()
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            brokers: self.kafka.bootstrap_servers().to_owned(),
            index_url: self.qdrant.url(),
            embed_url: self.embeddings.url(),
        }
    }

    /// Starts a member of the group in this process.
    pub(crate) async fn member(&self) -> App {
        let config: Config = toml::from_str(&self.configuration()).unwrap();
        App::start_with(&config, StandIns::default(), self.endpoints())
            .await
            .unwrap()
    }

    /// Writes records as they were captured, each to its own partition.
    pub(crate) async fn produce(&mut self, records: impl IntoIterator<Item = Record>) {
        let mut deliveries = Vec::new();
        for record in records {
            let mut headers = OwnedHeaders::new();
            for (key, value) in &record.headers {
                let value = value.as_ref();
                headers = headers.insert(Header { key, value });
            }
            let mut message: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(&record.topic)
                .partition(record.partition)
                .timestamp(record.timestamp_ms)
                .headers(headers);
            message.key = record.key.as_deref();
            message.payload = record.value.as_deref();
            deliveries.push(self.producer.send_result(message).unwrap());
            *self
                .produced
                .entry((record.topic, record.partition))
                .or_default() += 1;
        }
        for delivery in join_all(deliveries).await {
            delivery.unwrap().unwrap();
        }
    }

    /// Waits until the group has committed all that was produced.
    pub(crate) async fn settled(&self) {
        let group = self.group.clone();
        let ends = self.produced.clone();
        tokio::task::spawn_blocking(move || wait_for_no_lag(&group, &ends))
            .await
            .unwrap();
    }

    /// How many offsets the group has committed.
    pub(crate) async fn committed(&self) -> i64 {
        let group = self.group.clone();
        let ends = self.produced.clone();
        tokio::task::spawn_blocking(move || committed(&group, &ends).values().sum())
            .await
            .unwrap()
    }

    /// How many records were produced.
    pub(crate) fn produced(&self) -> i64 {
        self.produced.values().sum()
    }

    /// Waits until everything is committed, then compares the index with the tables. A member
    /// learns of another's truncate within seconds; nothing else may come later.
    pub(crate) async fn equal(&self) {
        self.settled().await;
        let start = Instant::now();
        loop {
            let points = self.points().await;
            let mut differences: Vec<String> = self
                .captures
                .iter()
                .flat_map(|capture| capture.tables().iter().map(move |table| (capture, table)))
                .flat_map(|(capture, table)| compare_table(capture, table, &points))
                .collect();
            if differences.is_empty() || start.elapsed() > TRUNCATES {
                differences.extend(self.letters().await);
                let count = differences.len();
                assert_eq!(count, 0, "differences:\n{}", differences.join("\n"));
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The payloads of the points that a search finds, by id.
    pub(crate) async fn points(&self) -> BTreeMap<String, Payload> {
        let all = ScrollPointsBuilder::new("captures")
            .limit(10_000)
            .with_payload(true)
            .with_vectors(true);
        let points = self.client.scroll(all).await.unwrap().result;
        points
            .into_iter()
            .filter(has_vector)
            .map(|point| {
                let id = point.id.and_then(|id| id.point_id_options);
                let Some(qdrant::point_id::PointIdOptions::Uuid(id)) = id else {
                    panic!("no uuid: {id:?}")
                };
                (id, point.payload)
            })
            .collect()
    }

    /// What the dead letters say, which shouldn't be there.
    async fn letters(&self) -> Vec<String> {
        let brokers = self.kafka.bootstrap_servers().to_owned();
        tokio::task::spawn_blocking(move || read_letters(&brokers))
            .await
            .unwrap()
    }
}

/// What has no vector is a tombstone, or other bookkeeping, that no search for neighbours finds.
fn has_vector(point: &RetrievedPoint) -> bool {
    let vectors = point
        .vectors
        .as_ref()
        .and_then(|it| it.vectors_options.as_ref());
    match vectors {
        None => false,
        Some(VectorsOptions::Vector(_)) => true,
        Some(VectorsOptions::Vectors(named)) => !named.vectors.is_empty(),
    }
}

fn wait_for_no_lag(group: &BaseConsumer, ends: &BTreeMap<(String, i32), i64>) {
    let start = Instant::now();
    loop {
        let mut behind = committed(group, ends);
        behind.retain(|partition, offset| *offset != ends[partition]);
        if behind.is_empty() {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "the group lags: {behind:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The committed offset of each partition, 0 where there is none.
fn committed(
    group: &BaseConsumer,
    ends: &BTreeMap<(String, i32), i64>,
) -> BTreeMap<(String, i32), i64> {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in ends.keys() {
        list.add_partition(topic, *partition);
    }
    let committed = group.committed_offsets(list, PATIENCE).unwrap();
    committed
        .elements()
        .iter()
        .map(|element| {
            let offset = match element.offset() {
                Offset::Offset(offset) => offset,
                _ => 0,
            };
            ((element.topic().to_owned(), element.partition()), offset)
        })
        .collect()
}

fn read_letters(brokers: &str) -> Vec<String> {
    let topic = Config::default().dead_letter.topic;
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "reader")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    let mut count = 0;
    for partition in 0..PARTITIONS {
        let (_, end) = consumer
            .fetch_watermarks(&topic, partition, PATIENCE)
            .unwrap();
        count += end;
        list.add_partition_offset(&topic, partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&list).unwrap();
    (0..count)
        .map(|_| {
            let message = consumer.poll(PATIENCE).unwrap().unwrap();
            let headers: HashMap<&str, String> = message
                .headers()
                .unwrap()
                .iter()
                .filter_map(|header| {
                    let text = String::from_utf8_lossy(header.value?).into_owned();
                    Some((header.key, text))
                })
                .collect();
            let header = |name: &str| headers.get(&*format!("__connect.errors.{name}"));
            format!(
                "dead letter of {:?}/{:?}@{:?}: {:?}",
                header("topic"),
                header("partition"),
                header("offset"),
                header("exception.message"),
            )
        })
        .collect()
}

/// How the points of one table differ from its rows.
fn compare_table(
    capture: &Capture,
    table: &Table,
    points: &BTreeMap<String, Payload>,
) -> Vec<String> {
    let topic = capture.topic(table);
    let mut found: BTreeMap<&String, &Payload> = points
        .iter()
        .filter(|(_, payload)| is_of(&topic, payload))
        .collect();
    let mut differences = Vec::new();
    for row in expected::rows(capture, table) {
        let key: Vec<&str> = table.key.iter().map(|column| &*row[*column]).collect();
        let key = format!("[{}]", key.join(","));
        let name = format!("{topic}\n{key}");
        let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).to_string();
        let Some(payload) = found.remove(&id) else {
            differences.push(format!("{topic} {key}: no point"));
            continue;
        };
        for (column, column_type) in table.columns {
            let column_type = expected::column_type(capture, *column_type);
            let difference = compare::difference(column_type, &row[*column], payload.get(*column));
            differences.extend(difference.map(|it| format!("{topic} {key} {column}: {it}")));
        }
        let is_known = |field: &str| {
            field == "_vectide" || table.columns.iter().any(|(column, _)| *column == field)
        };
        for (field, value) in payload.iter().filter(|(field, _)| !is_known(field)) {
            differences.push(format!("{topic} {key} {field}: no such column: {value:?}"));
        }
    }
    for (id, payload) in found {
        differences.push(format!("{topic}: a point for no row, {id}: {payload:?}"));
    }
    differences
}

fn is_of(topic: &str, payload: &Payload) -> bool {
    let Some(Kind::StructValue(stored)) = payload.get("_vectide").and_then(|it| it.kind.as_ref())
    else {
        return false;
    };
    let kind = stored.fields.get("topic").and_then(|it| it.kind.as_ref());
    matches!(kind, Some(Kind::StringValue(of)) if of == topic)
}
