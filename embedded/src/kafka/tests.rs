#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

fn client(kafka: &EmbeddedKafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", kafka.bootstrap_servers())
        .set("group.id", "readers")
        .set("reconnect.backoff.max.ms", "100")
        .set("message.timeout.ms", "30000");
    config
}

async fn produce(producer: &FutureProducer, value: &str) -> i64 {
    let record = FutureRecord::to("shop.products")
        .key("1")
        .partition(0)
        .payload(value);
    producer.send(record, PATIENCE).await.unwrap().offset
}

fn first_partition(offset: Offset) -> TopicPartitionList {
    let mut partitions = TopicPartitionList::new();
    partitions
        .add_partition_offset("shop.products", 0, offset)
        .unwrap();
    partitions
}

fn read(consumer: &BaseConsumer) -> Vec<u8> {
    loop {
        // Anything but a record is news of a broker that the client mends by itself.
        if let Some(Ok(message)) = consumer.poll(PATIENCE) {
            return message.payload().unwrap().to_vec();
        }
    }
}

#[tokio::test]
async fn records_go_in_and_come_out_of_a_topic_with_the_partitions_asked_for() {
    let kafka = EmbeddedKafka::start(KafkaOptions { brokers: 3 }).unwrap();
    assert_eq!(kafka.bootstrap_servers().split(',').count(), 3);
    kafka.create_topic("shop.products", 7).unwrap();
    let producer: FutureProducer = client(&kafka).create().unwrap();
    assert_eq!(produce(&producer, "boots").await, 0);
    assert_eq!(produce(&producer, "tent").await, 1);

    let consumer: BaseConsumer = client(&kafka).create().unwrap();
    let metadata = consumer
        .fetch_metadata(Some("shop.products"), PATIENCE)
        .unwrap();
    assert_eq!(metadata.topics().first().unwrap().partitions().len(), 7);
    consumer
        .assign(&first_partition(Offset::Beginning))
        .unwrap();
    assert_eq!(
        (read(&consumer), read(&consumer)),
        (b"boots".to_vec(), b"tent".to_vec())
    );
}

#[tokio::test]
async fn a_producer_outlives_a_broker_that_is_down_for_a_while() {
    let kafka = EmbeddedKafka::start(KafkaOptions::default()).unwrap();
    kafka.create_topic("shop.products", 1).unwrap();
    let producer: FutureProducer = client(&kafka).create().unwrap();
    produce(&producer, "boots").await;

    kafka.broker_down(Brokers::All).unwrap();
    let waiting = tokio::spawn(async move { produce(&producer, "tent").await });
    kafka.broker_up(Brokers::All).unwrap();
    assert_eq!(waiting.await.unwrap(), 1);
}

#[tokio::test]
async fn injected_errors_are_answered_and_used_up() {
    let kafka = EmbeddedKafka::start(KafkaOptions::default()).unwrap();
    kafka.create_topic("shop.products", 1).unwrap();
    let producer: FutureProducer = client(&kafka).set("retries", "0").create().unwrap();
    let refused = ResponseError::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    kafka
        .fail_requests(Request::Produce, &[refused, refused])
        .unwrap();
    let record = || {
        FutureRecord::to("shop.products")
            .key("1")
            .partition(0)
            .payload("boots")
    };
    let (error, _) = producer.send(record(), PATIENCE).await.unwrap_err();
    assert_eq!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::MessageSizeTooLarge)
    );
    kafka.clear_failures(Request::Produce).unwrap();
    producer.send(record(), PATIENCE).await.unwrap();
}

#[tokio::test]
async fn committed_offsets_survive_a_move_of_coordinator_and_leader() {
    let kafka = EmbeddedKafka::start(KafkaOptions { brokers: 2 }).unwrap();
    kafka.create_topic("shop.products", 1).unwrap();
    kafka.move_coordinator("readers", 1).unwrap();
    kafka
        .round_trip_time(Brokers::One(1), Duration::from_millis(1))
        .unwrap();
    let consumer: BaseConsumer = client(&kafka).create().unwrap();
    consumer
        .commit(&first_partition(Offset::Offset(42)), CommitMode::Sync)
        .unwrap();

    kafka.move_coordinator("readers", 2).unwrap();
    kafka.move_leader("shop.products", 0, Some(2)).unwrap();
    let committed = consumer
        .committed_offsets(first_partition(Offset::Invalid), PATIENCE)
        .unwrap();
    assert_eq!(
        committed.elements().first().unwrap().offset(),
        Offset::Offset(42)
    );
}

#[test]
fn what_the_cluster_refuses_is_said() {
    let kafka = EmbeddedKafka::start(KafkaOptions::default()).unwrap();
    kafka.create_topic("shop.products", 1).unwrap();
    let error = kafka.create_topic("shop.products", 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the embedded Kafka cannot create the topic"
    );
    assert!(kafka.broker_down(Brokers::One(9)).is_err());
    assert!(EmbeddedKafka::start(KafkaOptions { brokers: 0 }).is_err());
}

#[test]
fn the_handle_may_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&EmbeddedKafka::start(KafkaOptions::default()).unwrap());
}

#[tokio::test]
async fn the_control_takes_brokers_down_and_moves_coordinators() {
    let kafka = Arc::new(EmbeddedKafka::start(KafkaOptions { brokers: 2 }).unwrap());
    let any_port = ([127, 0, 0, 1], 0).into();
    let control = serve_control(kafka.clone(), any_port).await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/control", control.url());
    let put = async |body: &'static str| {
        let answer = http.put(&url).body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let is_up = |broker: usize| {
        let address = kafka.bootstrap_servers().split(',').nth(broker - 1);
        std::net::TcpStream::connect(address.unwrap()).is_ok()
    };
    assert_eq!(put(r#"{"down": [2]}"#).await.0, 200);
    assert!(is_up(1) && !is_up(2));
    assert_eq!(put(r#"{"coordinators": {"readers": 1}}"#).await.0, 200);
    assert!(is_up(1) && is_up(2));
    let refused = put(r#"{"down": [9]}"#).await;
    assert_eq!(
        refused,
        (
            400,
            "the embedded Kafka cannot take the broker down\n".to_owned()
        )
    );
}
