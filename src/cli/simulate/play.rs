//! The day as it is played: the shop changes its table, the program follows, an hour after the other.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

use super::{
    super::{
        catalogue::Product,
        demo::{
            debezium::{Connector, InSnapshot},
            lag::Lag,
            shop::Shop,
            view::View,
        },
    },
    counters::Counters,
    day::{Day, Event, Kind},
};
use crate::{
    app::App,
    config::Config,
    record::Settled,
    stand_ins::{Endpoints, StandIns},
    telemetry,
};

/// How far the shop may be ahead of the program, in records: the mock brokers keep the last 5 MiB of a partition, and a row is
/// about a kilobyte.
const AHEAD: u64 = 8_000;

/// How long nothing may settle while something is to be done.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often counters are looked at while time passes.
const TICK: Duration = Duration::from_millis(5);

const HOUR: Duration = Duration::from_hours(1);

/// How the day is played.
pub(super) struct Play {
    pub(super) config: Config,
    /// Seconds of the shop in one.
    pub(super) speed: u32,
    pub(super) hours: u64,
    /// The hour in which the embedding endpoint stalls.
    pub(super) outage: Option<u64>,
}

/// What was seen of one hour, of the load before the first, or of the rest after the last.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) kinds: BTreeMap<Kind, u64>,
    pub(super) counters: Counters,
    /// The tokens that embedding the row of each change record would have cost.
    pub(super) naive_tokens: u64,
    /// The most records that were written and had not settled.
    pub(super) lag_peak: u64,
    pub(super) took: Duration,
}

/// The day, played to its end.
pub(super) struct Played {
    pub(super) parts: Vec<Part>,
    /// From the end of the load on.
    pub(super) whole: Part,
    pub(super) rows: u64,
    pub(super) points: u64,
    pub(super) differences: Vec<String>,
}

impl Play {
    pub(super) async fn run(self, day: Day) -> anyhow::Result<Played> {
        telemetry::init_logging(&self.config.log)?;
        let (stand_ins, endpoints) = StandIns::start(&self.config).await?;
        let app = App::start_with(&self.config, StandIns::default(), endpoints.clone()).await?;
        let shop = Shop::new(&endpoints.brokers, Connector::new("simulated"))?;
        let mut stage = Stage::new(&app, shop);
        let played = self.perform(day, &mut stage, &stand_ins, &endpoints).await;
        app.stop().await?;
        stand_ins.stop().await;
        played
    }

    async fn perform(
        &self,
        day: Day,
        stage: &mut Stage<'_>,
        stand_ins: &StandIns,
        endpoints: &Endpoints,
    ) -> anyhow::Result<Played> {
        let view = View::new(&self.config, endpoints)?;
        let mut kinds = BTreeMap::new();
        for (_, event) in &day.events {
            *kinds.entry(event.kind()).or_default() += 1;
        }
        stage.load(day.products).await?;
        let (before, naive_before, since) = (stage.before.clone(), stage.naive_before, stage.since);
        let embeddings = stand_ins.embeddings();
        let embeddings = embeddings.context("the embedding endpoint is not embedded")?;
        let mut events = day.events.into_iter().peekable();
        let mut begun = Instant::now();
        for hour in 0..self.hours {
            let is_out = self.outage == Some(hour);
            embeddings
                .control()
                .update(|behaviour| behaviour.stall = is_out);
            while let Some((at, event)) = events.next_if(|(at, _)| *at < HOUR * after(hour)) {
                let due = begun + at / self.speed;
                stage.pass_until(due).await?;
                stage.play(event)?;
            }
            let end = begun + HOUR * after(hour) / self.speed;
            stage.pass_until(end).await?;
            // What could not be done in time does not make the next hour shorter.
            begun += end.elapsed();
            stage.end(format!("{hour:02}:00"));
        }
        embeddings
            .control()
            .update(|behaviour| behaviour.stall = false);
        let lag = Lag::of(
            &endpoints.brokers,
            &self.config.kafka.group,
            &Connector::new("simulated").topic(),
        )?;
        let differences = stage.rest(&lag, &view).await?;
        stage.end("after".to_owned());
        let parts = std::mem::take(&mut stage.parts);
        let lag_peaks = parts.iter().skip(1).map(|part| part.lag_peak);
        Ok(Played {
            whole: Part {
                name: "day".to_owned(),
                kinds,
                counters: stage.before.since(&before),
                naive_tokens: stage.naive_before - naive_before,
                lag_peak: lag_peaks.max().unwrap_or(0),
                took: since.elapsed(),
            },
            parts,
            rows: stage.shop.table().len() as u64,
            points: view.count().await?,
            differences,
        })
    }
}

/// The number of hours that have passed when this one ends.
fn after(hour: u64) -> u32 {
    u32::try_from(hour + 1).unwrap_or(u32::MAX)
}

/// The shop and the program, and what was seen of the part of the day that is going on.
struct Stage<'a> {
    app: &'a App,
    shop: Shop,
    parts: Vec<Part>,
    kinds: BTreeMap<Kind, u64>,
    before: Counters,
    naive_before: u64,
    lag_peak: u64,
    since: Instant,
    /// The last number of settled records, and since when it is that.
    settled: (u64, Instant),
}

impl<'a> Stage<'a> {
    fn new(app: &'a App, shop: Shop) -> Self {
        let now = Instant::now();
        Self {
            app,
            shop,
            parts: Vec::new(),
            kinds: BTreeMap::new(),
            before: Counters::default(),
            naive_before: 0,
            lag_peak: 0,
            since: now,
            settled: (0, now),
        }
    }

    /// The snapshot, no faster than the program reads it, until it is in the index.
    async fn load(&mut self, products: Vec<Product>) -> anyhow::Result<()> {
        let count = products.len();
        for (index, product) in products.into_iter().enumerate() {
            self.give_way().await?;
            self.shop.read(product, InSnapshot::at(index, count))?;
        }
        while self.look()? > 0 {
            tokio::time::sleep(TICK).await;
        }
        self.end("load".to_owned());
        Ok(())
    }

    fn play(&mut self, event: Event) -> anyhow::Result<()> {
        *self.kinds.entry(event.kind()).or_default() += 1;
        match event {
            Event::Sold(id, stock) | Event::Restocked(id, stock) => {
                self.shop.update(id, |product| product.stock = stock)
            }
            Event::Repriced(id, cents) => {
                self.shop.update(id, |product| product.price_cents = cents)
            }
            Event::Edited(id, sentence) => self.shop.update(id, |product| {
                product.description.push(' ');
                product.description.push_str(&sentence);
            }),
            Event::Touched(id) => self.shop.update(id, |_| {}),
            Event::Created(product) => self.shop.create(*product),
            Event::Deleted(id) => self.shop.delete(id),
        }
    }

    /// Lets time pass, and then as much as the program needs not to be too far behind.
    async fn pass_until(&mut self, due: Instant) -> anyhow::Result<()> {
        loop {
            self.look()?;
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return self.give_way().await;
            }
            tokio::time::sleep(left.min(TICK)).await;
        }
    }

    /// Waits while the brokers might forget what the program has not read.
    async fn give_way(&mut self) -> anyhow::Result<()> {
        while self.shop.events() > self.app.metrics().pipeline.received.get() + AHEAD {
            self.look()?;
            tokio::time::sleep(TICK).await;
        }
        Ok(())
    }

    /// Counts, and returns, what has not settled. Fails where nothing settles any more.
    fn look(&mut self) -> anyhow::Result<u64> {
        let metrics = &self.app.metrics().pipeline;
        let ways = Settled::ALL.map(|way| metrics.settled.with_label_values(&[way.label()]).get());
        let settled: u64 = ways.iter().sum();
        let unsettled = self.shop.events().saturating_sub(settled);
        self.lag_peak = self.lag_peak.max(unsettled);
        if unsettled == 0 || settled != self.settled.0 {
            self.settled = (settled, Instant::now());
        }
        ensure!(
            self.settled.1.elapsed() < PATIENCE,
            "{unsettled} records are waiting, and none has settled for {} s",
            PATIENCE.as_secs()
        );
        Ok(unsettled)
    }

    /// Waits until all is committed and index and table agree, or patience ends; returns what differs then.
    async fn rest(&mut self, lag: &Lag, view: &View) -> anyhow::Result<Vec<String>> {
        self.shop.flush().await?;
        while self.look()? > 0 {
            tokio::time::sleep(TICK).await;
        }
        let deadline = Instant::now() + PATIENCE;
        while lag.records().await? > 0 {
            ensure!(
                Instant::now() < deadline,
                "what has settled is not committed"
            );
            tokio::time::sleep(TICK).await;
        }
        // Parked rows have settled, and get their vectors when there is time.
        let deadline = Instant::now() + PATIENCE;
        loop {
            let differences = view.differences(self.shop.table()).await?;
            if differences.is_empty() || Instant::now() > deadline {
                return Ok(differences);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Closes a part of the day, and begins the next.
    fn end(&mut self, name: String) {
        let now = Counters::of(self.app.metrics());
        let naive = self.shop.naive_tokens();
        self.parts.push(Part {
            name,
            kinds: std::mem::take(&mut self.kinds),
            counters: now.since(&self.before),
            naive_tokens: naive - self.naive_before,
            lag_peak: std::mem::take(&mut self.lag_peak),
            took: self.since.elapsed(),
        });
        self.before = now;
        self.naive_before = naive;
        self.since = Instant::now();
    }
}
