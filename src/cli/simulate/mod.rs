//! `vectide simulate`: a day of a shop, at compressed time, on servers inside this process.

mod counters;
mod day;
mod play;
mod report;

use std::{num::NonZeroU32, time::Duration};

use clap::Args;

use super::{ExitStatus, Output, demo::debezium::Connector, run::Signals};
use crate::{
    config::{ByteSize, Config},
    cost::PriceTable,
};
use day::{Assumptions, Day, ORDERS_PER_MILLE};
use play::Play;

/// Play a day of a made-up shop at compressed time, and report each hour: for sizing a deployment
///
/// Kafka, Qdrant and the embedding endpoint run inside this process; the configuration is not read. What the
/// shop does is decided by the seed alone; what is collapsed and how long things take depend on the machine.
/// Delays and limits are compressed like the day. Ends with a comparison of index and table, and exit code 1
/// where they differ.
#[derive(Debug, Args)]
pub(super) struct Command {
    /// How many products the shop has when the day begins
    #[arg(long, default_value_t = 8_000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    products: u32,
    /// How many people use it
    #[arg(long, default_value_t = 50_000, value_name = "N")]
    users: u32,
    /// How many of 1,000 users order on a day
    #[arg(long, default_value_t = ORDERS_PER_MILLE, value_name = "N", value_parser = clap::value_parser!(u32).range(..=10_000))]
    orders_per_mille: u32,
    /// How many hours to play, from midnight on
    #[arg(long, default_value_t = 24, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=24))]
    hours: u8,
    /// How many seconds of the shop pass in one
    #[arg(long, default_value_t = 1_440, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    speed: u32,
    /// Another seed makes another shop, and another day
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// The embedding endpoint stalls from this hour on, for an hour
    #[arg(long, value_name = "HOUR", value_parser = clap::value_parser!(u8).range(..24))]
    outage: Option<u8>,
    /// The model by whose price tokens are counted in money
    #[arg(long, default_value = "text-embedding-3-small")]
    model: String,
    /// Requests a minute of the shop's time that the embedding endpoint may be sent [default: no limit]
    #[arg(long, value_name = "N")]
    requests_per_minute: Option<NonZeroU32>,
    /// Tokens a minute of the shop's time, likewise [default: no limit]
    #[arg(long, value_name = "N")]
    tokens_per_minute: Option<NonZeroU32>,
    /// Write one JSON object in place of tables
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) async fn run(
        self,
        log_level: Option<&str>,
        out: &mut Output,
    ) -> anyhow::Result<ExitStatus> {
        let mut signals = Signals::listen()?;
        let config = self.config(log_level);
        let prices = PriceTable::shipped();
        let price = prices.find(&self.model, &config.embed.url);
        let assumptions = Assumptions {
            products: self.products,
            users: self.users,
            orders_per_mille: self.orders_per_mille,
        };
        let hours = u64::from(self.hours);
        let day = Day::plan(assumptions, self.seed, hours);
        let play = Play {
            config,
            speed: self.speed,
            hours,
            outage: self.outage.map(u64::from),
        };
        let setting = report::Setting {
            assumptions,
            seed: self.seed,
            hours,
            speed: self.speed,
            outage: self.outage,
            model: self.model,
            usd_per_million_tokens: price.map(|it| it.price.dollars_per_million()),
            prices_dated: prices.dated().to_owned(),
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
        };
        if !self.json {
            setting.show(out)?;
        }
        let played = tokio::select! {
            played = play.run(day) => played?,
            name = signals.next() => anyhow::bail!("{name} before the end of the day"),
        };
        let are_equal = played.differences.is_empty();
        let price = price.map(|it| it.price);
        let report = report::Report::new(setting, played, price);
        if self.json {
            report.write_json(out)?;
        } else {
            report.show(out)?;
        }
        Ok(if are_equal {
            ExitStatus::Success
        } else {
            ExitStatus::Failure
        })
    }

    /// That of a member as it is shipped, on the stand-ins, with what is said of time compressed.
    fn config(&self, log_level: Option<&str>) -> Config {
        let mut config = Config::default();
        "embedded".clone_into(&mut config.kafka.brokers);
        "embedded".clone_into(&mut config.index.url);
        "embedded".clone_into(&mut config.embed.url);
        config.kafka.topics = vec![Connector::new("simulated").topic()];
        // A broker answers a fetch as soon as there is a record; the mock, only when its time is up.
        let fetch_wait = ("fetch.wait.max.ms".to_owned(), "5".to_owned());
        config.kafka.properties.extend([fetch_wait]);
        // Short vectors: what is sized here is the way to them.
        config.embed.dimensions = 384;
        config.embed.model.clone_from(&self.model);
        config.document.ignore = vec!["updated_at".to_owned()];
        config.commit.interval = Duration::from_millis(200);
        config.pipeline.budget = ByteSize::mib(64);
        config.admin.enabled = false;
        config.window.quiet /= self.speed;
        config.window.max_hold /= self.speed;
        let compressed =
            |limit: Option<NonZeroU32>| limit.map(|it| it.get().saturating_mul(self.speed));
        config.embed.requests_per_minute = compressed(self.requests_per_minute);
        config.embed.tokens_per_minute = compressed(self.tokens_per_minute);
        log_level.unwrap_or("off").clone_into(&mut config.log.level);
        config
    }
}
