//! The servers of one seed, each a process of its own, and what they are told over their controls.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value as Json;
use tokio::runtime::Handle;
use vectide_embedded::{
    embeddings::{self, Stats},
    kafka, qdrant, registry,
};

use crate::{
    VECTIDE,
    format::{Format, Ids, VERSIONS, key_schema, value_schema},
    process::{Process, Program, free_port},
    workload::REFUSED,
};

/// How long a server may take to start.
const START: Duration = Duration::from_mins(1);

/// How long a control may take to answer.
const CONTROL: Duration = Duration::from_secs(10);

pub(crate) const LETTERS: &str = "vectide.dead-letters";
pub(crate) const GROUP: &str = "vectide";

/// A table of the database.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) topic: &'static str,
    pub(crate) partitions: i32,
    pub(crate) collection: &'static str,
}

pub(crate) static PRODUCTS: Table = Table {
    topic: "shop.public.products",
    partitions: 4,
    collection: "products",
};

pub(crate) static BUNDLES: Table = Table {
    topic: "shop.public.bundles",
    partitions: 2,
    collection: "bundles",
};

/// Kafka, Qdrant, an embedding endpoint and a schema registry.
pub(crate) struct Cluster {
    runtime: Handle,
    http: reqwest::Client,
    folder: PathBuf,
    kafka: Server,
    /// Their real addresses, which only members don't know.
    brokers: String,
    kafka_behaviour: kafka::Behaviour,
    /// None while it is down.
    index: Option<Server>,
    index_port: u16,
    index_starts: usize,
    index_behaviour: qdrant::Behaviour,
    embed: Server,
    embed_port: u16,
    embed_behaviour: embeddings::Behaviour,
    registry: Server,
    registry_behaviour: registry::Behaviour,
}

/// A run in which a server fails by itself says nothing about members.
#[derive(Debug, thiserror::Error)]
#[error("a stand-in failed: {0}")]
pub(crate) struct StandInEnded(String);

/// A stand-in, and the lines that it printed when it was ready.
struct Server {
    process: Process,
    printed: Vec<String>,
}

impl Server {
    /// Starts one that prints so many lines.
    fn start(folder: &Path, name: &str, arguments: &[&str], lines: usize) -> Result<Self> {
        // A file that must not grow is then an error of its write, not the end of the process.
        let ignore = r#"trap '' XFSZ; exec "$0" "$@""#;
        let command = [&["sh", "-c", ignore, VECTIDE, "embedded"], arguments].concat();
        let mut process = Program::new(name, &command).start(folder)?;
        let log = folder.join(format!("{name}.log"));
        let mut printed = Vec::new();
        process.wait_until_ready(START, || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let whole = text.lines().filter(|line| is_address(line));
            printed = whole.map(str::to_owned).collect();
            printed.len() == lines && text.ends_with('\n')
        })?;
        Ok(Self { process, printed })
    }

    /// Where its control is.
    fn control(&self) -> Result<String> {
        let url = self.printed.last().context("no control was printed")?;
        Ok(format!("{}/control", url.trim_end_matches("/v1")))
    }
}

/// The log has its warnings, too.
fn is_address(line: &str) -> bool {
    line.starts_with("127.0.0.1:") || line.starts_with("http://")
}

impl Cluster {
    /// Starts the servers, with their logs in `folder`.
    pub(crate) fn start(runtime: &Handle, folder: &Path) -> Result<Self> {
        let topics = [&PRODUCTS, &BUNDLES].map(|it| format!("{}:{}", it.topic, it.partitions));
        let [products, bundles] = &topics;
        let letters = format!("{LETTERS}:1");
        let any = "127.0.0.1:0";
        let arguments = [
            "kafka",
            "--brokers",
            "2",
            "--topic",
            products,
            "--topic",
            bundles,
            "--topic",
            &letters,
            "--control",
            any,
        ];
        let kafka = Server::start(folder, "kafka", &arguments, 2)?;
        let brokers = kafka.printed.first().cloned().unwrap_or_default();
        let embed_port = free_port()?;
        let address = format!("127.0.0.1:{embed_port}");
        let arguments = ["embeddings", "--address", &address];
        let embed = Server::start(folder, "embeddings", &arguments, 1)?;
        let registry = Server::start(folder, "registry", &["registry", "--address", any], 1)?;
        let mut cluster = Self {
            runtime: runtime.clone(),
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(CONTROL)
                .build()?,
            folder: folder.to_owned(),
            kafka,
            brokers,
            kafka_behaviour: kafka::Behaviour::default(),
            index: None,
            index_port: free_port()?,
            index_starts: 0,
            index_behaviour: qdrant::Behaviour::default(),
            embed,
            embed_port,
            embed_behaviour: well(),
            registry,
            registry_behaviour: registry::Behaviour::default(),
        };
        cluster.start_index()?;
        cluster.embed(|_| ())?;
        Ok(cluster)
    }

    /// Fails when a server has ended by itself: the brokers, for one, check what they assume of themselves.
    pub(crate) fn expect_running(&mut self) -> Result<()> {
        let servers = [&mut self.kafka, &mut self.embed, &mut self.registry];
        for server in servers.into_iter().chain(&mut self.index) {
            let running = server.process.expect_running();
            running.map_err(|error| StandInEnded(error.to_string()))?;
        }
        Ok(())
    }

    /// The brokers' own addresses.
    pub(crate) fn brokers(&self) -> &str {
        &self.brokers
    }

    pub(crate) fn broker_ports(&self) -> Result<Vec<u16>> {
        let ports = self.brokers.split(',');
        ports
            .map(|address| {
                let port = address.rsplit(':').next().unwrap_or_default();
                port.parse().context("no port")
            })
            .collect()
    }

    pub(crate) fn index_port(&self) -> u16 {
        self.index_port
    }

    pub(crate) fn embed_port(&self) -> u16 {
        self.embed_port
    }

    /// Changes how Kafka behaves.
    pub(crate) fn kafka(&mut self, change: impl FnOnce(&mut kafka::Behaviour)) -> Result<()> {
        change(&mut self.kafka_behaviour);
        self.put(&self.kafka.control()?, &self.kafka_behaviour)
    }

    pub(crate) fn freeze_kafka(&mut self, frozen: bool) -> Result<()> {
        self.kafka.process.freeze(frozen)
    }

    /// Changes how Qdrant behaves. One that is down will when it is up.
    pub(crate) fn index(&mut self, change: impl FnOnce(&mut qdrant::Behaviour)) -> Result<()> {
        change(&mut self.index_behaviour);
        match &self.index {
            Some(index) => self.put(&index.control()?, &self.index_behaviour),
            None => Ok(()),
        }
    }

    pub(crate) fn freeze_index(&mut self, frozen: bool) -> Result<()> {
        match &mut self.index {
            Some(index) => index.process.freeze(frozen),
            None => Ok(()),
        }
    }

    /// No file of Qdrant's can grow: what a full disk is to it, without a disk.
    pub(crate) fn fill_index_disk(&mut self, full: bool) -> Result<()> {
        let Some(index) = &mut self.index else {
            return Ok(());
        };
        if index.process.has_ended()?.is_some() {
            return Ok(());
        }
        let pid = index.process.child().id().to_string();
        let limit = if full {
            "--fsize=1:"
        } else {
            "--fsize=unlimited:"
        };
        Program::new("prlimit", &["prlimit", "--pid", &pid, limit]).run()?;
        Ok(())
    }

    pub(crate) fn kill_index(&mut self) -> Result<()> {
        match self.index.take() {
            Some(index) => index.process.kill(),
            None => Ok(()),
        }
    }

    /// Starts Qdrant on its folder once more, whether it is down or not.
    pub(crate) fn restart_index(&mut self) -> Result<()> {
        if let Some(index) = &mut self.index
            && index.process.has_ended()?.is_none()
        {
            self.kill_index()?;
        }
        self.start_index()
    }

    /// Starts Qdrant on its folder where it is down, of itself or not.
    pub(crate) fn start_index(&mut self) -> Result<()> {
        if let Some(index) = &mut self.index
            && index.process.has_ended()?.is_none()
        {
            return Ok(());
        }
        self.index = None;
        let name = format!("qdrant-{}", self.index_starts);
        self.index_starts += 1;
        let address = format!("127.0.0.1:{}", self.index_port);
        let storage = self.folder.join("points");
        let storage = storage.to_str().context("no UTF-8 in the folder")?;
        let arguments = [
            "qdrant",
            "--address",
            &address,
            "--storage",
            storage,
            "--control",
            "127.0.0.1:0",
        ];
        self.index = Some(Server::start(&self.folder, &name, &arguments, 2)?);
        self.index(|_| ())
    }

    /// Changes how the embedding endpoint behaves.
    pub(crate) fn embed(&mut self, change: impl FnOnce(&mut embeddings::Behaviour)) -> Result<()> {
        change(&mut self.embed_behaviour);
        self.put(&self.embed.control()?, &self.embed_behaviour)
    }

    /// Where the schema registry is.
    pub(crate) fn registry_url(&self) -> Result<&str> {
        let url = self.registry.printed.last();
        url.map(String::as_str).context("no URL was printed")
    }

    /// Changes how the schema registry behaves.
    pub(crate) fn registry(&mut self, change: impl FnOnce(&mut registry::Behaviour)) -> Result<()> {
        change(&mut self.registry_behaviour);
        self.put(&self.registry.control()?, &self.registry_behaviour)
    }

    /// Registers a table's schemas.
    pub(crate) fn avro(&self, table: &Table) -> Result<Format> {
        let versions = 0..VERSIONS;
        let values = versions.map(|version| self.register(&value_schema(table.topic, version)));
        Ok(Format::Avro(Ids {
            key: self.register(&key_schema(table.topic))?,
            values: values.collect::<Result<_>>()?,
        }))
    }

    fn register(&self, schema: &Json) -> Result<u32> {
        #[derive(Deserialize)]
        struct Registered {
            id: u32,
        }
        let url = format!("{}/subjects/any/versions", self.registry_url()?);
        let schema = registry::Schema::avro(schema.to_string());
        let request = self.http.post(&url).body(serde_json::to_string(&schema)?);
        let text = self
            .runtime
            .block_on(async { request.send().await?.text().await })?;
        let registered: Registered =
            serde_json::from_str(&text).with_context(|| format!("{url} answers {text}"))?;
        Ok(registered.id)
    }

    /// What the embedding endpoint was asked.
    pub(crate) fn embed_stats(&self) -> Result<Stats> {
        self.get(&format!("{}/stats", self.embed.control()?))
    }

    /// Everything is up, and well.
    pub(crate) fn heal(&mut self) -> Result<()> {
        self.freeze_kafka(false)?;
        self.kafka(|it| *it = kafka::Behaviour::default())?;
        if let Some(index) = &mut self.index
            && index.process.has_ended()?.is_none()
        {
            index.process.freeze(false)?;
        }
        self.fill_index_disk(false)?;
        self.start_index()?;
        self.index(|it| *it = qdrant::Behaviour::default())?;
        self.registry(|it| *it = registry::Behaviour::default())?;
        self.embed(|it| *it = well())
    }

    fn put(&self, url: &str, behaviour: &impl Serialize) -> Result<()> {
        let body = serde_json::to_string(behaviour)?;
        let answer = self.runtime.block_on(async {
            let answer = self.http.put(url).body(body).send().await?;
            let is_ok = answer.status().is_success();
            reqwest::Result::Ok((is_ok, answer.text().await?))
        });
        let (is_ok, text) = answer.with_context(|| format!("no answer of {url}"))?;
        ensure!(is_ok, "{url} refuses: {text}");
        Ok(())
    }

    fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T> {
        let text = self
            .runtime
            .block_on(async { self.http.get(url).send().await?.text().await })?;
        serde_json::from_str(&text).with_context(|| format!("{url} answers {text}"))
    }
}

/// An endpoint that refuses what the workload has it refuse, and nothing else.
fn well() -> embeddings::Behaviour {
    embeddings::Behaviour {
        refuse_containing: Some(REFUSED.to_owned()),
        ..embeddings::Behaviour::default()
    }
}
