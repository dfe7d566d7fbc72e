//! The composition root: the only place that knows every part, and the order in which they start
//! and stop.

mod reload;
mod settings;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context;
use rdkafka::ClientConfig;
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub use self::reload::Reloaded;
use crate::{
    admin::{Admin, Control, InEffect, Job, ReloadRequest, Reloads, Views},
    config::{Config, Problems},
    cost::{Books, KnownPrice, SpendingBudget},
    dead_letter::DeadLetters,
    embed::{self, Embedder, Pace},
    index::{self, Bookkeeper, Calls, CollectionSpec, Index},
    kafka,
    lease::Lease,
    pipeline::{BlockedTables, Breakers, Pipeline, Services},
    registry::{self, Registry},
    source::{Budget, PastRecords, Source},
    stand_ins::{Endpoints, StandIns},
    telemetry::{Exporting, Health, Lane, LanePart, LaneState, Log, Metrics},
};

/// What the last commit and leaving the group may take beyond `pipeline.shutdown_timeout`.
const GRACE: Duration = Duration::from_millis(1_500);

/// How long a shutdown waits for the last traces to be sent.
const LAST_TRACES: Duration = Duration::from_secs(1);

/// The running program.
pub struct App {
    shared: Shared,
    admin: Option<Admin>,
    endpoints: Endpoints,
    stand_ins: StandIns,
    source: Source,
    bookkeeper: Bookkeeper,
    books: Books,
    embedder: Embedder,
    /// What is in effect.
    running: Mutex<Config>,
    /// Sends traces, if any are made.
    exporting: Option<Exporting>,
    /// How long the source may take to stop.
    patience: Duration,
}

impl App {
    /// Starts everything, and returns once the index is ready and the consumer group is being
    /// joined. Waits for Qdrant as long as it takes; the admin address answers meanwhile.
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        let (stand_ins, endpoints) = StandIns::start(config).await?;
        Self::start_with(config, stand_ins, endpoints).await
    }

    /// Like [`start`](Self::start), with servers that run already.
    pub async fn start_with(
        config: &Config,
        stand_ins: StandIns,
        endpoints: Endpoints,
    ) -> anyhow::Result<Self> {
        let shared = Shared::new(config)?;
        let stop_on_failure = shared.shutdown.clone().drop_guard();
        let books = Books::open(config, shared.metrics.cost.clone())?;
        let admin = shared.start_admin(config, &books).await?;
        let base = kafka::client_config(&config.kafka, &endpoints.brokers)
            .context("can't read a secret of kafka")?;
        let embed_settings = embed::Settings::new(&config.embed, &endpoints.embed_url)?;
        let registry = shared.start_registry(config)?;
        let (exporting, tracer) = Exporting::start(&config.traces, &shared.metrics.traces)?.unzip();
        let indexes = shared.connect_indexes(config, &endpoints.index_url).await?;
        let bookkeeper = Bookkeeper::start(
            books.clone(),
            indexes.values().map(Index::accounts).collect(),
            config.cost.note_every,
            config.cost.keep_days,
        )
        .await;
        let settings = settings::settings(config, &indexes)?;
        let dead_letters = shared.start_dead_letters(config, &base)?;
        let embedder = shared.start_embedder(&embed_settings, &books)?;
        let budget = shared.budget(config);
        let blocked = BlockedTables::new(shared.health.clone());
        let services = Services {
            embedder: embedder.clone(),
            books: books.clone(),
            registry,
            dead_letters,
            breakers: Breakers::new(&config.dead_letter.breaker, blocked.clone()),
            blocked,
            budget: budget.clone(),
            past_records: PastRecords::new(base.clone()),
            tracing: tracer.map(|tracer| settings::tracing(config, &endpoints, tracer)),
            metrics: shared.metrics.pipeline.clone(),
        };
        let pipeline = Pipeline::new(settings, services, shared.broken.clone());
        let source = Source::start(
            &base,
            config,
            Box::new(pipeline),
            budget,
            shared.lease.clone(),
            &shared.metrics,
            &shared.health,
        )?;
        stop_on_failure.disarm();
        Ok(Self {
            shared,
            admin,
            endpoints,
            stand_ins,
            source,
            bookkeeper,
            books,
            embedder,
            running: Mutex::new(config.clone()),
            exporting,
            patience: config.pipeline.shutdown_timeout + GRACE,
        })
    }

    /// What every lane can do right now.
    pub fn health(&self) -> &Health {
        &self.shared.health
    }

    /// The metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Where the servers are.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The stand-ins that run in this process.
    pub fn stand_ins(&self) -> &StandIns {
        &self.stand_ins
    }

    /// Where the status page, `/livez`, `/readyz` and `/metrics` answer.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Admin::address)
    }

    /// Returns once a person has asked at the admin address for the program to end.
    pub async fn asked_to_drain(&self) {
        self.shared.drain.cancelled().await;
    }

    /// Where a person asks at the admin address for the configuration to be reloaded, from this call on.
    pub fn listen_for_reloads(&self) -> tokio::sync::mpsc::Receiver<ReloadRequest> {
        self.shared.reloads.listen()
    }

    /// Takes over of a configuration what may change while the program runs: the limits of the embedding
    /// endpoint, budgets, the table of prices, which is read again, and the log's level. All of it or, on
    /// an error, nothing.
    pub fn reload(&self, read: &Config) -> anyhow::Result<Reloaded> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let merged = reload::merged(&running, read);
        // Each of the two may be right, and not the one with what remains of the other.
        let problems = merged.validate();
        if !problems.is_empty() {
            return Err(anyhow::Error::from(Problems::from(problems))
                .context("beside what needs a restart it can't be in effect"));
        }
        let price = KnownPrice::of(&merged)?.price;
        if let Some(log) = Log::of_process() {
            log.set_level(&merged.log.level)?;
        }
        let budget = SpendingBudget::new(&merged.cost.budget);
        let is_other_price = self.books.set_terms(price, budget);
        self.embedder.set_pace(Pace::new(&merged.embed));
        let mut changed = reload::differing(&running, &merged);
        let prices = "cost.prices";
        if is_other_price && !changed.iter().any(|key| key == prices) {
            changed.push(prices.to_owned());
        }
        let needs_restart = reload::differing(&merged, read);
        *running = merged;
        let in_effect = &self.shared.in_effect;
        Ok(Reloaded {
            generation: in_effect.reloaded(needs_restart.clone(), SystemTime::now()),
            changed,
            needs_restart,
        })
    }

    /// Returns once the program can't go on by itself, which nothing but a bug should bring about.
    pub async fn failed(&self) {
        while !(self.source.is_finished() || self.shared.broken.is_cancelled()) {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(500)) => {}
                () = self.shared.broken.cancelled() => {}
            }
        }
        self.shared.alive.store(false, Ordering::Release);
    }

    /// Drains every partition, commits, leaves the group, then stops the rest. Bounded by
    /// `pipeline.shutdown_timeout` and a little more, also when Kafka does not answer.
    pub async fn stop(self) -> anyhow::Result<()> {
        let source = self.source;
        let stopping = tokio::task::spawn_blocking(move || source.stop());
        match tokio::time::timeout(self.patience, stopping).await {
            Ok(stopped) => stopped.context("the source panicked while stopping")?,
            Err(_) => {
                warn!("Kafka does not answer the last commit; what it misses will be read again");
            }
        }
        // By now nobody buys any more.
        self.bookkeeper.stop(GRACE).await;
        if let Some(exporting) = self.exporting {
            exporting.stop(LAST_TRACES).await;
        }
        self.shared.shutdown.cancel();
        if let Some(admin) = self.admin {
            admin.shutdown().await;
        }
        self.stand_ins.stop().await;
        Ok(())
    }
}

/// What every part is given.
struct Shared {
    metrics: Metrics,
    health: Health,
    /// Renewed by the source; without it nothing is written.
    lease: Lease,
    alive: Arc<AtomicBool>,
    /// Cancelled by a part that can't go on.
    broken: CancellationToken,
    /// Cancelled by whoever asks for the program to end.
    drain: CancellationToken,
    /// Asked for the configuration to be reloaded.
    reloads: Reloads,
    in_effect: InEffect,
    /// Stops the shared services, once nobody needs them any more.
    shutdown: CancellationToken,
}

impl Shared {
    fn new(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            metrics: Metrics::new().context("can't register the metrics")?,
            health: Health::default(),
            lease: Lease::new(config.kafka.session_timeout, Instant::now()),
            alive: Arc::new(AtomicBool::new(true)),
            broken: CancellationToken::new(),
            drain: CancellationToken::new(),
            reloads: Reloads::default(),
            in_effect: InEffect::since(SystemTime::now()),
            shutdown: CancellationToken::new(),
        })
    }

    async fn start_admin(&self, config: &Config, books: &Books) -> anyhow::Result<Option<Admin>> {
        if !config.admin.enabled {
            return Ok(None);
        }
        let control = match &config.admin.token {
            None => None,
            Some(token) => {
                let token = token.resolve().context("can't read admin.token")?;
                let reloads = self.reloads.clone();
                Some(Control::new(&token, self.drain.clone(), reloads)?)
            }
        };
        let alive = self.alive.clone();
        let collections = config.collections().into_iter();
        let views = Views {
            metrics: self.metrics.clone(),
            health: self.health.clone(),
            live: Arc::new(move || alive.load(Ordering::Acquire)),
            job: Job {
                group: config.kafka.group.clone(),
                topics: config.kafka.topics.clone(),
                collections: collections.map(|(name, _)| name.to_owned()).collect(),
                model: config.embed.model.clone(),
            },
            books: books.clone(),
            configuration: self.in_effect.clone(),
            control,
        };
        Ok(Some(Admin::start(&config.admin, views).await?))
    }

    /// The collections that are written to, by name, once the server answers and each is there.
    async fn connect_indexes(
        &self,
        config: &Config,
        url: &str,
    ) -> anyhow::Result<BTreeMap<String, Index>> {
        let waiting = "waiting for the index, before reading begins".to_owned();
        self.health.set(Lane::Kafka, LaneState::Waiting(waiting));
        let client = index::connect_client(&config.index, url)?;
        let collections = config.collections();
        let parts = collections
            .iter()
            .map(|(name, _)| format!("collection `{name}`"));
        let parts = LanePart::split(&self.health, Lane::Index, parts);
        let mut indexes = BTreeMap::new();
        for ((name, _), health) in collections.into_iter().zip(parts) {
            let spec = CollectionSpec::new(&config.index, &config.embed, name);
            let index = Index::connect(
                client.clone(),
                &spec,
                Calls::new(&config.index),
                self.metrics.index.clone(),
                health,
                self.lease.clone(),
                self.shutdown.clone(),
                self.broken.clone(),
            );
            indexes.insert(name.to_owned(), index.await?);
        }
        Ok(indexes)
    }

    fn start_registry(&self, config: &Config) -> anyhow::Result<Registry> {
        let settings = registry::Settings::new(&config.registry)?;
        let health = self.health.clone();
        Ok(Registry::new(&settings, health, self.shutdown.clone())?)
    }

    fn start_dead_letters(
        &self,
        config: &Config,
        base: &ClientConfig,
    ) -> anyhow::Result<DeadLetters> {
        Ok(DeadLetters::start(
            base,
            &config.dead_letter,
            &config.kafka.group,
            self.health.clone(),
            self.shutdown.clone(),
        )?)
    }

    fn start_embedder(
        &self,
        settings: &embed::Settings,
        books: &Books,
    ) -> anyhow::Result<Embedder> {
        Ok(Embedder::start(
            settings,
            self.metrics.embed.clone(),
            books.clone(),
            self.health.clone(),
            self.shutdown.clone(),
        )?)
    }

    /// The memory budget of all partitions together. Shows its limit.
    fn budget(&self, config: &Config) -> Budget {
        let metrics = &self.metrics.pipeline;
        let limit = config.pipeline.budget.bytes();
        let shown = i64::try_from(limit).unwrap_or(i64::MAX);
        metrics.budget_limit.set(shown);
        let used = metrics.budget_used.clone();
        let budget = Budget::new(limit, config.embed.dimensions, used);
        match config.embed.chunking() {
            Some(chunking) => budget.with_chunks(chunking.longest, chunking.most),
            None => budget,
        }
    }
}
