//! One Kafka node (KRaft), as a plain Java program.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::java::Java;
use crate::process::{Process, free_port};
use crate::workspace::{Workspace, text};

/// How long one request to the broker may take.
const REQUEST: Duration = Duration::from_secs(10);

/// A running broker that is its own controller.
pub(crate) struct Kafka {
    brokers: String,
    _process: Process,
}

impl Kafka {
    /// Formats a new log folder and starts the broker.
    pub(crate) fn start(workspace: &Workspace, java: &Java) -> Result<Self> {
        let (port, controller) = (free_port()?, free_port()?);
        let logs = text(&workspace.path("kafka"))?;
        let properties = workspace.write(
            "kafka.properties",
            &format!(
                "process.roles=broker,controller\n\
                 node.id=1\n\
                 controller.quorum.voters=1@127.0.0.1:{controller}\n\
                 listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
                 controller.listener.names=CONTROLLER\n\
                 log.dirs={logs}\n\
                 offsets.topic.num.partitions=4\n\
                 offsets.topic.replication.factor=1\n\
                 transaction.state.log.num.partitions=4\n\
                 transaction.state.log.replication.factor=1\n\
                 transaction.state.log.min.isr=1\n\
                 group.initial.rebalance.delay.ms=0\n"
            ),
        )?;
        java.run(
            "kafka-format",
            &[
                "kafka.tools.StorageTool",
                "format",
                "-t",
                "dmVjdGlkZS1zdGFjay0wMQ",
                "-c",
                &properties,
            ],
        )?;
        let mut process = java.start(workspace, "kafka", "512m", &["kafka.Kafka", &properties])?;

        let brokers = format!("127.0.0.1:{port}");
        let consumer = consumer(&brokers, "probe")?;
        process.wait_until_ready(Duration::from_mins(2), || {
            consumer
                .fetch_metadata(None, Duration::from_secs(2))
                .is_ok()
        })?;
        Ok(Self {
            brokers,
            _process: process,
        })
    }

    /// Its bootstrap address.
    pub(crate) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// How many records of `topic` the consumer group has not committed; `None` where the topic is not there yet.
    pub(crate) fn lag(&self, topic: &str, group: &str) -> Result<Option<i64>> {
        let consumer = consumer(&self.brokers, group)?;
        let Some(ends) = ends(&consumer, topic)? else {
            return Ok(None);
        };
        let mut partitions = TopicPartitionList::new();
        for &(partition, ..) in &ends {
            partitions.add_partition(topic, partition);
        }
        let committed = consumer.committed_offsets(partitions, REQUEST)?;
        let mut lag = 0;
        for (partition, low, high) in ends {
            let position = committed
                .find_partition(topic, partition)
                .and_then(|found| found.offset().to_raw());
            // librdkafka says "no offset" with a negative number.
            lag += high - position.unwrap_or(-1).max(low);
        }
        Ok(Some(lag))
    }
}

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
