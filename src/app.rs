//! The composition root: the only place that knows every part, and the order in which they start
//! and stop.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    admin::Admin,
    config::Config,
    dead_letter::DeadLetters,
    decode::RowSettings,
    document::{DocumentBuilder, PointIds},
    embed::{self, Embedder},
    index::{self, Calls, CollectionSpec, Index},
    pipeline::{Pipeline, Services, Settings},
    reconcile::Delays,
    record::Fingerprint,
    source::{self, Budget, Source},
    stand_ins::{Endpoints, StandIns},
    telemetry::{Health, Lane, LaneState, Metrics},
};

/// What the last commit and leaving the group may take beyond `pipeline.shutdown_timeout`.
const GRACE: Duration = Duration::from_millis(1_500);

/// The running program.
pub struct App {
    metrics: Metrics,
    health: Health,
    admin: Option<Admin>,
    endpoints: Endpoints,
    stand_ins: StandIns,
    source: Source,
    alive: Arc<AtomicBool>,
    /// How long the source may take to stop.
    patience: Duration,
    broken: CancellationToken,
    /// Stops the shared services, once nobody needs them any more.
    shutdown: CancellationToken,
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
        let metrics = Metrics::new().context("can't register the metrics")?;
        let health = Health::default();
        let shutdown = CancellationToken::new();
        let stop_on_failure = shutdown.clone().drop_guard();
        let alive = Arc::new(AtomicBool::new(true));
        let broken = CancellationToken::new();

        let admin = if config.admin.enabled {
            let live = alive.clone();
            let live = Arc::new(move || live.load(Ordering::Acquire));
            let admin =
                Admin::start(config.admin.address, metrics.clone(), health.clone(), live).await?;
            Some(admin)
        } else {
            None
        };

        let base = source::client_config(&config.kafka, &endpoints.brokers)
            .context("can't read a secret of kafka")?;
        let embed_settings = embed::Settings::new(&config.embed, &endpoints.embed_url)
            .context("can't read a secret of embed")?;

        let settings = pipeline_settings(config)?;
        let waiting = "waiting for the index, before reading begins".to_owned();
        health.set(Lane::Kafka, LaneState::Waiting(waiting));
        let index = Index::connect(
            index::connect_client(&config.index, &endpoints.index_url)?,
            &CollectionSpec::new(&config.index, config.embed.dimensions),
            Calls::new(&config.index),
            metrics.index.clone(),
            health.clone(),
            shutdown.clone(),
            broken.clone(),
        )
        .await?;
        let embedder = Embedder::start(
            &embed_settings,
            metrics.embed.clone(),
            health.clone(),
            shutdown.clone(),
        )?;
        let dead_letters = DeadLetters::start(
            &base,
            &config.dead_letter,
            &config.kafka.group,
            health.clone(),
            shutdown.clone(),
        )?;

        let limit = config.pipeline.budget.bytes();
        metrics
            .pipeline
            .budget_limit
            .set(i64::try_from(limit).unwrap_or(i64::MAX));
        let budget = Budget::new(
            limit,
            config.embed.dimensions,
            metrics.pipeline.budget_used.clone(),
        );
        let pipeline = Pipeline::new(
            settings,
            Services {
                embedder,
                index,
                dead_letters,
                budget: budget.clone(),
                metrics: metrics.pipeline.clone(),
            },
            broken.clone(),
        );
        let source = Source::start(&base, config, Box::new(pipeline), budget, &metrics, &health)?;
        stop_on_failure.disarm();
        Ok(Self {
            metrics,
            health,
            admin,
            endpoints,
            stand_ins,
            source,
            alive,
            patience: config.pipeline.shutdown_timeout + GRACE,
            broken,
            shutdown,
        })
    }

    /// What every lane can do right now.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Where the servers are.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The stand-ins that run in this process.
    pub fn stand_ins(&self) -> &StandIns {
        &self.stand_ins
    }

    /// Where `/livez`, `/readyz`, `/metrics` and `/status` answer.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Admin::address)
    }

    /// Returns once the program can't go on by itself, which nothing but a bug should bring about.
    pub async fn failed(&self) {
        while !(self.source.is_finished() || self.broken.is_cancelled()) {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(500)) => {}
                () = self.broken.cancelled() => {}
            }
        }
        self.alive.store(false, Ordering::Release);
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
        self.shutdown.cancel();
        if let Some(admin) = self.admin {
            admin.shutdown().await;
        }
        self.stand_ins.stop().await;
        Ok(())
    }
}

/// How every partition is processed, by configuration.
fn pipeline_settings(config: &Config) -> anyhow::Result<Settings> {
    let version_column = config.window.version_column.as_deref();
    let documents = DocumentBuilder::new(&config.document, version_column)?;
    Ok(Settings {
        rows: RowSettings::new(&config.rows, documents.needed_columns()),
        linger: config.window.linger,
        delays: Delays {
            quiet: config.window.quiet,
            max_hold: config.window.max_hold,
        },
        fingerprint: Fingerprint::new(
            &config.embed.model,
            config.embed.dimensions,
            &config.embed.url,
        ),
        on_truncate: config.rows.truncate,
        documents,
        point_ids: PointIds(config.document.point_id),
        cache_keys: config.index.cache_keys,
    })
}
