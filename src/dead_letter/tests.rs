//! Dead letters through a cluster, and read back from it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use rdkafka::{
    ClientConfig, Offset as KafkaOffset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{Headers, Message, OwnedMessage},
};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use vectide_embedded::kafka::{Brokers, EmbeddedKafka, KafkaOptions, Request, ResponseError};

use super::*;
use crate::{
    record::{Header, Offset},
    telemetry::{Lane, LaneState},
};

const TOPIC: &str = "dead";
const PATIENCE: Duration = Duration::from_secs(30);

struct Stage {
    kafka: EmbeddedKafka,
    letters: DeadLetters,
    health: Health,
    shutdown: CancellationToken,
    reply: UnboundedSender<Delivered>,
    replies: UnboundedReceiver<Delivered>,
}

impl Stage {
    fn start() -> Self {
        Self::start_on(kafka())
    }

    fn start_on(kafka: EmbeddedKafka) -> Self {
        let config = DeadLetterConfig {
            topic: TOPIC.into(),
            ..DeadLetterConfig::default()
        };
        let mut base = ClientConfig::new();
        base.set("bootstrap.servers", kafka.bootstrap_servers())
            .set("reconnect.backoff.max.ms", "100");
        let (health, shutdown) = (Health::default(), CancellationToken::new());
        let letters =
            DeadLetters::start(&base, &config, "vectide", health.clone(), shutdown.clone())
                .unwrap();
        let (reply, replies) = mpsc::unbounded_channel();
        Self {
            kafka,
            letters,
            health,
            shutdown,
            reply,
            replies,
        }
    }

    fn submit(&self, ticket: u64, raw: RawRecord) {
        let letter = DeadLetter {
            raw,
            stage: "decode",
            failure: Failure::record("not_json", "the value is not JSON"),
        };
        self.letters
            .submit(Ticket(ticket), letter, self.reply.clone());
    }

    async fn delivered(&mut self) -> Ticket {
        let reply = tokio::time::timeout(PATIENCE, self.replies.recv()).await;
        reply.unwrap().unwrap().ticket
    }

    async fn lane(&self, wanted: impl Fn(&LaneState) -> bool) -> LaneState {
        let reached = async {
            loop {
                let state = self.health.get(Lane::DeadLetter);
                if wanted(&state) {
                    return state;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.unwrap()
    }

    /// The first `count` records of the topic.
    fn read(&self, count: usize) -> Vec<OwnedMessage> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.kafka.bootstrap_servers())
            .set("group.id", "reader")
            .set("fetch.message.max.bytes", "100000000")
            .create()
            .unwrap();
        let mut partition = TopicPartitionList::new();
        partition
            .add_partition_offset(TOPIC, 0, KafkaOffset::Beginning)
            .unwrap();
        consumer.assign(&partition).unwrap();
        let mut read = Vec::new();
        while read.len() < count {
            read.push(consumer.poll(PATIENCE).unwrap().unwrap().detach());
        }
        read
    }
}

/// A cluster with the topic.
fn kafka() -> EmbeddedKafka {
    let kafka = EmbeddedKafka::start(KafkaOptions::default()).unwrap();
    kafka.create_topic(TOPIC, 1).unwrap();
    kafka
}

fn raw(offset: i64) -> RawRecord {
    RawRecord {
        topic: "shop.public.products".into(),
        partition: 2,
        offset: Offset(offset),
        timestamp_ms: Some(1_700_000_000_123 + offset),
        key: Some(b"{\"id\":17}".as_slice().into()),
        value: Some(b"{".as_slice().into()),
        headers: Vec::new(),
    }
}

#[tokio::test]
async fn a_letter_is_read_back_byte_for_byte_with_why_it_is_there() {
    let mut stage = Stage::start();
    let headers = vec![
        Header {
            name: "trace".into(),
            value: Some([0x80, 0x00].into()),
        },
        Header {
            name: "null".into(),
            value: None,
        },
        Header {
            name: "empty".into(),
            value: Some([].into()),
        },
    ];
    let null = RawRecord {
        key: None,
        value: None,
        headers: headers.clone(),
        ..raw(0)
    };
    let empty = RawRecord {
        key: Some([].into()),
        value: Some([].into()),
        ..raw(1)
    };
    let binary = RawRecord {
        value: Some([0xff, 0x00, 0x17].into()),
        ..raw(2)
    };
    for (ticket, raw) in [null, empty, binary].into_iter().enumerate() {
        stage.submit(ticket as u64, raw);
    }
    let mut tickets = Vec::new();
    for _ in 0..3 {
        tickets.push(stage.delivered().await.0);
    }
    tickets.sort_unstable();
    assert_eq!(tickets, [0, 1, 2]);

    let read = stage.read(3);
    let bytes: Vec<_> = read.iter().map(|m| (m.key(), m.payload())).collect();
    let key = b"{\"id\":17}".as_slice();
    assert_eq!(
        bytes,
        [
            (None, None),
            (Some(&[][..]), Some(&[][..])),
            (Some(key), Some(&[0xff, 0x00, 0x17][..])),
        ]
    );
    for (message, offset) in read.iter().zip(0..) {
        let timestamp = message.timestamp().to_millis();
        assert_eq!(timestamp, Some(1_700_000_000_123 + offset));
        let headers = message.headers().unwrap();
        let said = |name| headers.iter().find(|header| header.key == name)?.value;
        let text = offset.to_string();
        assert_eq!(said("__connect.errors.offset"), Some(text.as_bytes()));
    }
    let written: Vec<Header> = read[0]
        .headers()
        .unwrap()
        .iter()
        .take(3)
        .map(|header| Header {
            name: header.key.into(),
            value: header.value.map(Into::into),
        })
        .collect();
    assert_eq!(written, headers);
}

#[tokio::test]
async fn a_record_of_ten_megabytes_is_delivered() {
    let mut stage = Stage::start();
    let noise: Box<[u8]> = (0..10_000_000).map(|_| fastrand::u8(..)).collect();
    let large = RawRecord {
        value: Some(noise.clone()),
        ..raw(0)
    };
    stage.submit(1, large);
    assert_eq!(stage.delivered().await, Ticket(1));
}

#[tokio::test]
async fn a_refused_letter_blocks_the_lane_until_the_topic_takes_it() {
    let mut stage = Stage::start();
    let refused = ResponseError::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    stage
        .kafka
        .fail_requests(Request::Produce, &[refused; 3])
        .unwrap();
    stage.submit(7, raw(0));
    let blocked = |state: &LaneState| matches!(state, LaneState::Blocked(_));
    let lane = stage.lane(blocked).await;
    assert!(
        lane.reason().unwrap().contains("max.message.bytes"),
        "{lane:?}"
    );
    assert_eq!(stage.delivered().await, Ticket(7));
    stage.lane(|state| *state == LaneState::Ready).await;
    assert_eq!(stage.read(1).len(), 1);
}

#[tokio::test]
async fn a_producer_that_is_broken_for_good_is_replaced() {
    let kafka = kafka();
    let refused = ResponseError::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    // Several times, so that the state lasts long enough to be seen; and before the producer asks.
    kafka
        .fail_requests(Request::InitProducerId, &[refused; 5])
        .unwrap();
    let mut stage = Stage::start_on(kafka);
    stage.submit(7, raw(0));
    let blocked = |state: &LaneState| matches!(state, LaneState::Blocked(_));
    let lane = stage.lane(blocked).await;
    assert!(
        lane.reason().unwrap().contains("IDEMPOTENT_WRITE"),
        "{lane:?}"
    );
    assert_eq!(stage.delivered().await, Ticket(7));
    stage.lane(|state| *state == LaneState::Ready).await;
}

#[tokio::test]
async fn brokers_that_make_topics_only_by_themselves_will_do() {
    let kafka = EmbeddedKafka::start(KafkaOptions::default()).unwrap();
    let mut stage = Stage::start_on(kafka);
    stage.submit(1, raw(0));
    assert_eq!(stage.delivered().await, Ticket(1));
}

#[tokio::test]
async fn an_outage_is_waited_for_and_an_end_leaves_the_rest_unanswered() {
    let mut stage = Stage::start();
    stage.submit(1, raw(0));
    assert_eq!(stage.delivered().await, Ticket(1));
    stage.kafka.broker_down(Brokers::All).unwrap();
    stage.submit(2, raw(1));
    let waiting = |state: &LaneState| matches!(state, LaneState::Waiting(_));
    stage.lane(waiting).await;
    stage.kafka.broker_up(Brokers::All).unwrap();
    assert_eq!(stage.delivered().await, Ticket(2));
    stage.lane(|state| *state == LaneState::Ready).await;

    stage.kafka.broker_down(Brokers::All).unwrap();
    stage.submit(3, raw(2));
    stage.shutdown.cancel();
    drop(stage.reply);
    let end = tokio::time::timeout(PATIENCE, stage.replies.recv()).await;
    assert_eq!(end, Ok(None));
}

#[tokio::test]
async fn a_letter_of_a_partition_given_up_is_not_sent() {
    let mut stage = Stage::start();
    let (gone, _) = mpsc::unbounded_channel();
    let letter = DeadLetter {
        raw: raw(0),
        stage: "decode",
        failure: Failure::record("not_json", "the value is not JSON"),
    };
    stage.letters.submit(Ticket(1), letter, gone);
    stage.submit(2, raw(1));
    assert_eq!(stage.delivered().await, Ticket(2));
    assert_eq!(
        stage.read(1)[0].timestamp().to_millis(),
        raw(1).timestamp_ms
    );
}
