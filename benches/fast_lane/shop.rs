//! The table, and its changes as Debezium's PostgreSQL connector would write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer},
};
use vectide::cli::demo::{
    catalogue::{Catalogue, Product},
    debezium::{Change, Connector, InSnapshot, Moment, Record},
};

use crate::TOPIC;

const SEED: u64 = 7;
/// How long the broker may take to confirm the last records.
const PATIENCE: Duration = Duration::from_mins(5);
/// Above the stock of any product of the catalogue.
const FIRST_STOCK: i64 = 1_000;

/// The table.
pub(crate) struct Shop {
    products: Vec<Product>,
    gone: Vec<bool>,
    connector: Connector,
    producer: ThreadedProducer<DefaultProducerContext>,
    rng: fastrand::Rng,
    changes: i64,
    sent: u64,
}

impl Shop {
    /// A table of so many rows, which nobody knows of yet.
    pub(crate) fn open(brokers: &str, rows: usize) -> Result<Self> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            // As Connect's own producer: how it partitions, and that it does not wait for others.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "0")
            .create()?;
        Ok(Self {
            products: Catalogue::generate(SEED, rows).products,
            gone: vec![false; rows],
            connector: Connector::new("shop"),
            producer,
            rng: fastrand::Rng::with_seed(SEED),
            changes: 0,
            sent: 0,
        })
    }

    /// The rows from this index on are not there yet.
    pub(crate) fn keep_back(&mut self, from: usize) {
        for gone in self.gone.iter_mut().skip(from) {
            *gone = true;
        }
    }

    /// Writes the snapshot.
    pub(crate) fn snapshot(&mut self) -> Result<()> {
        let there = self.gone.iter().filter(|gone| !**gone).count();
        let (count, moment) = (there, self.moment()?);
        for index in 0..count {
            let row = self.products.get(index).context("a row")?;
            let change = Change::Read(row, InSnapshot::at(index, count));
            let record = self.connector.record(change, moment);
            self.send(&record)?;
        }
        self.flush()
    }

    /// The index of a row that is there.
    pub(crate) fn any_row(&mut self) -> usize {
        loop {
            let index = self.rng.usize(..self.products.len());
            if !self.is_gone(index) {
                return index;
            }
        }
    }

    /// Indexes of all rows that are there, in any order.
    pub(crate) fn rows(&mut self) -> Vec<usize> {
        let all = 0..self.products.len();
        let mut rows: Vec<usize> = all.filter(|index| !self.is_gone(*index)).collect();
        self.rng.shuffle(&mut rows);
        rows
    }

    pub(crate) fn is_gone(&self, index: usize) -> bool {
        self.gone.get(index).copied().unwrap_or(true)
    }

    pub(crate) fn id(index: usize) -> i64 {
        i64::try_from(index).unwrap_or(i64::MAX) + 1
    }

    /// Changes the stock of a row, to a number that is higher than any before.
    pub(crate) fn flip(&mut self, index: usize) -> Result<i64> {
        self.changes += 1;
        let (stock, moment) = (FIRST_STOCK + self.changes, self.moment()?);
        let row = self.products.get_mut(index).context("a row")?;
        row.stock = stock;
        let record = self.connector.record(Change::Update(row), moment);
        self.send(&record)?;
        Ok(stock)
    }

    /// Changes the text of a row.
    pub(crate) fn rewrite(&mut self, index: usize) -> Result<()> {
        self.changes += 1;
        let (changes, moment) = (self.changes, self.moment()?);
        let row = self.products.get_mut(index).context("a row")?;
        row.description = format!("{} Edition {changes}.", row.description);
        let record = self.connector.record(Change::Update(row), moment);
        self.send(&record)
    }

    /// Inserts a row that is not there.
    pub(crate) fn create(&mut self, index: usize) -> Result<()> {
        self.changes += 1;
        let moment = self.moment()?;
        *self.gone.get_mut(index).context("a row")? = false;
        let row = self.products.get(index).context("a row")?;
        let record = self.connector.record(Change::Create(row), moment);
        self.send(&record)
    }

    /// Deletes a row: two records, as connectors write them.
    pub(crate) fn delete(&mut self, index: usize) -> Result<()> {
        self.changes += 1;
        let moment = self.moment()?;
        *self.gone.get_mut(index).context("a row")? = true;
        for record in self.connector.deletion(Self::id(index), moment) {
            self.send(&record)?;
        }
        Ok(())
    }

    /// Waits until the broker has everything.
    pub(crate) fn flush(&self) -> Result<()> {
        Ok(self.producer.flush(PATIENCE)?)
    }

    /// Records sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// What the table holds: stock and description of each row by its index; of a deleted one,
    /// nothing.
    pub(crate) fn table(&self) -> Vec<Option<(i64, String)>> {
        let rows = self.products.iter().zip(&self.gone);
        rows.map(|(row, gone)| (!gone).then(|| (row.stock, row.description.clone())))
            .collect()
    }

    fn moment(&self) -> Result<Moment> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let changes = u64::try_from(self.changes)?;
        Ok(Moment {
            tx_id: 700 + changes,
            lsn: 24_023_128 + 1_024 * changes,
            committed: now,
            seen: now,
        })
    }

    fn send(&mut self, record: &Record) -> Result<()> {
        let mut message = BaseRecord::to(TOPIC).key(&record.key);
        if let Some(value) = &record.value {
            message = message.payload(value);
        }
        loop {
            match self.producer.send(message) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    message = refused;
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
        self.sent += 1;
        Ok(())
    }
}
