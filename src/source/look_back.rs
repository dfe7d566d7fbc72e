//! Looks into one topic from its end backwards, and at what a group has committed there, without
//! being a member of any group.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rdkafka::{ClientConfig, Offset, TopicPartitionList, consumer::Consumer, error::KafkaError};

use crate::{
    error::Failure,
    record::{self, RawRecord},
};

use super::{
    probe::Probe,
    reader::{Polled, TopicReader, connect, extents, find},
};

/// How long the group's coordinator may take for its answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One topic, as it was when it was opened; every method blocks.
#[derive(Debug)]
pub struct LookBack {
    reader: TopicReader,
    topic: Arc<str>,
    extents: BTreeMap<i32, (i64, i64)>,
}

impl LookBack {
    /// Finds the one topic that these names and patterns mean, and asks where its partitions begin
    /// and end. `group` is the one whose offsets will be asked for: it is not joined.
    ///
    /// Fails where there are several such topics: whoever looks for one row must say where.
    pub fn open(base: &ClientConfig, group: &str, topics: &[String]) -> Result<Self, Failure> {
        let probe = connect(base, group)?;
        let found = find(&probe, topics)?;
        let mut names = found.iter();
        let (Some(topic), None) = (names.next(), names.next()) else {
            return Err(several(&found.into_iter().collect::<Vec<_>>()));
        };
        Ok(Self {
            extents: extents(&probe, topic)?,
            topic: topic.as_str().into(),
            reader: TopicReader::idle(probe),
        })
    }

    /// The topic's name.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// Each partition's first offset, and the one behind its last.
    pub fn extents(&self) -> &BTreeMap<i32, (i64, i64)> {
        &self.extents
    }

    /// What the group has committed, by partition; one in which it has committed nothing is not
    /// there.
    pub fn committed(&self) -> Result<BTreeMap<i32, record::Offset>, Failure> {
        let probe: &Probe = self.reader.probe();
        let fail = |error: KafkaError| probe.failure(&error, Some(&self.topic));
        let mut list = TopicPartitionList::new();
        for partition in self.extents.keys() {
            list.add_partition(&self.topic, *partition);
        }
        let committed = probe
            .consumer
            .committed_offsets(list, TIMEOUT)
            .map_err(fail)?;
        let mut offsets = BTreeMap::new();
        for element in committed.elements() {
            element.error().map_err(fail)?;
            if let Offset::Offset(offset) = element.offset() {
                offsets.insert(element.partition(), record::Offset(offset));
            }
        }
        Ok(offsets)
    }

    /// Reads these offsets, by partition: from where, and how far. Those of one partition come in
    /// order.
    pub fn read(
        &mut self,
        partitions: BTreeMap<i32, (i64, i64)>,
        mut take: impl FnMut(RawRecord),
    ) -> Result<(), Failure> {
        self.reader.queue(self.topic.clone(), partitions);
        loop {
            match self.reader.poll()? {
                Polled::Record(raw) => take(raw),
                Polled::Nothing => {}
                Polled::End => return Ok(()),
            }
        }
    }
}

fn several(topics: &[String]) -> Failure {
    Failure::blocked(
        "several_topics",
        format!("name one topic with --topic: {}", topics.join(", ")),
    )
}

#[cfg(all(test, feature = "embedded"))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use rdkafka::{
        consumer::{BaseConsumer, CommitMode},
        producer::{BaseProducer, BaseRecord, Producer},
    };
    use vectide_embedded::kafka::{EmbeddedKafka, KafkaOptions};

    use super::*;

    fn topic() -> (EmbeddedKafka, ClientConfig) {
        let kafka = EmbeddedKafka::start(KafkaOptions::default()).unwrap();
        kafka.create_topic("shop.products", 2).unwrap();
        kafka.create_topic("shop.orders", 1).unwrap();
        let mut base = ClientConfig::new();
        base.set("bootstrap.servers", kafka.bootstrap_servers());
        let producer: BaseProducer = base.create().unwrap();
        for number in 0..9_i32 {
            let key = number.to_string();
            let record: BaseRecord<'_, str, [u8]> = BaseRecord::to("shop.products");
            producer
                .send(record.key(&key).partition(number % 2))
                .unwrap();
        }
        producer.flush(Duration::from_secs(30)).unwrap();
        (kafka, base)
    }

    fn topics(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn windows_are_read_in_any_order_each_once() {
        let (_kafka, base) = topic();
        let mut look = LookBack::open(&base, "shop", &topics(&["^shop[.]p"])).unwrap();
        assert_eq!(look.extents(), &[(0, (0, 5)), (1, (0, 4))].into());
        let mut read = |partitions: &[(i32, (i64, i64))]| {
            let mut offsets = Vec::new();
            look.read(partitions.iter().copied().collect(), |raw| {
                offsets.push((raw.partition, raw.offset.0));
            })
            .unwrap();
            offsets.sort_unstable();
            offsets
        };
        assert_eq!(read(&[(0, (3, 5)), (1, (3, 4))]), [(0, 3), (0, 4), (1, 3)]);
        assert_eq!(read(&[(0, (1, 3)), (1, (2, 2))]), [(0, 1), (0, 2)]);
        assert_eq!(read(&[(0, (0, 1))]), [(0, 0)]);
    }

    #[test]
    fn what_a_group_has_committed_is_told_without_joining_it() {
        let (_kafka, base) = topic();
        let look = LookBack::open(&base, "shop", &topics(&["shop.products"])).unwrap();
        assert_eq!(look.committed().unwrap(), BTreeMap::new());
        let consumer: BaseConsumer = base.clone().set("group.id", "shop").create().unwrap();
        let mut offsets = TopicPartitionList::new();
        offsets
            .add_partition_offset("shop.products", 1, Offset::Offset(3))
            .unwrap();
        consumer.commit(&offsets, CommitMode::Sync).unwrap();
        assert_eq!(look.committed().unwrap(), [(1, record::Offset(3))].into());
    }

    #[test]
    fn a_row_is_looked_for_in_one_topic() {
        let (_kafka, base) = topic();
        let failure = LookBack::open(&base, "shop", &topics(&["^shop[.]"])).unwrap_err();
        assert_eq!(
            failure.message,
            "name one topic with --topic: shop.orders, shop.products"
        );
    }
}
