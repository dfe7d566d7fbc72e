//! Rows as Debezium's PostgreSQL connector (3.6) writes them through Kafka Connect's JSON converter.
//!
//! The table they would come from:
//!
//! ```sql
//! CREATE TABLE shop.products (
//!     id bigint PRIMARY KEY, sku text NOT NULL, title text, category text, description text,
//!     price numeric(12, 2) NOT NULL, stock bigint NOT NULL, updated_at timestamp(3) NOT NULL
//! );
//! ```
//!
//! with `REPLICA IDENTITY DEFAULT`, `decimal.handling.mode=string` and `tombstones.on.delete=true`. So `before` is null in an
//! update; in a delete it holds the key, and in every other column a null or, where that is not allowed, a filler that means nothing.

use std::time::Duration;

use serde::Serialize;

use super::catalogue::Product;

/// A record of the change topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The primary key, as JSON.
    pub key: Vec<u8>,
    /// The envelope, as JSON; none is a tombstone.
    pub value: Option<Vec<u8>>,
}

/// What happened to a row.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// Seen by the snapshot (`r`).
    Read(&'a Product, InSnapshot),
    /// Inserted (`c`).
    Create(&'a Product),
    /// Changed to this (`u`).
    Update(&'a Product),
    /// The row with this id was deleted (`d`). A [`Tombstone`](Self::Tombstone) follows.
    Delete(i64),
    /// Lets compaction forget the key.
    Tombstone(i64),
}

/// Where in the snapshot a row stands, as `source.snapshot` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InSnapshot {
    /// The first of several.
    First,
    /// Any other.
    Middle,
    /// The last, or the only one.
    Last,
}

impl InSnapshot {
    /// The marker of the row at `index` of `count`.
    pub fn at(index: usize, count: usize) -> Self {
        match index {
            _ if index + 1 >= count => Self::Last,
            0 => Self::First,
            _ => Self::Middle,
        }
    }
}

/// When and where in the write-ahead log a change was made. All rows of a snapshot share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The transaction.
    pub tx_id: u64,
    /// The position in the write-ahead log.
    pub lsn: u64,
    /// The commit, since 1970; PostgreSQL knows it to the microsecond.
    pub committed: Duration,
    /// When the connector saw it, since 1970.
    pub seen: Duration,
}

/// Writes changes as a connector with these settings would.
#[derive(Debug)]
pub struct Connector {
    topic_prefix: String,
    /// The schemas of key and value, as JSON.
    schemas: Option<(String, String)>,
}

const DATABASE: &str = "postgres";
const SCHEMA: &str = "shop";
const TABLE: &str = "products";

impl Connector {
    /// A connector with this `topic.prefix`, and JSON converters with `schemas.enable=false`.
    pub fn new(topic_prefix: impl Into<String>) -> Self {
        Self {
            topic_prefix: topic_prefix.into(),
            schemas: None,
        }
    }

    /// The same with `schemas.enable=true`, in keys and values: `{"schema": …, "payload": …}`.
    #[must_use]
    pub fn with_schema(self) -> Self {
        let schemas = (key_schema(&self.topic()), value_schema(&self.topic()));
        Self {
            schemas: Some(schemas),
            ..self
        }
    }

    /// The topic of the table.
    pub fn topic(&self) -> String {
        format!("{}.{SCHEMA}.{TABLE}", self.topic_prefix)
    }

    /// The record that tells `change`.
    pub fn record(&self, change: Change<'_>, moment: Moment) -> Record {
        let (key_schema, value_schema) = match &self.schemas {
            Some((key, value)) => (Some(key.as_str()), Some(value.as_str())),
            None => (None, None),
        };
        let key = json(key_schema, &Key { id: change.id() });
        let value = self
            .envelope(change, moment)
            .map(|envelope| json(value_schema, &envelope));
        Record { key, value }
    }

    /// A deletion as it arrives: the `d` record, then the tombstone.
    pub fn deletion(&self, id: i64, moment: Moment) -> [Record; 2] {
        [Change::Delete(id), Change::Tombstone(id)].map(|change| self.record(change, moment))
    }

    fn envelope<'a>(&'a self, change: Change<'a>, moment: Moment) -> Option<Envelope<'a>> {
        let (op, before, after, snapshot) = match change {
            Change::Read(row, InSnapshot::First) => ("r", None, Some(Row::of(row)), "first"),
            Change::Read(row, InSnapshot::Middle) => ("r", None, Some(Row::of(row)), "true"),
            Change::Read(row, InSnapshot::Last) => ("r", None, Some(Row::of(row)), "last"),
            Change::Create(row) => ("c", None, Some(Row::of(row)), "false"),
            Change::Update(row) => ("u", None, Some(Row::of(row)), "false"),
            Change::Delete(id) => ("d", Some(Row::filler(id)), None, "false"),
            Change::Tombstone(_) => return None,
        };
        let lsn = moment.lsn;
        // The last commit the connector had seen, and this change; a snapshot has seen none.
        let sequence = if op == "r" {
            format!("[null,\"{lsn}\"]")
        } else {
            format!("[\"{lsn}\",\"{lsn}\"]")
        };
        let committed_us = moment.committed.as_micros();
        Some(Envelope {
            before,
            after,
            source: Source {
                version: "3.6.3.Final",
                connector: "postgresql",
                name: &self.topic_prefix,
                ts_ms: committed_us / 1_000,
                snapshot,
                db: DATABASE,
                sequence,
                ts_us: committed_us,
                ts_ns: committed_us * 1_000,
                schema: SCHEMA,
                table: TABLE,
                tx_id: moment.tx_id,
                lsn,
                xmin: None,
                origin: None,
                origin_lsn: None,
            },
            transaction: None,
            op,
            ts_ms: moment.seen.as_millis(),
            ts_us: moment.seen.as_micros(),
            ts_ns: moment.seen.as_nanos(),
        })
    }
}

impl Change<'_> {
    fn id(&self) -> i64 {
        match self {
            Self::Read(row, _) | Self::Create(row) | Self::Update(row) => row.id,
            Self::Delete(id) | Self::Tombstone(id) => *id,
        }
    }
}

#[derive(Serialize)]
struct Key {
    id: i64,
}

// In the order of the connector's fields.
#[derive(Serialize)]
struct Envelope<'a> {
    before: Option<Row<'a>>,
    after: Option<Row<'a>>,
    source: Source<'a>,
    /// Filled by `provide.transaction.metadata`, which is off by default.
    transaction: Option<()>,
    op: &'static str,
    ts_ms: u128,
    ts_us: u128,
    ts_ns: u128,
}

#[derive(Serialize)]
struct Row<'a> {
    id: i64,
    sku: &'a str,
    title: Option<&'a str>,
    category: Option<&'a str>,
    description: Option<&'a str>,
    price: String,
    stock: i64,
    updated_at: i64,
}

impl<'a> Row<'a> {
    fn of(product: &'a Product) -> Self {
        Self {
            id: product.id,
            sku: &product.sku,
            title: Some(&product.title),
            category: Some(&product.category),
            description: Some(&product.description),
            price: decimal(product.price_cents),
            stock: product.stock,
            updated_at: product.updated_at_ms,
        }
    }

    /// `before` of a delete, of which only the key is true.
    fn filler(id: i64) -> Self {
        let price = decimal(0);
        Self {
            id,
            sku: "",
            title: None,
            category: None,
            description: None,
            price,
            stock: 0,
            updated_at: 0,
        }
    }
}

/// Two decimals, as PostgreSQL prints a `numeric(12, 2)`.
fn decimal(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

#[derive(Serialize)]
struct Source<'a> {
    version: &'static str,
    connector: &'static str,
    name: &'a str,
    ts_ms: u128,
    snapshot: &'static str,
    db: &'static str,
    sequence: String,
    ts_us: u128,
    ts_ns: u128,
    schema: &'static str,
    table: &'static str,
    #[serde(rename = "txId")]
    tx_id: u64,
    lsn: u64,
    xmin: Option<u64>,
    origin: Option<&'a str>,
    origin_lsn: Option<u64>,
}

fn json(schema: Option<&str>, payload: &impl Serialize) -> Vec<u8> {
    let payload = serde_json::to_string(payload).expect("structs of numbers and strings are JSON");
    match schema {
        None => payload,
        Some(schema) => format!(r#"{{"schema":{schema},"payload":{payload}}}"#),
    }
    .into_bytes()
}

fn field(kind: &str, optional: bool, name: &str) -> String {
    format!(r#"{{"type":"{kind}","optional":{optional},"field":"{name}"}}"#)
}

fn key_schema(topic: &str) -> String {
    let id = field("int64", false, "id");
    format!(r#"{{"type":"struct","fields":[{id}],"optional":false,"name":"{topic}.Key"}}"#)
}

fn value_schema(topic: &str) -> String {
    let row = [
        field("int64", false, "id"),
        field("string", false, "sku"),
        field("string", true, "title"),
        field("string", true, "category"),
        field("string", true, "description"),
        field("string", false, "price"),
        field("int64", false, "stock"),
        r#"{"type":"int64","optional":false,"name":"io.debezium.time.Timestamp","version":1,"field":"updated_at"}"#.to_owned(),
    ]
    .join(",");
    let row = |name| {
        format!(
            r#"{{"type":"struct","fields":[{row}],"optional":true,"name":"{topic}.Value","field":"{name}"}}"#
        )
    };
    let snapshot = r#"{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},"default":"false","field":"snapshot"}"#;
    let source = [
        field("string", false, "version"),
        field("string", false, "connector"),
        field("string", false, "name"),
        field("int64", false, "ts_ms"),
        snapshot.to_owned(),
        field("string", false, "db"),
        field("string", true, "sequence"),
        field("int64", true, "ts_us"),
        field("int64", true, "ts_ns"),
        field("string", false, "schema"),
        field("string", false, "table"),
        field("int64", true, "txId"),
        field("int64", true, "lsn"),
        field("int64", true, "xmin"),
        field("string", true, "origin"),
        field("int64", true, "origin_lsn"),
    ]
    .join(",");
    let transaction = [
        field("string", false, "id"),
        field("int64", false, "total_order"),
        field("int64", false, "data_collection_order"),
    ]
    .join(",");
    let fields = [
        row("before"),
        row("after"),
        format!(r#"{{"type":"struct","fields":[{source}],"optional":false,"name":"io.debezium.connector.postgresql.Source","version":1,"field":"source"}}"#),
        format!(r#"{{"type":"struct","fields":[{transaction}],"optional":true,"name":"event.block","version":1,"field":"transaction"}}"#),
        field("string", false, "op"),
        field("int64", true, "ts_ms"),
        field("int64", true, "ts_us"),
        field("int64", true, "ts_ns"),
    ]
    .join(",");
    format!(
        r#"{{"type":"struct","fields":[{fields}],"optional":false,"name":"{topic}.Envelope","version":2}}"#
    )
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test fails by panicking"
    )]

    use serde_json::{Value, json};

    use super::*;

    const MOMENT: Moment = Moment {
        tx_id: 777,
        lsn: 22_688_688,
        committed: Duration::from_micros(1_795_361_719_572_360),
        seen: Duration::from_nanos(1_795_361_719_802_019_560),
    };

    fn lamp() -> Product {
        Product {
            id: 11,
            sku: "LGT-000011".to_owned(),
            title: "Ostera Nook desk lamp, \"solid\" brass".to_owned(),
            category: "Lighting".to_owned(),
            description: "A small lamp for große Ideen.".to_owned(),
            price_cents: 7_905,
            stock: 7,
            updated_at_ms: 1_767_225_600_123,
        }
    }

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    fn parsed(record: &Record) -> Value {
        serde_json::from_slice(record.value.as_ref().unwrap()).unwrap()
    }

    #[test]
    fn a_create_is_byte_for_byte_the_connectors() {
        let record = Connector::new("demo").record(Change::Create(&lamp()), MOMENT);
        assert_eq!(text(&record.key), r#"{"id":11}"#);
        let expected = concat!(
            r#"{"before":null,"after":{"id":11,"sku":"LGT-000011","title":"Ostera Nook desk lamp, \"solid\" brass","#,
            r#""category":"Lighting","description":"A small lamp for große Ideen.","price":"79.05","stock":7,"#,
            r#""updated_at":1767225600123},"source":{"version":"3.6.3.Final","connector":"postgresql","name":"demo","#,
            r#""ts_ms":1795361719572,"snapshot":"false","db":"postgres","sequence":"[\"22688688\",\"22688688\"]","#,
            r#""ts_us":1795361719572360,"ts_ns":1795361719572360000,"schema":"shop","table":"products","txId":777,"#,
            r#""lsn":22688688,"xmin":null,"origin":null,"origin_lsn":null},"transaction":null,"op":"c","#,
            r#""ts_ms":1795361719802,"ts_us":1795361719802019,"ts_ns":1795361719802019560}"#,
        );
        assert_eq!(text(record.value.as_ref().unwrap()), expected);
    }

    #[test]
    fn an_update_has_no_before() {
        let record = Connector::new("demo").record(Change::Update(&lamp()), MOMENT);
        let envelope = parsed(&record);
        assert_eq!(
            (&envelope["op"], &envelope["before"]),
            (&json!("u"), &json!(null))
        );
        assert_eq!(envelope["after"]["stock"], 7);
    }

    #[test]
    fn a_deletion_is_an_envelope_with_fillers_and_then_a_tombstone() {
        let [delete, tombstone] = Connector::new("demo").deletion(11, MOMENT);
        let envelope = parsed(&delete);
        assert_eq!(
            (&envelope["op"], &envelope["after"]),
            (&json!("d"), &json!(null))
        );
        assert_eq!(
            envelope["before"],
            json!({
                "id": 11, "sku": "", "title": null, "category": null, "description": null,
                "price": "0.00", "stock": 0, "updated_at": 0
            })
        );
        assert_eq!(
            tombstone,
            Record {
                key: delete.key.clone(),
                value: None
            }
        );
    }

    #[test]
    fn a_snapshot_marks_its_first_and_last_row_and_knows_no_commit() {
        let (lamp, connector) = (lamp(), Connector::new("demo"));
        let markers = |count| -> Vec<Value> {
            let records = (0..count).map(|index| {
                connector.record(Change::Read(&lamp, InSnapshot::at(index, count)), MOMENT)
            });
            records
                .map(|record| parsed(&record)["source"]["snapshot"].clone())
                .collect()
        };
        assert_eq!(markers(4), ["first", "true", "true", "last"]);
        assert_eq!(markers(1), ["last"]);
        let envelope = parsed(&connector.record(Change::Read(&lamp, InSnapshot::Middle), MOMENT));
        assert_eq!(envelope["op"], "r");
        assert_eq!(envelope["source"]["sequence"], "[null,\"22688688\"]");
    }

    #[test]
    fn with_schema_the_payload_is_the_same_and_each_field_is_described() {
        let bare = Connector::new("demo").record(Change::Create(&lamp()), MOMENT);
        let connector = Connector::new("demo").with_schema();
        assert_eq!(connector.topic(), "demo.shop.products");
        let record = connector.record(Change::Create(&lamp()), MOMENT);
        assert_eq!(
            text(&record.key),
            concat!(
                r#"{"schema":{"type":"struct","fields":[{"type":"int64","optional":false,"field":"id"}],"#,
                r#""optional":false,"name":"demo.shop.products.Key"},"payload":{"id":11}}"#
            )
        );
        let value = parsed(&record);
        assert_eq!(value["payload"], parsed(&bare));
        assert_eq!(value["schema"]["name"], "demo.shop.products.Envelope");
        assert_every_field_is_described(&value["schema"], &value["payload"]);

        let [delete, tombstone] = connector.deletion(11, MOMENT);
        let value = parsed(&delete);
        assert_every_field_is_described(&value["schema"], &value["payload"]);
        assert_eq!(tombstone.value, None);
    }

    /// Names, order, types and nullability of a Connect struct against a value of it.
    fn assert_every_field_is_described(schema: &Value, value: &Value) {
        let fields = schema["fields"].as_array().unwrap();
        let object = value.as_object().unwrap();
        assert_eq!(fields.len(), object.len(), "{schema}");
        for field in fields {
            let name = field["field"].as_str().unwrap();
            let value = object
                .get(name)
                .unwrap_or_else(|| panic!("{name} is missing"));
            match field["type"].as_str().unwrap() {
                _ if value.is_null() => assert_eq!(field["optional"], true, "{name}"),
                "struct" => assert_every_field_is_described(field, value),
                "string" => assert!(value.is_string(), "{name}"),
                "int64" => assert!(value.is_i64(), "{name}"),
                other => panic!("{name} has the unknown type {other}"),
            }
        }
    }

    #[test]
    fn prices_have_two_decimals() {
        assert_eq!(
            [0, 5, 99, 100, 8_999, -250].map(decimal),
            ["0.00", "0.05", "0.99", "1.00", "89.99", "-2.50"]
        );
    }
}
