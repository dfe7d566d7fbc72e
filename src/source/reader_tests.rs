#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use vectide_embedded::kafka::{EmbeddedKafka, KafkaOptions};

use super::*;

/// Two partitions of a topic with five records each, and another topic with one.
struct Shop {
    _kafka: EmbeddedKafka,
    base: ClientConfig,
    producer: BaseProducer,
}

impl Shop {
    fn open() -> Self {
        let kafka = EmbeddedKafka::start(KafkaOptions::default()).unwrap();
        kafka.create_topic("shop.products", 2).unwrap();
        kafka.create_topic("shop.orders", 1).unwrap();
        let mut base = ClientConfig::new();
        base.set("bootstrap.servers", kafka.bootstrap_servers());
        let producer: BaseProducer = base.create().unwrap();
        let shop = Self {
            _kafka: kafka,
            base,
            producer,
        };
        for partition in [0, 1] {
            for number in 0..5 {
                shop.produce("shop.products", partition, &format!("{partition}-{number}"));
            }
        }
        shop.produce("shop.orders", 0, "order");
        shop
    }

    fn produce(&self, topic: &str, partition: i32, key: &str) {
        let record: BaseRecord<'_, str, [u8]> = BaseRecord::to(topic).key(key).partition(partition);
        self.producer.send(record).unwrap();
        self.producer.flush(Duration::from_secs(30)).unwrap();
    }

    fn reader(&self, topics: &[&str], from: StartAt, follow: bool) -> TopicReader {
        let reading = Reading {
            topics: topics.iter().map(|&it| it.to_owned()).collect(),
            from,
            follow,
        };
        TopicReader::open(&self.base, &reading).unwrap()
    }

    /// The keys that are read until the end.
    fn keys(&self, topics: &[&str], from: StartAt) -> Vec<String> {
        let mut reader = self.reader(topics, from, false);
        let mut keys = Vec::new();
        loop {
            match reader.poll().unwrap() {
                Polled::Record(raw) => keys.push(key(&raw)),
                Polled::Nothing => {}
                Polled::End => return keys,
            }
        }
    }
}

fn key(raw: &RawRecord) -> String {
    String::from_utf8(raw.key.as_deref().unwrap().to_vec()).unwrap()
}

#[test]
fn every_record_is_read_once_up_to_the_ends_in_the_order_of_its_partition() {
    let shop = Shop::open();
    let keys = shop.keys(&["^shop[.]", "shop.orders"], StartAt::Beginning);
    assert_eq!(keys.len(), 11, "{keys:?}");
    for partition in ["0-", "1-"] {
        let of_partition: Vec<_> = keys.iter().filter(|it| it.starts_with(partition)).collect();
        assert!(of_partition.is_sorted(), "{of_partition:?}");
        assert_eq!(of_partition.len(), 5);
    }
}

#[test]
fn the_last_records_are_those_of_each_partition() {
    let shop = Shop::open();
    let mut keys = shop.keys(&["shop.products"], StartAt::Last(2));
    keys.sort();
    assert_eq!(keys, ["0-3", "0-4", "1-3", "1-4"]);
    assert_eq!(shop.keys(&["shop.products"], StartAt::Last(99)).len(), 10);
    assert!(shop.keys(&["shop.products"], StartAt::End).is_empty());
}

#[test]
fn what_is_written_after_the_reading_began_is_beyond_its_end() {
    let shop = Shop::open();
    let mut reader = shop.reader(&["shop.orders"], StartAt::Beginning, false);
    shop.produce("shop.orders", 0, "later");
    let mut keys = Vec::new();
    loop {
        match reader.poll().unwrap() {
            Polled::Record(raw) => keys.push(key(&raw)),
            Polled::Nothing => {}
            Polled::End => break,
        }
    }
    assert_eq!(keys, ["order"]);
}

#[test]
fn following_goes_on_at_the_ends_of_all_topics() {
    let shop = Shop::open();
    let mut reader = shop.reader(&["shop.orders", "shop.products"], StartAt::End, true);
    shop.produce("shop.orders", 0, "a");
    shop.produce("shop.products", 1, "b");
    let mut keys = Vec::new();
    while keys.len() < 2 {
        match reader.poll().unwrap() {
            Polled::Record(raw) => keys.push(key(&raw)),
            Polled::Nothing => {}
            Polled::End => unreachable!("following has no end"),
        }
    }
    keys.sort();
    assert_eq!(keys, ["a", "b"]);
}

#[test]
fn a_topic_that_is_not_there_is_said_by_name() {
    let shop = Shop::open();
    for (topic, message) in [
        ("shop.absent", "the topic shop.absent does not exist"),
        ("^stock[.]", "^stock[.] matches no topic"),
    ] {
        let reading = Reading {
            topics: vec![topic.to_owned()],
            from: StartAt::Beginning,
            follow: false,
        };
        let failure = TopicReader::open(&shop.base, &reading).unwrap_err();
        assert!(failure.message.starts_with(message), "{failure}");
    }
}
