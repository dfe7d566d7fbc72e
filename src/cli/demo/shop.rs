//! The shop: its product table, and the change records that its database's connector writes.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord, Producer},
};
use vectide_embedded::embeddings::count_tokens;

use super::{
    catalogue::{Catalogue, Product},
    debezium::{Change, Connector, InSnapshot, Moment, Record},
};

/// The product table, and the topic its changes go to.
pub(in crate::cli) struct Shop {
    table: BTreeMap<i64, Product>,
    connector: Connector,
    producer: FutureProducer,
    topic: String,
    lsn: u64,
    events: u64,
    naive_tokens: u64,
}

impl Shop {
    pub(in crate::cli) fn new(brokers: &str, connector: Connector) -> anyhow::Result<Self> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("linger.ms", "1")
            // As Kafka Connect's producer spreads keys.
            .set("partitioner", "murmur2_random")
            .create()
            .context("can't make the shop's producer")?;
        Ok(Self {
            table: BTreeMap::new(),
            topic: connector.topic(),
            connector,
            producer,
            lsn: 22_000_000,
            events: 0,
            naive_tokens: 0,
        })
    }

    /// The rows as they are now.
    pub(in crate::cli) fn table(&self) -> &BTreeMap<i64, Product> {
        &self.table
    }

    /// Change records written so far.
    pub(in crate::cli) fn events(&self) -> u64 {
        self.events
    }

    /// The tokens that embedding the row of each change record would have cost.
    pub(in crate::cli) fn naive_tokens(&self) -> u64 {
        self.naive_tokens
    }

    /// The connector's first snapshot: every row of a catalogue.
    pub(in crate::cli) async fn snapshot(&mut self, seed: u64, count: usize) -> anyhow::Result<()> {
        let products = Catalogue::generate(seed, count).products;
        for (index, product) in products.into_iter().enumerate() {
            self.read(product, InSnapshot::at(index, count))?;
        }
        self.flush().await
    }

    /// One row of the first snapshot.
    pub(in crate::cli) fn read(
        &mut self,
        product: Product,
        place: InSnapshot,
    ) -> anyhow::Result<()> {
        let moment = self.moment();
        let record = self.connector.record(Change::Read(&product, place), moment);
        self.write(&record, Some(&product))?;
        self.table.insert(product.id, product);
        Ok(())
    }

    /// Inserts one row.
    pub(in crate::cli) fn create(&mut self, product: Product) -> anyhow::Result<()> {
        let moment = self.moment();
        let record = self.connector.record(Change::Create(&product), moment);
        self.write(&record, Some(&product))?;
        self.table.insert(product.id, product);
        Ok(())
    }

    /// Changes one row.
    pub(in crate::cli) fn update(
        &mut self,
        id: i64,
        change: impl FnOnce(&mut Product),
    ) -> anyhow::Result<()> {
        let moment = self.moment();
        let Some(mut product) = self.table.get(&id).cloned() else {
            return Ok(());
        };
        change(&mut product);
        product.updated_at_ms = milliseconds(moment.committed);
        let record = self.connector.record(Change::Update(&product), moment);
        self.write(&record, Some(&product))?;
        self.table.insert(id, product);
        Ok(())
    }

    /// Deletes one row.
    pub(in crate::cli) fn delete(&mut self, id: i64) -> anyhow::Result<()> {
        let moment = self.moment();
        for record in self.connector.deletion(id, moment) {
            self.write(&record, None)?;
        }
        self.table.remove(&id);
        Ok(())
    }

    /// Waits until Kafka has everything.
    pub(in crate::cli) async fn flush(&self) -> anyhow::Result<()> {
        let producer = self.producer.clone();
        tokio::task::spawn_blocking(move || producer.flush(Duration::from_secs(20)))
            .await?
            .context("Kafka does not take the shop's records")
    }

    fn write(&mut self, record: &Record, row: Option<&Product>) -> anyhow::Result<()> {
        let mut message = FutureRecord::to(&self.topic).key(&record.key);
        if let Some(value) = &record.value {
            message = message.payload(value);
        }
        // Delivery is awaited by `flush`.
        drop(
            self.producer
                .send_result(message)
                .map_err(|(error, _)| error)
                .context("the shop's producer is full")?,
        );
        self.events += 1;
        self.naive_tokens += row.map_or(0, |row| count_tokens(&text_of(row)) as u64);
        Ok(())
    }

    fn moment(&mut self) -> Moment {
        self.lsn += 56;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Moment {
            tx_id: self.lsn / 56,
            lsn: self.lsn,
            committed: now,
            seen: now,
        }
    }
}

/// The text that the default template makes of a row.
pub(in crate::cli) fn text_of(product: &Product) -> String {
    format!(
        "Product: {}\nCategory: {}\nDescription: {}",
        product.title, product.category, product.description
    )
}

/// A price as the connector writes a decimal.
pub(in crate::cli) fn price_of(product: &Product) -> String {
    format!(
        "{}.{:02}",
        product.price_cents / 100,
        product.price_cents % 100
    )
}

fn milliseconds(since: Duration) -> i64 {
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
