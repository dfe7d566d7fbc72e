//! What happens in the demonstration, in order.

use std::{
    collections::HashMap,
    io::Write,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

use super::{
    super::{Output, run::Signals},
    debezium::Connector,
    lag::Lag,
    report::{Report, number, quantile, time},
    shop::Shop,
    view::{View, is_point},
};
use crate::{
    app::App,
    config::{ByteSize, Config, PointIdKind},
    document::PointIds,
    index,
    record::{PointId, RowKey, Settled},
    stand_ins::{Endpoints, StandIns},
    telemetry::{self, Metrics},
};

/// No wait of the demonstration may take longer.
const PATIENCE: Duration = Duration::from_secs(40);

/// Rows that change while the embedding endpoint stalls.
const TEXTS: usize = 150;
const SOLD_OUT: usize = 120;
const DELETED: usize = 80;

/// The pace of those changes.
const PACE: Duration = Duration::from_millis(8);

pub(super) struct Story {
    products: usize,
    seed: u64,
    config: Config,
}

/// A story told to its end, with everything still running.
pub(super) struct Told {
    app: App,
    stand_ins: StandIns,
    differences: usize,
}

/// Counters at one moment, to be subtracted from later ones.
#[derive(Clone, Copy)]
struct Tally {
    received: u64,
    superseded: u64,
    unchanged: u64,
    written: u64,
    deleted: u64,
    embedded: u64,
    requests: u64,
    tokens: u64,
}

impl Tally {
    fn of(metrics: &Metrics) -> Self {
        let settled = |way: Settled| {
            metrics
                .pipeline
                .settled
                .with_label_values(&[way.label()])
                .get()
        };
        Self {
            received: metrics.pipeline.received.get(),
            superseded: settled(Settled::Superseded),
            unchanged: settled(Settled::Unchanged),
            written: settled(Settled::Written),
            deleted: settled(Settled::Deleted),
            embedded: metrics.embed.inputs.get(),
            requests: metrics.embed.requests.with_label_values(&["ok"]).get(),
            tokens: metrics.embed.tokens.get(),
        }
    }

    fn sum(self, other: Self) -> Self {
        Self {
            received: self.received + other.received,
            superseded: self.superseded + other.superseded,
            unchanged: self.unchanged + other.unchanged,
            written: self.written + other.written,
            deleted: self.deleted + other.deleted,
            embedded: self.embedded + other.embedded,
            requests: self.requests + other.requests,
            tokens: self.tokens + other.tokens,
        }
    }
}

impl Story {
    pub(super) fn new(products: usize, seed: u64, log_level: Option<&str>) -> Self {
        let mut config = Config::default();
        "embedded".clone_into(&mut config.kafka.brokers);
        "embedded".clone_into(&mut config.index.url);
        "embedded".clone_into(&mut config.embed.url);
        config.kafka.topics = vec![Connector::new("demo").topic()];
        "demo".clone_into(&mut config.kafka.group);
        config.embed.dimensions = 384;
        config.embed.requests_per_minute = None;
        config.window.quiet = Duration::from_millis(500);
        config.window.max_hold = Duration::from_secs(3);
        config.document.ignore = vec!["updated_at".to_owned()];
        config.commit.interval = Duration::from_millis(200);
        config.pipeline.budget = ByteSize::mib(64);
        log_level.unwrap_or("off").clone_into(&mut config.log.level);
        Self {
            products,
            seed,
            config,
        }
    }

    pub(super) async fn tell(mut self, out: &mut Output) -> anyhow::Result<Told> {
        telemetry::init_logging(&self.config.log)?;
        if std::net::TcpListener::bind(self.config.admin.address).is_err() {
            self.config.admin.address.set_port(0);
        }
        let mut report = Report::new(out);
        let begun = Instant::now();
        report.line(
            "A shop, its product table and a vector index beside it. Kafka, Qdrant and the embedding\nendpoint run inside this process and speak their own protocols.",
        )?;
        let (stand_ins, endpoints) = StandIns::start(&self.config).await?;
        let topic = Connector::new("demo").topic();
        let mut shop = Shop::new(&endpoints.brokers, Connector::new("demo"))?;
        let view = self.view(&endpoints)?;
        let app = App::start_with(&self.config, StandIns::default(), endpoints.clone()).await?;

        let first = self
            .arrive(&mut report, &app, &mut shop, &view, &endpoints, &topic)
            .await?;
        let words = "waterproof hiking boots";
        let vector = self.search(&mut report, &view, words).await?;
        let control = stand_ins
            .embeddings()
            .context("the embedding endpoint is not embedded")?
            .control()
            .clone();
        control.update(|behaviour| behaviour.stall = true);
        let before = Tally::of(app.metrics());
        let latencies = stall(&mut report, &mut shop, &view, &topic, words, vector).await?;
        let bought = Tally::of(app.metrics()).embedded - before.embedded;
        report.line(&format!("    vectors bought meanwhile: {bought}"))?;

        control.update(|behaviour| behaviour.stall = false);
        report.step(4, "The endpoint recovers, and the new texts catch up.")?;
        let recovered = Instant::now();
        let lag = Lag::of(&endpoints.brokers, &self.config.kafka.group, &topic)?;
        wait_for_lag(&mut report, &lag).await?;
        let caught_up = recovered.elapsed();
        let after = Tally::of(app.metrics());
        report.line(&format!(
            "    {} texts changed; {} vectors bought in {} requests; done after {}",
            number(TEXTS as u64),
            number(after.embedded - before.embedded),
            number(after.requests - before.requests),
            time(caught_up),
        ))?;
        app.stop().await?;

        let (app, replay) = self
            .replay(&mut report, &endpoints, &topic, shop.events())
            .await?;
        let lag = Lag::of(&endpoints.brokers, &self.config.kafka.group, &topic)?;
        let differences = view.differences(shop.table()).await?;
        report.line("")?;
        report.line(&format!(
            "Index and table, compared row by row: {} rows, {} points, {} differences.",
            number(shop.table().len() as u64),
            number(view.count().await?),
            differences.len()
        ))?;
        for difference in differences.iter().take(10) {
            report.line(&format!("    {difference}"))?;
        }

        let total = after.sum(replay);
        let naive = shop.naive_tokens() * 2;
        report.table(&[
            (
                "events",
                format!("{} (with the replay)", number(total.received)),
            ),
            (
                "collapsed",
                format!("{} superseded by a later one", number(total.superseded)),
            ),
            (
                "unchanged",
                format!("{} the index had already", number(total.unchanged)),
            ),
            (
                "written, deleted",
                format!("{}, {}", number(total.written), number(total.deleted)),
            ),
            (
                "embedded",
                format!(
                    "{} texts in {} requests",
                    number(total.embedded),
                    number(total.requests)
                ),
            ),
            ("tokens", number(total.tokens)),
            (
                "tokens saved",
                format!(
                    "{} of {} that a call for each event would cost ({:.0} %)",
                    number(naive.saturating_sub(total.tokens)),
                    number(naive),
                    100.0 * naive.saturating_sub(total.tokens) as f64 / naive.max(1) as f64
                ),
            ),
            ("first catalogue searchable", time(first)),
            (
                "record to invisible",
                format!(
                    "p50 {}, p99 {} (endpoint stalled)",
                    time(quantile(&latencies, 0.5)),
                    time(quantile(&latencies, 0.99))
                ),
            ),
            ("texts caught up", time(caught_up)),
            ("embedding calls of a replay", number(replay.embedded)),
            ("lag", format!("{} records", lag.records().await?)),
            ("differences", differences.len().to_string()),
            ("the whole demonstration", time(begun.elapsed())),
        ])?;
        Ok(Told {
            app,
            stand_ins,
            differences: differences.len(),
        })
    }

    fn view(&self, endpoints: &Endpoints) -> anyhow::Result<View> {
        Ok(View {
            client: index::connect_client(&self.config.index, &endpoints.index_url)?,
            collection: self.config.index.collection.clone(),
            vector: self.config.index.vector.clone(),
            embed_url: endpoints.embed_url.clone(),
            dimensions: self.config.embed.dimensions,
        })
    }

    async fn arrive(
        &self,
        report: &mut Report<'_>,
        app: &App,
        shop: &mut Shop,
        view: &View,
        endpoints: &Endpoints,
        topic: &str,
    ) -> anyhow::Result<Duration> {
        report.step(
            1,
            &format!(
                "A catalogue of {} products arrives, as Debezium's snapshot records.",
                number(self.products as u64)
            ),
        )?;
        report.progress("joining the consumer group")?;
        until("the consumer group to be joined", async || {
            Ok(app.metrics().kafka.assigned.get() > 0)
        })
        .await?;
        let begun = Instant::now();
        shop.snapshot(self.seed, self.products).await?;
        let rows = self.products as u64;
        let mut last = 0;
        until("the catalogue to be searchable", async || {
            let count = view.count().await?;
            if count != last {
                last = count;
                report.progress(&format!("{} of {} searchable", number(count), number(rows)))?;
            }
            Ok(count >= rows)
        })
        .await?;
        let first = begun.elapsed();
        wait_for_lag(
            report,
            &Lag::of(&endpoints.brokers, &self.config.kafka.group, topic)?,
        )
        .await?;
        let tally = Tally::of(app.metrics());
        report.line(&format!(
            "    searchable after {}: {} texts embedded in {} requests, {} tokens",
            time(first),
            number(tally.embedded),
            number(tally.requests),
            number(tally.tokens)
        ))?;
        Ok(first)
    }

    async fn search(
        &self,
        report: &mut Report<'_>,
        view: &View,
        words: &str,
    ) -> anyhow::Result<Vec<f32>> {
        report.step(2, "Shoppers search in plain words.")?;
        for query in ["noise-cancelling headphones for long flights", words] {
            report.line(&format!("    \"{query}\""))?;
            for hit in view.search(view.vector_of(query).await?, 3).await? {
                report.line(&format!(
                    "      {:.2}  {} ({})",
                    hit.score, hit.title, hit.price
                ))?;
            }
        }
        view.vector_of(words).await
    }

    async fn replay(
        &mut self,
        report: &mut Report<'_>,
        endpoints: &Endpoints,
        topic: &str,
        events: u64,
    ) -> anyhow::Result<(App, Tally)> {
        report.step(
            5,
            "The whole topic is read again, from its beginning, by a new consumer group.",
        )?;
        "demo-replay".clone_into(&mut self.config.kafka.group);
        let begun = Instant::now();
        let app = App::start_with(&self.config, StandIns::default(), endpoints.clone()).await?;
        report.progress("joining the consumer group")?;
        let lag = Lag::of(&endpoints.brokers, &self.config.kafka.group, topic)?;
        wait_for_lag(report, &lag).await?;
        let replay = Tally::of(app.metrics());
        ensure!(
            replay.received >= events,
            "only {} of {events} records were read",
            replay.received
        );
        report.line(&format!(
            "    {} records read again in {}; embedding calls: {}; points written: {}",
            number(replay.received),
            time(begun.elapsed()),
            number(replay.requests),
            number(replay.written + replay.deleted)
        ))?;
        Ok((app, replay))
    }
}

/// Products sell out, are deleted, and get new texts, while no vector can be bought. Returns how
/// long those that had to go stayed visible.
async fn stall(
    report: &mut Report<'_>,
    shop: &mut Shop,
    view: &View,
    topic: &str,
    words: &str,
    vector: Vec<f32>,
) -> anyhow::Result<Vec<Duration>> {
    report.step(
        3,
        "The embedding endpoint stalls. Meanwhile texts change, products sell out and are deleted.",
    )?;
    let in_stock: Vec<i64> = shop
        .table()
        .values()
        .filter(|product| product.stock > 0)
        .map(|product| product.id)
        .collect();
    let step = (in_stock.len() / (SOLD_OUT + DELETED)).max(1);
    let mut leaving: Vec<i64> = in_stock.iter().step_by(step).copied().collect();
    leaving.truncate(SOLD_OUT + DELETED);
    let found = view.search(vector.clone(), 1).await?;
    let best = found.first().context("the search found nothing")?.id;
    if !leaving.contains(&best) {
        leaving.insert(0, best);
    }
    for id in in_stock
        .iter()
        .filter(|id| !leaving.contains(id))
        .take(TEXTS * 2 / 3)
    {
        shop.update(*id, |product| {
            product.description.push_str(" Now in a new edition.")
        })?;
    }
    // Some of those about to leave have a text on its way to the endpoint, too.
    for id in leaving.iter().take(TEXTS - TEXTS * 2 / 3) {
        shop.update(*id, |product| product.title.push_str(" II"))?;
    }
    shop.flush().await?;
    tokio::time::sleep(Duration::from_secs(1)).await;

    let mut watched: HashMap<PointId, Instant> = HashMap::new();
    let mut latencies = Vec::new();
    let mut next = Instant::now();
    let mut queue = leaving.iter().enumerate();
    let deadline = Instant::now() + PATIENCE;
    let mut more = true;
    while more || !watched.is_empty() {
        ensure!(
            Instant::now() < deadline,
            "{} products are still visible",
            watched.len()
        );
        if more && Instant::now() >= next {
            next += PACE;
            match queue.next() {
                Some((index, id)) => {
                    let key = RowKey::single_integer(*id);
                    let point = PointIds(PointIdKind::Uuid5).of(topic, &key)?;
                    watched.insert(point, Instant::now());
                    if index % (SOLD_OUT + DELETED) < SOLD_OUT {
                        shop.update(*id, |product| product.stock = 0)?;
                    } else {
                        shop.delete(*id)?;
                    }
                }
                None => more = false,
            }
        }
        let ids: Vec<PointId> = watched.keys().copied().collect();
        if ids.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        }
        let visible = view.visible(&ids).await?;
        let now = Instant::now();
        watched.retain(|id, since| {
            let stays = visible.iter().any(|point| is_point(point, *id));
            if !stays {
                latencies.push(now - *since);
            }
            stays
        });
        report.progress(&format!(
            "{} of {} have left the search results",
            latencies.len(),
            leaving.len()
        ))?;
    }
    report.line(&format!(
        "    {} products left the search results: p50 {}, p99 {} from record to invisible",
        latencies.len(),
        time(quantile(&latencies, 0.5)),
        time(quantile(&latencies, 0.99))
    ))?;
    let hits = view.search(vector, 3).await?;
    ensure!(
        hits.iter().all(|hit| !leaving.contains(&hit.id)),
        "a product that left is found by the search"
    );
    report.line(&format!("    \"{words}\" now"))?;
    for hit in hits {
        report.line(&format!(
            "      {:.2}  {} ({})",
            hit.score, hit.title, hit.price
        ))?;
    }
    Ok(latencies)
}

async fn wait_for_lag(report: &mut Report<'_>, lag: &Lag) -> anyhow::Result<()> {
    until("the consumer group to catch up", async || {
        let records = lag.records().await?;
        report.progress(&format!("lag: {records} records"))?;
        Ok(records == 0)
    })
    .await
}

/// Waits for a condition, within the demonstration's patience.
async fn until(
    what: &str,
    mut condition: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await? {
        ensure!(
            Instant::now() < deadline,
            "waited {} s for {what}",
            PATIENCE.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

impl Told {
    pub(super) fn differences(&self) -> usize {
        self.differences
    }

    /// Keeps everything running until a signal.
    pub(super) async fn stay(&self, out: &mut Output, signals: &mut Signals) -> anyhow::Result<()> {
        let endpoints = self.app.endpoints();
        if let Some(address) = self.app.admin_address() {
            writeln!(
                out,
                "admin       http://{address}  (/livez /readyz /metrics /status)"
            )?;
        }
        writeln!(out, "Kafka       {}", endpoints.brokers)?;
        writeln!(out, "Qdrant      {}  (gRPC)", endpoints.index_url)?;
        writeln!(out, "embeddings  {}", endpoints.embed_url)?;
        writeln!(out, "Ctrl-C ends it.")?;
        out.flush()?;
        tokio::select! {
            _ = signals.next() => Ok(()),
            () = self.app.failed() => anyhow::bail!("the Kafka consumer ended by itself"),
        }
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.app.stop().await?;
        self.stand_ins.stop().await;
        Ok(())
    }
}
