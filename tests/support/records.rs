//! Reading topics from their beginning.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rdkafka::ClientConfig;
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// How long one request to the broker may take.
pub(crate) const REQUEST: Duration = Duration::from_secs(10);

/// A consumer that only asks: it commits nothing and joins no group.
pub(crate) fn consumer(brokers: &str, group: &str) -> Result<BaseConsumer> {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        // The lines about a broker that is still starting would only be noise.
        .set("log_level", "0")
        .create()
        .context("no Kafka client")
}

/// Each partition of `topic` with its first offset and the one after its last; `None` where the topic is not there yet.
pub(crate) fn ends(consumer: &BaseConsumer, topic: &str) -> Result<Option<Vec<(i32, i64, i64)>>> {
    let metadata = consumer.fetch_metadata(Some(topic), REQUEST)?;
    let Some(topic) = metadata
        .topics()
        .iter()
        .find(|found| found.name() == topic && found.error().is_none())
    else {
        return Ok(None);
    };
    let mut ends = Vec::new();
    for partition in topic.partitions() {
        let (low, high) = consumer.fetch_watermarks(topic.name(), partition.id(), REQUEST)?;
        ends.push((partition.id(), low, high));
    }
    Ok(Some(ends))
}

/// Shows `each` every record, from the first one to the last one that there was when the reading began, each partition in its order. Says
/// whether the topic is there at all.
pub(crate) fn read(
    brokers: &str,
    topic: &str,
    mut each: impl FnMut(&BorrowedMessage<'_>) -> Result<()>,
) -> Result<bool> {
    let consumer = consumer(brokers, "reader")?;
    let Some(ends) = ends(&consumer, topic)? else {
        return Ok(false);
    };
    let mut assignment = TopicPartitionList::new();
    let mut unread = BTreeMap::new();
    for (partition, low, high) in ends.into_iter().filter(|(_, low, high)| low < high) {
        assignment.add_partition_offset(topic, partition, Offset::Offset(low))?;
        unread.insert(partition, high);
    }
    consumer.assign(&assignment)?;
    let deadline = Instant::now() + Duration::from_mins(1);
    while !unread.is_empty() {
        if Instant::now() > deadline {
            bail!(
                "{topic}: no more records, but partitions {unread:?} have not been read to the end"
            );
        }
        let Some(record) = consumer.poll(Duration::from_secs(1)).transpose()? else {
            continue;
        };
        let place = || {
            format!(
                "record {}/{} of {topic}",
                record.partition(),
                record.offset()
            )
        };
        each(&record).with_context(place)?;
        if unread
            .get(&record.partition())
            .is_some_and(|&high| record.offset() + 1 >= high)
        {
            unread.remove(&record.partition());
        }
    }
    Ok(true)
}
