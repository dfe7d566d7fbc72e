//! What Debezium wrote to a topic: the oracle between the table and Vectide. When the topic tells the table's story and the index does
//! not, the fault is Vectide's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rdkafka::Message as _;
use serde_json::{Value, json};

use crate::connect::Dialect;
use crate::kafka::Kafka;
use crate::records;
use crate::table::{Differences, Rows, row};
use crate::wait::until;

/// A topic, read from its first record to the last one it had when the reading began.
#[derive(Default)]
pub(crate) struct Capture {
    /// The rows that are left when every record has been applied in order.
    pub(crate) rows: Rows,
    /// How many records there are of each operation: `r`, `c`, `u`, `d`, and `tombstone`.
    pub(crate) operations: BTreeMap<String, usize>,
    /// In how many partitions there are records.
    pub(crate) partitions: usize,
    /// How many deletes there are of rows that were gone: a connector that was killed tells what it told before.
    pub(crate) repeated_deletes: usize,
}

impl Capture {
    /// Reads the topic; empty where it is not there yet.
    pub(crate) fn read(kafka: &Kafka, dialect: Dialect) -> Result<Self> {
        let mut capture = Self::default();
        let mut partitions = BTreeSet::new();
        records::read(kafka.brokers(), &dialect.topic(), |record| {
            partitions.insert(record.partition());
            capture.apply(dialect, record.key(), record.payload())
        })?;
        capture.partitions = partitions.len();
        Ok(capture)
    }

    /// Waits until the topic, read from its beginning, comes out at the table. Nothing is deleted twice.
    pub(crate) fn wait_until_equal(kafka: &Kafka, dialect: Dialect, table: &Rows) -> Result<Self> {
        let capture = Self::wait_until_equal_in_the_end(kafka, dialect, table)?;
        if capture.repeated_deletes > 0 {
            bail!("{} deletes of what is not there", capture.repeated_deletes);
        }
        Ok(capture)
    }

    /// The same where the connector was killed, and so may have told some changes twice.
    pub(crate) fn wait_until_equal_in_the_end(
        kafka: &Kafka,
        dialect: Dialect,
        table: &Rows,
    ) -> Result<Self> {
        let mut differences = Differences::default();
        until(
            &format!("{} to tell the table's state", dialect.topic()),
            Duration::from_mins(2),
            || {
                let capture = Self::read(kafka, dialect)?;
                differences = Differences::between(table, &capture.rows);
                Ok((differences.count() == 0).then_some(capture))
            },
        )
        .map_err(|error| error.context(format!("{}: {differences}", dialect.topic())))
    }

    /// How many records there are in all.
    pub(crate) fn records(&self) -> usize {
        self.operations.values().sum()
    }

    fn apply(&mut self, dialect: Dialect, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<()> {
        let key = payload(dialect, key.context("no key")?)?;
        let id = key
            .get("id")
            .and_then(Value::as_i64)
            .with_context(|| format!("no id in the key {key}"))?;
        let Some(value) = value else {
            *self.operations.entry("tombstone".to_owned()).or_default() += 1;
            if self.rows.contains_key(&id) {
                bail!("a tombstone without a delete before it, for product {id}");
            }
            return Ok(());
        };
        let envelope = payload(dialect, value)?;
        let operation = envelope
            .get("op")
            .and_then(Value::as_str)
            .context("no op")?
            .to_owned();
        match &*operation {
            "d" => {
                if self.rows.remove(&id).is_none() {
                    self.repeated_deletes += 1;
                }
            }
            "r" | "c" | "u" => {
                let mut after = envelope
                    .get("after")
                    .and_then(Value::as_object)
                    .context("no row after the change")?
                    .clone();
                if matches!(dialect, Dialect::WithSchemas) {
                    let price = after
                        .get("price")
                        .and_then(Value::as_str)
                        .context("no price")?;
                    after.insert("price".to_owned(), json!(precise(price, 2)?));
                }
                let (row_id, row) = row(&after)?;
                if row_id != id {
                    bail!("the key is {id}, the row's is {row_id}");
                }
                self.rows.insert(id, row);
            }
            other => bail!("unknown operation {other}"),
        }
        *self.operations.entry(operation).or_default() += 1;
        Ok(())
    }
}

/// The part of a key or value that is data; fails when a schema is there and should not be, or the other way round.
fn payload(dialect: Dialect, bytes: &[u8]) -> Result<Value> {
    let json: Value = serde_json::from_slice(bytes)?;
    match (dialect, json.get("schema").is_some()) {
        (Dialect::WithSchemas, true) => json
            .get("payload")
            .cloned()
            .context("a schema without a payload"),
        (Dialect::Bare, false) => Ok(json),
        (_, found) => bail!("schema present: {found}"),
    }
}

/// Connect's Decimal of a price, which is never negative: the unscaled value, big-endian, in base64.
fn precise(text: &str, scale: usize) -> Result<String> {
    let bytes = BASE64.decode(text)?;
    let unscaled = bytes
        .iter()
        .fold(0_i64, |value, &byte| (value << 8) | i64::from(byte));
    let digits = format!("{:0width$}", unscaled, width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    Ok(format!("{whole}.{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::precise;

    #[test]
    fn a_precise_decimal_is_its_unscaled_value_in_base64() {
        for (encoded, decimal) in [
            ("AfQ=", "5.00"),
            ("BQ==", "0.05"),
            ("AMg=", "2.00"),
            ("AA==", "0.00"),
        ] {
            assert_eq!(precise(encoded, 2).expect("base64"), decimal);
        }
    }
}
