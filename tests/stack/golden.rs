//! The golden records: what Debezium makes of a small table in each encoding, captured with `vectide capture`.
//!
//! `make golden` writes them to `schemas/golden`; otherwise they go to the workspace, and it is only seen that capturing works.

use std::collections::{BTreeMap, btree_map::Entry};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use vectide::capture::CaptureReader;

use crate::VECTIDE;
use crate::connect::{AvroIds, Dialect, Settings};
use crate::http;
use crate::java::Java;
use crate::kafka::Kafka;
use crate::postgres::Postgres;
use crate::process::Program;
use crate::records::{self, REQUEST};
use crate::registry::Registry;
use crate::servers::Servers;
use crate::table;
use crate::wait::until;
use crate::workspace::{Workspace, in_workspace, in_workspace_with, text};

/// A connector, and what differs from the deployment's settings.
struct Golden {
    name: &'static str,
    settings: &'static [(&'static str, &'static str)],
    /// Records of the product table.
    records: i64,
    /// Whether truncates come through.
    has_truncates: bool,
    /// Whether its records are in Avro.
    is_avro: bool,
}

const BARE: [(&str, &str); 2] = [
    ("key.converter.schemas.enable", "false"),
    ("value.converter.schemas.enable", "false"),
];
const FLATTENED: [(&str, &str); 2] = [
    ("transforms", "flatten"),
    (
        "transforms.flatten.type",
        "io.debezium.transforms.ExtractNewRecordState",
    ),
];

const GOLDEN: [Golden; 5] = [
    Golden {
        name: "avro",
        settings: &[],
        records: 11,
        has_truncates: true,
        is_avro: true,
    },
    Golden {
        name: "json_schema",
        settings: &[],
        records: 11,
        has_truncates: true,
        is_avro: false,
    },
    Golden {
        name: "json_bare",
        settings: &BARE,
        records: 11,
        has_truncates: true,
        is_avro: false,
    },
    Golden {
        name: "flat_rewrite",
        settings: &[
            BARE[0],
            BARE[1],
            FLATTENED[0],
            FLATTENED[1],
            (
                "transforms.flatten.delete.tombstone.handling.mode",
                "rewrite",
            ),
            ("transforms.flatten.add.fields", "op,table,lsn,source.ts_ms"),
        ],
        records: 9,
        has_truncates: false,
        is_avro: false,
    },
    Golden {
        name: "flat_tombstone",
        settings: &[
            BARE[0],
            BARE[1],
            FLATTENED[0],
            FLATTENED[1],
            (
                "transforms.flatten.delete.tombstone.handling.mode",
                "tombstone",
            ),
        ],
        records: 9,
        has_truncates: false,
        is_avro: false,
    },
];

/// The same for all.
const COMMON: [(&str, &str); 5] = [
    ("table.include.list", "public.products,public.labels"),
    ("heartbeat.interval.ms", "500"),
    ("provide.transaction.metadata", "true"),
    // A compacted topic takes no record without a key, as a truncate is.
    ("topic.creation.default.cleanup.policy", "delete"),
    // So that the file has one order.
    ("topic.creation.default.partitions", "1"),
];

/// Two products with columns of more types, one with a text so large that PostgreSQL does not repeat it; and a table without rows.
const BEFORE: &str = "
    DELETE FROM products WHERE id > 2;
    ALTER TABLE products ADD COLUMN list_price numeric, ADD COLUMN tags text[], ADD COLUMN attributes jsonb, ADD COLUMN released date;
    ALTER TABLE products ALTER COLUMN description SET STORAGE EXTERNAL;
    UPDATE products SET updated_at = '2026-01-02 03:04:05.678901+00', list_price = price * 1.25, tags = ARRAY[lower(category), 'home'],
        attributes = jsonb_build_object('warranty_years', id), released = '2024-02-29';
    UPDATE products SET description = repeat('Pours slowly and exactly. ', 90) WHERE id = 1;
    CREATE TABLE labels (id bigint PRIMARY KEY, label text);
    GRANT SELECT ON labels TO debezium;
    ALTER PUBLICATION vectide ADD TABLE labels;";

/// What happens then, each in a transaction of its own.
const CHANGES: [&str; 8] = [
    "INSERT INTO products (id, sku, title, category, price, stock, updated_at)
        VALUES (10, 'RAK-020', 'Leaf rake', 'Garden', 24.50, 0, '2026-01-03 00:00:00.000001+00')",
    "INSERT INTO products (id, sku, title, category, description, price, stock, updated_at, tags)
        VALUES (11, 'CAF-001', 'Größere Teekanne „Café“', 'Kitchen', '静かな \\ \"quoted\"', 0.05, 7, '2026-01-03 00:00:00.000002+00', '{}')",
    "UPDATE products SET title = 'Folding desk lamp, brass', price = 29.00, list_price = -12345678901234567890.123456789 WHERE id = 2",
    // Its description does not change, and is not repeated.
    "UPDATE products SET stock = 0 WHERE id = 1",
    "DELETE FROM products WHERE id = 10",
    "UPDATE products SET id = 20 WHERE id = 2",
    "SELECT pg_logical_emit_message(true, 'vectide', 'a message')",
    "TRUNCATE labels",
];

/// The rows as the golden files have them: what a number would round is text, and times, and decimals of no fixed scale, are as the connector
/// writes them.
const ROWS: &str = "
    SELECT jsonb_pretty(jsonb_object_agg('[' || id || ']', to_jsonb(products) || jsonb_build_object(
        'price', price::text,
        'list_price', trim_scale(list_price)::text,
        'updated_at', to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'))))
    FROM products";

#[test]
#[ignore = "needs servers: make golden"]
fn golden_records_are_captured_from_every_encoding() -> Result<()> {
    in_workspace(|workspace| {
        let folder = folder(workspace)?;
        let mut servers = Servers::start(workspace)?;
        let registry = Registry::start(workspace, &Java::find(workspace)?)?;
        table::create(&servers.postgres)?;
        servers.postgres.query(BEFORE)?;
        for golden in &GOLDEN {
            let settings = golden.settings(&registry);
            servers
                .connect
                .register_with(workspace, &servers.postgres, golden.name, &settings)?;
        }
        for golden in &GOLDEN {
            wait_for(&servers, &golden.topic("public.products"), 2)?;
        }
        for change in CHANGES {
            servers.postgres.query(change)?;
        }
        can_begin_at_a_time(servers.kafka.brokers())?;
        for golden in &GOLDEN {
            golden.capture(&servers, &folder)?;
            let rows = folder.join(format!("{}.rows.json", golden.name));
            fs::write(rows, table_rows(&servers.postgres)?)?;
        }
        let schemas = serde_json::to_string(&schemas(&registry, &folder)?)?;
        fs::write(folder.join("avro.schemas.json"), schemas + "\n")?;
        Ok(())
    })
}

#[test]
#[ignore = "needs servers: make test-stack"]
fn a_capture_ends_where_a_transactions_marker_does_and_holds_nothing_that_was_aborted() -> Result<()>
{
    in_workspace_with(&["kafka"], |workspace| {
        let kafka = Kafka::start(workspace, &Java::find(workspace)?)?;
        kafka.create_topic("shop", 1)?;
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", kafka.brokers())
            .set("transactional.id", "shop")
            .create()?;
        producer.init_transactions(REQUEST)?;
        for (value, is_committed) in [("first", true), ("aborted", false), ("second", true)] {
            producer.begin_transaction()?;
            let record = BaseRecord::to("shop").key("1").payload(value);
            producer.send(record).map_err(|(error, _)| error)?;
            if is_committed {
                producer.commit_transaction(REQUEST)?;
            } else {
                producer.flush(REQUEST)?;
                producer.abort_transaction(REQUEST)?;
            }
        }
        let lines = capture(kafka.brokers(), "shop", &[])?;
        let offsets: Vec<_> = lines
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line))
            .map(|line| Ok(line?.get("offset").and_then(serde_json::Value::as_i64)))
            .collect::<Result<_>>()?;
        ensure!(offsets == [Some(0), Some(4)], "{lines}");
        Ok(())
    })
}

/// Only real brokers look up a time.
fn can_begin_at_a_time(brokers: &str) -> Result<()> {
    let topic = "json_bare.public.products";
    for (from, has_records) in [
        ("2020-01-01T00:00:00Z", true),
        ("2100-01-01T00:00:00Z", false),
    ] {
        let lines = capture(brokers, topic, &["--from", from])?;
        ensure!(lines.is_empty() != has_records, "from {from}: {lines}");
    }
    Ok(())
}

/// Where the files go.
fn folder(workspace: &Workspace) -> Result<PathBuf> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return Ok(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/golden").into());
    }
    let folder = workspace.path("golden");
    fs::create_dir(&folder)?;
    Ok(folder)
}

fn table_rows(postgres: &Postgres) -> Result<String> {
    let rows: serde_json::Value = serde_json::from_str(&postgres.query(ROWS)?)?;
    Ok(format!("{rows:#}\n"))
}

/// The schemas that the golden records in Avro name, by id, as the registry has them.
fn schemas(registry: &Registry, folder: &Path) -> Result<BTreeMap<u32, String>> {
    let mut schemas = BTreeMap::new();
    for raw in CaptureReader::open(&folder.join("avro.jsonl"))? {
        let raw = raw?;
        for bytes in [raw.key, raw.value].into_iter().flatten() {
            let Some((&id, _)) = bytes.strip_prefix(&[0]).and_then(<[u8]>::split_first_chunk)
            else {
                continue;
            };
            let id = u32::from_be_bytes(id);
            if let Entry::Vacant(entry) = schemas.entry(id) {
                let port = registry.port();
                let url = format!("http://127.0.0.1:{port}/apis/ccompat/v7/schemas/ids/{id}");
                let answer: serde_json::Value = serde_json::from_str(&http::get(&url)?.body)?;
                let schema = answer.get("schema").and_then(serde_json::Value::as_str);
                entry.insert(schema.context("no schema in the answer")?.to_owned());
            }
        }
    }
    Ok(schemas)
}

/// Waits until a topic has so many records.
fn wait_for(servers: &Servers, topic: &str, count: i64) -> Result<()> {
    let consumer = records::consumer(servers.kafka.brokers(), "golden")?;
    until(
        &format!("{topic} to have {count} records"),
        Duration::from_mins(2),
        || {
            let ends = records::ends(&consumer, topic)?.unwrap_or_default();
            Ok((ends.iter().map(|(_, _, high)| high).sum::<i64>() >= count).then_some(()))
        },
    )
}

impl Golden {
    fn settings(&self, registry: &Registry) -> Settings {
        let mut settings = if self.is_avro {
            Dialect::Avro(registry.port(), AvroIds::InFront).settings()
        } else {
            Settings::new()
        };
        let own = COMMON.iter().chain(self.settings);
        settings.extend(own.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        settings
    }

    fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.name)
    }

    /// Writes the records of all of the connector's topics to one file.
    fn capture(&self, servers: &Servers, folder: &Path) -> Result<()> {
        wait_for(servers, &self.topic("public.products"), self.records)?;
        let mut topics = vec![
            (self.topic("public.products"), u64::MAX),
            (self.topic("message"), 1),
            // Of these a few will do.
            (self.topic("transaction"), 2),
            (format!("__debezium-heartbeat.{}", self.name), 1),
        ];
        if self.has_truncates {
            topics.push((self.topic("public.labels"), 1));
        }
        let mut lines = String::new();
        for (topic, limit) in topics {
            wait_for(servers, &topic, 1)?;
            let limit = limit.to_string();
            lines += &capture(servers.kafka.brokers(), &topic, &["--limit", &limit])?;
        }
        let records = i64::try_from(lines.lines().count())?;
        ensure!(records > self.records, "only {records} records");
        let path = folder.join(format!("{}.jsonl", self.name));
        fs::write(&path, &lines).with_context(|| path.display().to_string())?;
        println!("{}: {records} records, {} bytes", text(&path)?, lines.len());
        Ok(())
    }
}

/// What `vectide capture` prints.
fn capture(brokers: &str, topic: &str, options: &[&str]) -> Result<String> {
    let brokers = format!("VECTIDE__KAFKA__BROKERS={brokers}");
    let mut command = vec!["env", &brokers, VECTIDE, "capture", "--topic", topic];
    command.extend(options);
    Program::new("capture", &command).run()
}
