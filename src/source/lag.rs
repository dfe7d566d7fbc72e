//! How far a group is behind, asked without being a member of it.

use rdkafka::{ClientConfig, Offset, TopicPartitionList, consumer::Consumer, error::KafkaError};

use crate::error::Failure;

use super::{
    probe::TIMEOUT,
    reader::{connect, extents, find},
};

/// How many records of these topics (names and patterns) `group` has not committed, those that it has not
/// read among them. A partition in which it has committed nothing counts whole. Blocks.
pub fn lag(base: &ClientConfig, group: &str, topics: &[String]) -> Result<u64, Failure> {
    let probe = connect(base, group)?;
    let mut lag = 0;
    for topic in find(&probe, topics)? {
        let fail = |error: KafkaError| probe.failure(&error, Some(&topic));
        let extents = extents(&probe, &topic)?;
        let mut list = TopicPartitionList::new();
        for partition in extents.keys() {
            list.add_partition(&topic, *partition);
        }
        let committed = probe.consumer.committed_offsets(list, TIMEOUT);
        for element in committed.map_err(fail)?.elements() {
            element.error().map_err(fail)?;
            let (low, high) = extents
                .get(&element.partition())
                .copied()
                .unwrap_or_default();
            let from = match element.offset() {
                Offset::Offset(offset) => offset.max(low),
                _ => low,
            };
            lag += u64::try_from(high - from).unwrap_or_default();
        }
    }
    Ok(lag)
}
