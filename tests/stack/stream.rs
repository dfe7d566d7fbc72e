//! A table without a database: changes as a connector would write them, in a steady stream, and the rows that they leave.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use fastrand::Rng;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use serde_json::{Map, Value, json};

use crate::records::REQUEST;
use crate::table::{self, Rows};

/// What happens again and again.
const CHANGES: [Change; 8] = [
    Change::Stock,
    Change::Price,
    Change::Title,
    Change::Stock,
    Change::Create,
    Change::Price,
    Change::Delete,
    Change::Stock,
];

#[derive(Clone, Copy)]
enum Change {
    Stock,
    Price,
    Title,
    Create,
    Delete,
}

type Columns = Map<String, Value>;

/// The table, and a producer of its changes.
pub(crate) struct Stream {
    producer: ThreadedProducer<DefaultProducerContext>,
    topic: String,
    table: BTreeMap<i64, Columns>,
    random: Rng,
    next_id: i64,
    /// Rows below stay as they are.
    first_changing: i64,
    /// Changes so far; the place of each in the database's log, too.
    pub(crate) changes: u64,
}

impl Stream {
    /// Of an empty table.
    pub(crate) fn new(brokers: &str, topic: String) -> Result<Self> {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", brokers);
        Ok(Self {
            producer: client.create()?,
            topic,
            table: BTreeMap::new(),
            random: Rng::with_seed(0),
            next_id: 1,
            first_changing: 1,
            changes: 0,
        })
    }

    /// Creates so many rows.
    pub(crate) fn fill(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            self.change(Change::Create)?;
        }
        self.flush()
    }

    /// Lets a few things happen.
    pub(crate) fn go_on(&mut self) -> Result<()> {
        CHANGES.into_iter().try_for_each(|it| self.change(it))
    }

    /// Waits until the brokers have everything.
    pub(crate) fn flush(&self) -> Result<()> {
        Ok(self.producer.flush(REQUEST)?)
    }

    /// From now on only rows that are yet to come change. Returns the id from which on these are, and the others.
    pub(crate) fn leave_as_is(&mut self) -> Result<(i64, Rows)> {
        self.flush()?;
        self.first_changing = self.next_id;
        Ok((self.first_changing, self.rows()?))
    }

    /// All rows change again.
    pub(crate) fn change_all(&mut self) {
        self.first_changing = 1;
    }

    /// The table now.
    pub(crate) fn rows(&self) -> Result<Rows> {
        self.table.values().map(table::row).collect()
    }

    fn change(&mut self, change: Change) -> Result<()> {
        let changing: Vec<i64> = self
            .table
            .range(self.first_changing..)
            .map(|it| *it.0)
            .collect();
        let Some(&id) = self.random.choice(&changing) else {
            return self.create();
        };
        let before = self.table.get(&id).cloned().unwrap_or_default();
        let mut after = before.clone();
        let number = self.random.u32(0..1_000_000);
        match change {
            Change::Create => return self.create(),
            Change::Delete => {
                self.table.remove(&id);
                return self.tell(id, "d", &Value::Null);
            }
            Change::Stock => after.insert("stock".to_owned(), number.into()),
            Change::Price => after.insert("price".to_owned(), format!("{number}.50").into()),
            Change::Title => {
                after.insert("title".to_owned(), format!("Kettle no. {number}").into())
            }
        };
        self.table.insert(id, after.clone());
        self.tell(id, "u", &after.into())
    }

    fn create(&mut self) -> Result<()> {
        let id = self.next_id;
        self.next_id += 1;
        let columns = json!({
            "id": id, "sku": format!("SKU-{id}"), "title": format!("Lamp no. {id}"), "category": "Lighting",
            "description": null, "price": "12.50", "stock": 3, "updated_at": "2025-01-02T03:04:05Z",
        });
        let row = columns.as_object().cloned().unwrap_or_default();
        self.table.insert(id, row);
        self.tell(id, "c", &columns)
    }

    fn tell(&mut self, id: i64, operation: &str, after: &Value) -> Result<()> {
        self.changes += 1;
        let now_ms = u64::try_from(since_1970().as_millis())?;
        let change = json!({
            "before": if operation == "d" { json!({"id": id}) } else { Value::Null },
            "after": after, "op": operation, "ts_ms": now_ms,
            "source": {"connector": "postgresql", "ts_ms": now_ms, "lsn": self.changes, "snapshot": "false"},
        });
        let (key, value) = (json!({"id": id}).to_string(), change.to_string());
        let record = BaseRecord::to(&self.topic).key(&key).payload(&value);
        self.producer
            .send(record)
            .map_err(|(error, _)| anyhow!(error))
    }
}

fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
