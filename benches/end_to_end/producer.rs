//! The process that fills the topic, as Debezium's PostgreSQL connector would.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use vectide::cli::demo::{
    catalogue::Catalogue,
    debezium::{Change, Connector, InSnapshot, Moment, Record},
};

use crate::TOPIC;

const SEED: u64 = 7;
/// How long the broker may take to confirm the last records.
const PATIENCE: Duration = Duration::from_mins(2);

/// What to produce: the rows of a snapshot, or changes of their stock.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) brokers: String,
    pub(crate) rows: u64,
    /// 0 for the rows themselves.
    pub(crate) flips: u64,
}

impl Load {
    pub(crate) fn arguments(&self) -> Vec<String> {
        vec![
            self.brokers.clone(),
            self.rows.to_string(),
            self.flips.to_string(),
        ]
    }

    pub(crate) fn from_arguments(arguments: &[&str]) -> Result<Self> {
        let [brokers, rows, flips] = arguments else {
            bail!("produce: brokers, rows, flips");
        };
        Ok(Self {
            brokers: (*brokers).to_owned(),
            rows: rows.parse()?,
            flips: flips.parse()?,
        })
    }

    pub(crate) fn produce(&self) -> Result<()> {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            // As Connect's own producer partitions.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "20")
            .create()?;
        let connector = Connector::new("shop");
        if connector.topic() != TOPIC {
            bail!("the connector writes to {}", connector.topic());
        }
        let count = usize::try_from(self.rows)?;
        let mut products = Catalogue::generate(SEED, count).products;
        let mut rng = fastrand::Rng::with_seed(SEED);
        if self.flips == 0 {
            for (index, product) in products.iter().enumerate() {
                let change = Change::Read(product, InSnapshot::at(index, count));
                send(&producer, &connector.record(change, moment(0)?))?;
            }
        }
        for flip in 0..self.flips {
            let product = products
                .get_mut(rng.usize(..count))
                .context("a product of the catalogue")?;
            // Another number each time, so that no change is none.
            product.stock = i64::try_from(flip)? + 1_000;
            send(
                &producer,
                &connector.record(Change::Update(product), moment(flip + 1)?),
            )?;
        }
        producer.flush(PATIENCE)?;
        Ok(())
    }
}

fn moment(transaction: u64) -> Result<Moment> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Moment {
        tx_id: 700 + transaction,
        lsn: 24_023_128 + 1_024 * transaction,
        committed: now,
        seen: now,
    })
}

fn send(producer: &BaseProducer, record: &Record) -> Result<()> {
    let mut message = BaseRecord::to(TOPIC).key(&record.key);
    if let Some(value) = &record.value {
        message = message.payload(value);
    }
    loop {
        match producer.send(message) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                message = refused;
                producer.poll(Duration::from_millis(10));
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}
