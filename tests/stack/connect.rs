//! Kafka Connect, and Debezium's connector in it.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::http::Http;
use crate::java::Java;
use crate::kafka::Kafka;
use crate::postgres::Postgres;
use crate::process::{Process, free_port};
use crate::wait::until;
use crate::workspace::Workspace;

/// A running worker.
pub(crate) struct Connect {
    process: Process,
    http: Http,
}

/// How a connector writes its records.
#[derive(Clone, Copy)]
pub(crate) enum Dialect {
    /// JSON with the schema in each record; decimals as Connect's own Decimal. The deployment's settings, unchanged.
    WithSchemas,
    /// Bare JSON; decimals as strings.
    Bare,
}

impl Dialect {
    /// Its topics' prefix; names its replication slot too.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::WithSchemas => "shop",
            Self::Bare => "bare",
        }
    }

    /// The topic of the product table.
    pub(crate) fn topic(self) -> String {
        format!("{}.public.products", self.prefix())
    }
}

impl Connect {
    /// Starts a worker that keeps its state in `kafka`.
    pub(crate) fn start(workspace: &Workspace, java: &Java, kafka: &Kafka) -> Result<Self> {
        let port = free_port()?;
        let properties = workspace.write(
            "connect.properties",
            &format!(
                "bootstrap.servers={}\n\
                 group.id=connect\n\
                 listeners=http://127.0.0.1:{port}\n\
                 rest.advertised.host.name=127.0.0.1\n\
                 plugin.discovery=only_scan\n\
                 key.converter=org.apache.kafka.connect.json.JsonConverter\n\
                 value.converter=org.apache.kafka.connect.json.JsonConverter\n\
                 config.storage.topic=connect-configs\n\
                 config.storage.replication.factor=1\n\
                 offset.storage.topic=connect-offsets\n\
                 offset.storage.partitions=1\n\
                 offset.storage.replication.factor=1\n\
                 offset.flush.interval.ms=1000\n\
                 status.storage.topic=connect-status\n\
                 status.storage.partitions=1\n\
                 status.storage.replication.factor=1\n",
                kafka.brokers()
            ),
        )?;
        let process = java.start(
            workspace,
            "connect",
            "512m",
            &[
                "org.apache.kafka.connect.cli.ConnectDistributed",
                &properties,
            ],
        )?;
        let mut connect = Self {
            process,
            http: Http::to(format!("http://127.0.0.1:{port}"))?,
        };
        connect
            .process
            .wait_until_ready(Duration::from_mins(2), || {
                connect.http.get("/connectors").is_ok()
            })?;
        Ok(connect)
    }

    /// Registers Debezium's connector for the product table, with the deployment's own settings, and waits until it runs.
    pub(crate) fn register(&mut self, postgres: &Postgres, dialect: Dialect) -> Result<()> {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/debezium/postgres.json");
        let mut settings: Value = serde_json::from_str(&fs::read_to_string(file)?)
            .context("deploy/debezium/postgres.json")?;
        let prefix = dialect.prefix();
        let mut changes = json!({
            "database.hostname": "127.0.0.1",
            "database.port": postgres.port().to_string(),
            "database.dbname": "postgres",
            "topic.prefix": prefix,
            // The publication is shared; a slot has one reader.
            "slot.name": prefix,
        });
        if matches!(dialect, Dialect::Bare) {
            let bare = json!({
                "key.converter.schemas.enable": "false",
                "value.converter.schemas.enable": "false",
                "decimal.handling.mode": "string",
            });
            merge(&mut changes, bare);
        }
        merge(&mut settings, changes);

        self.http
            .put(&format!("/connectors/{prefix}/config"), &settings)
            .with_context(|| format!("connector {prefix} was not taken"))?;
        until(
            &format!("connector {prefix} to run"),
            Duration::from_mins(1),
            || {
                self.process.expect_running()?;
                self.state(prefix)
            },
        )
    }

    /// `Some` once the connector and its task run; an error when either has failed.
    fn state(&self, connector: &str) -> Result<Option<()>> {
        // Asked about one connector alone, Connect answers 404 until it has heard of its first state.
        let all = self.http.get("/connectors?expand=status")?;
        let state = |part| all.pointer(&format!("/{connector}/status/{part}/state"));
        let states = [state("connector"), state("tasks/0")];
        if states.contains(&Some(&json!("FAILED"))) {
            bail!("connector {connector} failed: {all}");
        }
        Ok((states == [Some(&json!("RUNNING")); 2]).then_some(()))
    }
}

/// Puts the members of `changes` over those of `settings`.
fn merge(settings: &mut Value, changes: Value) {
    if let (Value::Object(settings), Value::Object(changes)) = (settings, changes) {
        settings.extend(changes);
    }
}
