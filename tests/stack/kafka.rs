//! One Kafka node (KRaft), as a plain Java program.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::Consumer as _;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::java::Java;
use crate::process::{Process, free_port};
use crate::records::{REQUEST, consumer, ends};
use crate::runtime::block_on;
use crate::workspace::{Workspace, text};

/// A running broker that is its own controller.
pub(crate) struct Kafka {
    brokers: String,
    properties: String,
    /// How often it was started.
    starts: usize,
    process: Option<Process>,
}

/// Further ways into a broker, beside the listener that wants no login.
#[derive(Default)]
pub(crate) struct Doors {
    /// Each listener's security protocol and port.
    pub(crate) listeners: Vec<(&'static str, u16)>,
    /// Further properties of the broker, a line each.
    pub(crate) properties: String,
    /// Users that log in by SCRAM-SHA-512, as the formatting tool takes them.
    pub(crate) users: Vec<String>,
}

impl Kafka {
    /// Formats a new log folder and starts the broker.
    pub(crate) fn start(workspace: &Workspace, java: &Java) -> Result<Self> {
        Self::start_with(workspace, java, &Doors::default())
    }

    /// The same with further listeners.
    pub(crate) fn start_with(workspace: &Workspace, java: &Java, doors: &Doors) -> Result<Self> {
        let (port, controller) = (free_port()?, free_port()?);
        let logs = text(&workspace.path("kafka"))?;
        let doors_open = doors.listeners.iter();
        let listeners: Vec<String> = doors_open
            .map(|(protocol, port)| format!(",{protocol}://127.0.0.1:{port}"))
            .collect();
        let listeners = listeners.concat();
        let properties = workspace.write(
            "kafka.properties",
            &format!(
                "process.roles=broker,controller\n\
                 node.id=1\n\
                 controller.quorum.voters=1@127.0.0.1:{controller}\n\
                 listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listeners}\n\
                 listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL\n\
                 controller.listener.names=CONTROLLER\n\
                 log.dirs={logs}\n\
                 auto.create.topics.enable=false\n\
                 offsets.topic.num.partitions=4\n\
                 offsets.topic.replication.factor=1\n\
                 transaction.state.log.num.partitions=4\n\
                 transaction.state.log.replication.factor=1\n\
                 transaction.state.log.min.isr=1\n\
                 group.initial.rebalance.delay.ms=0\n\
                 {further}\n",
                further = doors.properties
            ),
        )?;
        let mut format = vec![
            "kafka.tools.StorageTool",
            "format",
            "-t",
            "dmVjdGlkZS1zdGFjay0wMQ",
            "-c",
            &properties,
        ];
        format.extend(doors.users.iter().flat_map(|user| ["--add-scram", user]));
        java.run("kafka-format", &format)?;
        let mut kafka = Self {
            brokers: format!("127.0.0.1:{port}"),
            properties,
            starts: 0,
            process: None,
        };
        kafka.start_again(workspace, java)?;
        kafka.wait_until_ready()?;
        Ok(kafka)
    }

    /// Starts it with what its folder has, and does not wait for it.
    pub(crate) fn start_again(&mut self, workspace: &Workspace, java: &Java) -> Result<()> {
        self.starts += 1;
        let name = match self.starts {
            1 => "kafka".to_owned(),
            count => format!("kafka-{count}"),
        };
        let main = ["kafka.Kafka", &self.properties];
        self.process = Some(java.start(workspace, &name, "512m", &main)?);
        Ok(())
    }

    /// Waits until it answers.
    pub(crate) fn wait_until_ready(&mut self) -> Result<()> {
        let consumer = consumer(&self.brokers, "probe")?;
        let process = self.process.as_mut().context("Kafka was killed")?;
        process.wait_until_ready(Duration::from_mins(2), || {
            consumer
                .fetch_metadata(None, Duration::from_secs(2))
                .is_ok()
        })
    }

    /// Fails when it has ended by itself.
    pub(crate) fn expect_running(&mut self) -> Result<()> {
        self.process
            .as_mut()
            .map_or(Ok(()), Process::expect_running)
    }

    /// Freezes it, or lets it go on.
    pub(crate) fn freeze(&mut self, frozen: bool) -> Result<()> {
        let process = self.process.as_mut().context("Kafka was killed")?;
        process.freeze(frozen)
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), Process::kill)
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

    /// Makes a topic.
    pub(crate) fn create_topic(&self, topic: &str, partitions: i32) -> Result<()> {
        block_on(async {
            let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
            let made = self
                .admin()?
                .create_topics([&new], &Self::options())
                .await?;
            for made in made {
                made.map_err(|(topic, code)| anyhow!("{topic}: {code}"))?;
            }
            Ok(())
        })
    }

    /// Changes a setting of a topic.
    pub(crate) fn set(&self, topic: &str, name: &str, value: &str) -> Result<()> {
        block_on(async {
            let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(name, value);
            let admin = self.admin()?;
            for changed in admin.alter_configs([&change], &Self::options()).await? {
                changed.map_err(|(_, code)| anyhow!("{topic}: {code}"))?;
            }
            Ok(())
        })
    }

    /// Writes a record, and returns once the broker has it.
    pub(crate) fn produce(&self, topic: &str, key: &[u8], value: &[u8]) -> Result<()> {
        block_on(async {
            let producer: FutureProducer = self.client().create()?;
            let record = FutureRecord::to(topic).key(key).payload(value);
            match producer.send(record, REQUEST).await {
                Ok(_) => Ok(()),
                Err((error, _)) => Err(error.into()),
            }
        })
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>> {
        Ok(self.client().create()?)
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.brokers);
        client
    }

    fn options() -> AdminOptions {
        AdminOptions::new().request_timeout(Some(REQUEST))
    }
}
