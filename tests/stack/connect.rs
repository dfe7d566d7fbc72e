//! Kafka Connect, and Debezium's connector in it.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::http;
use crate::java::Java;
use crate::kafka::Kafka;
use crate::postgres::Postgres;
use crate::process::{Process, Program, free_port};
use crate::wait::until;
use crate::workspace::Workspace;

/// The largest record of a table's topic, in bytes.
pub(crate) const MAX_RECORD: &str = "16777216";

/// A running worker.
pub(crate) struct Connect {
    process: Option<Process>,
    properties: String,
    /// How often it was started.
    starts: usize,
    port: u16,
}

/// A connector's settings, by name.
pub(crate) type Settings = BTreeMap<String, String>;

/// How a connector writes its records.
#[derive(Clone, Copy)]
pub(crate) enum Dialect {
    /// JSON with the schema in each record; decimals as Connect's own Decimal. The deployment's settings, unchanged.
    WithSchemas,
    /// Bare JSON; decimals as strings.
    Bare,
    /// Avro, its schemas in the registry at that port of this machine.
    Avro(u16, AvroIds),
}

/// How a record says which schema it was written with.
#[derive(Clone, Copy)]
pub(crate) enum AvroIds {
    /// By the content's id in the four bytes in front, as with Confluent's converter.
    InFront,
    /// By Apicurio's global id in a header, as its converter does by itself.
    InHeaders,
}

impl Dialect {
    /// Those in JSON.
    pub(crate) const ALL: [Self; 2] = [Self::WithSchemas, Self::Bare];

    /// Its topics' prefix; names its replication slot too.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::WithSchemas => "shop",
            Self::Bare => "bare",
            Self::Avro(_, AvroIds::InFront) => "avro",
            Self::Avro(_, AvroIds::InHeaders) => "headers",
        }
    }

    /// The registry's URL for Vectide, where there is one.
    pub(crate) fn registry_url(self) -> Option<String> {
        match self {
            Self::Avro(port, _) => Some(format!("http://127.0.0.1:{port}/apis/ccompat/v7")),
            Self::WithSchemas | Self::Bare => None,
        }
    }

    /// What differs from the deployment's settings.
    pub(crate) fn settings(self) -> Settings {
        let mut settings = Settings::new();
        let mut set = |name: &str, value: &str| settings.insert(name.to_owned(), value.to_owned());
        match self {
            Self::WithSchemas => {}
            Self::Bare => {
                set("key.converter.schemas.enable", "false");
                set("value.converter.schemas.enable", "false");
                set("decimal.handling.mode", "string");
            }
            Self::Avro(port, ids) => {
                let (as_confluent, use_id, in_headers) = match ids {
                    AvroIds::InFront => ("true", "contentId", "false"),
                    AvroIds::InHeaders => ("false", "globalId", "true"),
                };
                for part in ["key", "value"] {
                    let converter = format!("{part}.converter");
                    set(
                        &converter,
                        "io.apicurio.registry.utils.converter.AvroConverter",
                    );
                    let mut set = |name: &str, value: &str| {
                        set(&format!("{converter}.apicurio.registry.{name}"), value);
                    };
                    set("url", &format!("http://127.0.0.1:{port}/apis/registry/v2"));
                    set("auto-register", "true");
                    set("find-latest", "true");
                    set("as-confluent", as_confluent);
                    set("use-id", use_id);
                    set("headers.enabled", in_headers);
                    if matches!(ids, AvroIds::InFront) {
                        set(
                            "id-handler",
                            "io.apicurio.registry.serde.Legacy4ByteIdHandler",
                        );
                    }
                }
            }
        }
        settings
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
        let mut connect = Self {
            process: None,
            properties,
            starts: 0,
            port,
        };
        connect.start_again(workspace, java)?;
        Ok(connect)
    }

    /// Starts it with what it keeps in Kafka, and does not wait for it.
    pub(crate) fn start_again(&mut self, workspace: &Workspace, java: &Java) -> Result<()> {
        self.starts += 1;
        let name = match self.starts {
            1 => "connect".to_owned(),
            count => format!("connect-{count}"),
        };
        let main = [
            "org.apache.kafka.connect.cli.ConnectDistributed",
            &self.properties,
        ];
        self.process = Some(java.start(workspace, &name, "512m", &main)?);
        Ok(())
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), Process::kill)
    }

    /// Whether it has ended by itself, which it does when it finds no Kafka at its start.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        let Some(process) = &mut self.process else {
            return Ok(false);
        };
        Ok(process.has_ended()?.is_some())
    }

    /// Starts what has failed of a connector again, as somebody who operates it would; says whether anything had. A worker that does not
    /// answer yet has nothing that failed.
    pub(crate) fn mend(&self, name: &str) -> Result<bool> {
        let url = format!("http://127.0.0.1:{}/connectors/{name}", self.port);
        let Ok(status) = http::get(&format!("{url}/status")) else {
            return Ok(false);
        };
        if !status.body.contains("\"FAILED\"") {
            return Ok(false);
        }
        let restart = format!("{url}/restart?includeTasks=true&onlyFailed=true");
        http::post(&restart).map(|answer| answer.status < 300)
    }

    /// Registers Debezium's connector for the product table as the deployment does, and waits until it runs.
    pub(crate) fn register(
        &mut self,
        workspace: &Workspace,
        postgres: &Postgres,
        dialect: Dialect,
    ) -> Result<()> {
        self.register_with(workspace, postgres, dialect.prefix(), &dialect.settings())
    }

    /// The same with a prefix and further settings of one's own.
    pub(crate) fn register_with(
        &mut self,
        workspace: &Workspace,
        postgres: &Postgres,
        prefix: &str,
        further: &Settings,
    ) -> Result<()> {
        let settings = settings(postgres, prefix, further)?;
        let settings = workspace.write(&format!("{prefix}.json"), &settings)?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/debezium/register.sh");
        let url = format!("http://127.0.0.1:{}", self.port);
        let name = format!("register-{prefix}");
        let mut register =
            Program::new(&name, &[script, &url, prefix, &settings]).start(&workspace.logs())?;
        let status = until(
            &format!("connector {prefix} to run"),
            Duration::from_mins(3),
            || {
                if let Some(process) = &mut self.process {
                    process.expect_running()?;
                }
                register.has_ended()
            },
        )?;
        if !status.success() {
            bail!("connector {prefix} does not run:\n{}", register.log_tail());
        }
        Ok(())
    }
}

/// The deployment's own settings, with what differs here.
fn settings(postgres: &Postgres, prefix: &str, further: &Settings) -> Result<String> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/debezium/postgres.json");
    let mut settings: Settings = serde_json::from_str(&fs::read_to_string(file)?)
        .context("deploy/debezium/postgres.json")?;
    let mut set = |name: &str, value: &str| settings.insert(name.to_owned(), value.to_owned());
    set("database.hostname", "127.0.0.1");
    set("database.port", &postgres.port().to_string());
    set("database.dbname", "postgres");
    set("topic.prefix", prefix);
    // The publication is shared; a slot has one reader.
    set("slot.name", prefix);
    // For records of 10 MB; the client's and the broker's own limit is 1 MiB.
    set("producer.override.max.request.size", MAX_RECORD);
    set("topic.creation.default.max.message.bytes", MAX_RECORD);
    for (name, value) in further {
        set(name, value);
    }
    Ok(serde_json::to_string(&settings)?)
}
