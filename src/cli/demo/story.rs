//! What happens in the demonstration, in order.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

use super::{
    super::{Output, run::Signals},
    debezium::Connector,
    figures::{Figures, Tally},
    lag::Lag,
    report::{Report, number, time},
    shop::Shop,
    stall,
    view::View,
};
use crate::{
    app::App,
    config::{ByteSize, Config, PREFIX},
    record::Vector,
    stand_ins::{Endpoints, StandIns},
    telemetry,
};

/// No wait of the demonstration may take longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(40);

/// Length of the demonstration's vectors.
const DIMENSIONS: u32 = 384;

pub(super) struct Story {
    products: usize,
    seed: u64,
    config: Config,
}

/// A story told to its end, with everything still running.
pub(super) struct Told {
    app: App,
    stand_ins: StandIns,
    /// What other commands must be told, to ask the same servers.
    variables: Vec<String>,
    differences: usize,
}

impl Story {
    pub(super) fn new(products: usize, seed: u64, log_level: Option<&str>) -> Self {
        let mut config = Config::default();
        "embedded".clone_into(&mut config.kafka.brokers);
        "embedded".clone_into(&mut config.index.url);
        "embedded".clone_into(&mut config.embed.url);
        config.kafka.topics = vec![Connector::new("demo").topic()];
        "demo".clone_into(&mut config.kafka.group);
        // A broker answers a fetch as soon as there is a record; the mock, only when its time is up.
        let fetch_wait = ("fetch.wait.max.ms".to_owned(), "5".to_owned());
        config.kafka.properties.extend([fetch_wait]);
        config.embed.dimensions = DIMENSIONS;
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
        // Points name the endpoint that made their vectors: the one that other commands are told.
        self.config.embed.url.clone_from(&endpoints.embed_url);
        let topic = Connector::new("demo").topic();
        let mut shop = Shop::new(&endpoints.brokers, Connector::new("demo"))?;
        let view = View::new(&self.config, &endpoints)?;
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
        let latencies = stall::tell(&mut report, &mut shop, &view, &topic, words, &vector).await?;
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
            number(stall::TEXTS as u64),
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

        report.table(
            &Figures {
                total: after.sum(replay),
                replay,
                naive_tokens: shop.naive_tokens() * 2,
                first,
                latencies,
                caught_up,
                lag: lag.records().await?,
                differences: differences.len(),
                elapsed: begun.elapsed(),
            }
            .rows(),
        )?;
        Ok(Told {
            app,
            stand_ins,
            variables: variables(&self.config, &endpoints),
            differences: differences.len(),
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
    ) -> anyhow::Result<Vector> {
        report.step(2, "Shoppers search in plain words.")?;
        for query in ["noise-cancelling headphones for long flights", words] {
            report.line(&format!("    \"{query}\""))?;
            for hit in view.search(&view.vector_of(query).await?, 3).await? {
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
                "admin       http://{address}/  (the status page; /api/status /livez /readyz /metrics)"
            )?;
        }
        writeln!(out, "Kafka       {}", endpoints.brokers)?;
        writeln!(out, "Qdrant      {}  (gRPC)", endpoints.index_url)?;
        writeln!(out, "embeddings  {}", endpoints.embed_url)?;
        writeln!(out, "\nTo ask it more, in another shell:")?;
        for variable in &self.variables {
            writeln!(out, "  export {variable}")?;
        }
        let program = program();
        for command in COMMANDS {
            writeln!(out, "  {program} {command}")?;
        }
        writeln!(out, "\nCtrl-C ends it.")?;
        out.flush()?;
        tokio::select! {
            _ = signals.next() => Ok(()),
            () = self.app.asked_to_drain() => Ok(()),
            () = self.app.failed() => anyhow::bail!("the Kafka consumer ended by itself"),
        }
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.app.stop().await?;
        self.stand_ins.stop().await;
        Ok(())
    }
}

/// What to try on what the demonstration has left.
const COMMANDS: [&str; 4] = [
    "search 'waterproof hiking boots' --filter 'stock > 0'",
    "explain 17",
    "audit",
    "dlq list",
];

/// The program, as it was called: it need not be on the path.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "vectide".into())
}

/// What of the configuration other commands must be told, as variables of the environment.
fn variables(config: &Config, endpoints: &Endpoints) -> Vec<String> {
    let Config { kafka, embed, .. } = config;
    let of_keys = [
        ("KAFKA__BROKERS", endpoints.brokers.clone()),
        ("KAFKA__TOPICS", kafka.topics.join(",")),
        ("KAFKA__GROUP", kafka.group.clone()),
        ("DOCUMENT__IGNORE", config.document.ignore.join(",")),
        ("INDEX__URL", endpoints.index_url.clone()),
        ("EMBED__URL", endpoints.embed_url.clone()),
        ("EMBED__DIMENSIONS", embed.dimensions.to_string()),
    ];
    let variables = of_keys.map(|(key, value)| format!("{PREFIX}{key}={value}"));
    variables.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::config::Sources;

    #[test]
    fn other_commands_are_told_all_that_they_need_to_agree_with_the_demonstration() {
        let mut story = Story::new(200, 7, None);
        let endpoints = Endpoints {
            brokers: "127.0.0.1:1".into(),
            index_url: "http://127.0.0.1:2".into(),
            embed_url: "http://127.0.0.1:3/v1".into(),
        };
        story.config.embed.url.clone_from(&endpoints.embed_url);
        let variables = variables(&story.config, &endpoints);
        let variables = variables.iter().map(|it| it.split_once('=').unwrap());
        let sources = Sources {
            environment: variables
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            ..Sources::default()
        };
        let told = sources.load().unwrap();
        assert_eq!(told.kafka.topics, story.config.kafka.topics);
        assert_eq!(told.kafka.group, story.config.kafka.group);
        assert_eq!(told.document, story.config.document);
        assert_eq!(told.embed.fingerprint(), story.config.embed.fingerprint());
        assert_eq!(told.index.collection, story.config.index.collection);
    }
}
