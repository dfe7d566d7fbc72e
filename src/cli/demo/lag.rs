//! How far behind the group is, asked of Kafka itself.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

const PATIENCE: Duration = Duration::from_secs(5);

/// Compares a group's committed offsets with the ends of a topic's partitions.
#[derive(Clone)]
pub(in crate::cli) struct Lag {
    consumer: Arc<BaseConsumer>,
    topic: String,
}

impl Lag {
    pub(in crate::cli) fn of(brokers: &str, group: &str, topic: &str) -> anyhow::Result<Self> {
        let consumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", group)
            .create()
            .context("can't ask Kafka for the lag")?;
        Ok(Self {
            consumer: Arc::new(consumer),
            topic: topic.to_owned(),
        })
    }

    /// Records between what the group has committed and the ends of the partitions.
    pub(in crate::cli) async fn records(&self) -> anyhow::Result<i64> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || this.ask()).await?
    }

    fn ask(&self) -> anyhow::Result<i64> {
        let metadata = self.consumer.fetch_metadata(Some(&self.topic), PATIENCE)?;
        let topic = metadata.topics().first().context("the topic is gone")?;
        let mut list = TopicPartitionList::new();
        for partition in topic.partitions() {
            list.add_partition(&self.topic, partition.id());
        }
        let committed = self.consumer.committed_offsets(list, PATIENCE)?;
        let mut lag = 0;
        for element in committed.elements() {
            let (low, high) =
                self.consumer
                    .fetch_watermarks(&self.topic, element.partition(), PATIENCE)?;
            let from = match element.offset() {
                Offset::Offset(offset) => offset,
                _ => low,
            };
            lag += high - from;
        }
        Ok(lag)
    }
}
