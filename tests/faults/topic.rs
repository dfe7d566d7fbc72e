//! The tables' topics and the dead letters, as the suite itself writes and reads them: past every proxy.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context as _, Result};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::{Header, Headers as _, OwnedHeaders},
    producer::{DeliveryFuture, FutureProducer, FutureRecord},
};
use tokio::runtime::Handle;

use crate::{
    cluster::{GROUP, LETTERS, Table},
    oracle::Place,
    records,
    workload::{Meaning, Record},
};

/// Writes a table's topic.
pub(crate) struct Writer {
    table: &'static Table,
    producer: FutureProducer,
    under_way: Vec<(Meaning, DeliveryFuture)>,
    written: Written,
}

/// What was written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) ends: BTreeMap<i32, i64>,
    pub(crate) poison: BTreeSet<Place>,
    pub(crate) refused: BTreeMap<i64, BTreeSet<Place>>,
}

impl Writer {
    pub(crate) fn new(brokers: &str, table: &'static Table) -> Result<Self> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            // In order and once, through every outage.
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", "600000")
            .set("reconnect.backoff.max.ms", "500")
            .set("log_level", "0")
            .create()?;
        Ok(Self {
            table,
            producer,
            under_way: Vec::new(),
            written: Written::default(),
        })
    }

    /// Hands records to the client, which delivers them in this order.
    pub(crate) fn write(&mut self, records: Vec<Record>) -> Result<()> {
        for record in records {
            let mut headers = OwnedHeaders::new();
            for (key, value) in &record.headers {
                let value = Some(value);
                headers = headers.insert(Header { key, value });
            }
            let mut message: FutureRecord<'_, [u8], [u8]> =
                FutureRecord::to(self.table.topic).headers(headers);
            message.key = record.key.as_deref();
            message.payload = record.value.as_deref();
            let delivery = self.producer.send_result(message);
            let delivery = delivery.map_err(|(error, _)| error)?;
            self.under_way.push((record.meaning, delivery));
        }
        Ok(())
    }

    /// Waits until all is delivered, and says where it is.
    pub(crate) fn written(&mut self, runtime: &Handle) -> Result<&Written> {
        let written = &mut self.written;
        for (meaning, delivery) in self.under_way.drain(..) {
            let delivery = runtime.block_on(delivery)?.map_err(|(error, _)| error)?;
            let place = (delivery.partition, delivery.offset);
            let end = written.ends.entry(place.0).or_default();
            *end = (*end).max(place.1 + 1);
            match meaning {
                Meaning::Change => {}
                Meaning::Poison => {
                    written.poison.insert(place);
                }
                Meaning::Refused(id) => {
                    written.refused.entry(id).or_default().insert(place);
                }
            }
        }
        Ok(written)
    }
}

/// Asks what the group has committed.
pub(crate) struct Group(BaseConsumer);

impl Group {
    pub(crate) fn new(brokers: &str) -> Result<Self> {
        records::consumer(brokers, GROUP).map(Self)
    }

    /// The committed offset of each of a table's partitions that has one.
    pub(crate) fn committed(&self, table: &Table) -> Result<BTreeMap<i32, i64>> {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(table.topic, 0, table.partitions - 1);
        let committed = self.0.committed_offsets(list, Duration::from_secs(10))?;
        let elements = committed.elements();
        let offsets = elements
            .iter()
            .filter_map(|element| match element.offset() {
                Offset::Offset(offset) => Some((element.partition(), offset)),
                _ => None,
            });
        Ok(offsets.collect())
    }
}

/// Marks a record of the dead letters' topic that is no letter, but says which letters are done with.
const DONE: &str = "vectide.done";

/// Of which records there are dead letters, by topic.
pub(crate) fn letters(brokers: &str) -> Result<BTreeMap<String, Vec<Place>>> {
    let mut letters: BTreeMap<String, Vec<Place>> = BTreeMap::new();
    records::read(brokers, LETTERS, |letter| {
        let headers = letter.headers().context("a dead letter without headers")?;
        if headers.iter().any(|header| header.key == DONE) {
            return Ok(());
        }
        let text = |name: &str| {
            let name = format!("__connect.errors.{name}");
            let header = headers.iter().find(|header| header.key == name);
            let value = header.and_then(|header| header.value);
            let text = std::str::from_utf8(value.with_context(|| format!("no {name}"))?)?;
            anyhow::Ok(text.to_owned())
        };
        let place = (text("partition")?.parse()?, text("offset")?.parse()?);
        letters.entry(text("topic")?).or_default().push(place);
        Ok(())
    })?;
    Ok(letters)
}
