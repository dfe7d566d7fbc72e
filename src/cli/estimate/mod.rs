//! `vectide estimate`: what a project will cost, before it starts.
//!
//! What there is to embed is said on the command line, or found out from records (`records`) or rows
//! (`rows`): a `Sample` either way. The arithmetic is [`cost::estimate`](crate::cost::estimate)'s.

mod records;
mod rows;
mod sample;
mod show;

use std::{io::Write, num::NonZeroU64, path::PathBuf, str::FromStr};

use anyhow::Context;
use clap::Args;

use super::{
    ExitStatus, Options, Output,
    failure::Misused,
    selection::{Records, Selection, needs},
};
use crate::{
    config::Config,
    cost::{
        Model, Money, Price, PriceTable,
        estimate::{Baseline, Limits, Workload, estimate},
    },
    tokens::{Chunking, Tokenizer},
};

use sample::Sample;

/// Bytes that a point keeps beside its vector, where no row has shown how many: some fields, their
/// names, and the bookkeeping.
const PAYLOAD: f64 = 1024.0;

/// Records that are read unless told otherwise: enough for a mean.
const SAMPLE: u64 = 100_000;

const EXAMPLES: &str = "\
Examples:
  vectide estimate --changes-per-day 50000 --tokens-per-item 300
  vectide estimate --items 200000 --changes-per-day 50000 --tokens-per-item 300 --text-changes 20
  vectide estimate --rows catalogue.jsonl.gz --changes-per-day 5000 --price mine=0.42
  vectide estimate --topic shop.public.products --from 2026-01-31T00:00:00Z";

/// Estimate tokens and money a month, for each model of the price table, before a project starts
///
/// From changes a day and tokens an item; or from real records of topics or of a captured file, of
/// which it is found out how many carry a text that has to be embedded; or from rows in a file. Asks
/// neither the index nor the embedding endpoint. docs/cost.md says how it is computed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Command {
    #[command(flatten)]
    selection: Selection,
    /// Look at what `vectide capture` wrote, instead of topics; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["topics", "from", "follow"])]
    file: Option<PathBuf>,
    /// Look at rows: one JSON object (or text to embed) a line, gzipped or not
    #[arg(long, value_name = "FILE", conflicts_with_all = ["topics", "from", "follow", "file"])]
    rows: Option<PathBuf>,
    /// Rows in the table [default: as many as were found, else a day's changes]
    #[arg(long, value_name = "N")]
    items: Option<u64>,
    /// Changes of rows a day [default: what records show]
    #[arg(long, value_name = "N")]
    changes_per_day: Option<u64>,
    /// Tokens of a row's text [default: what is counted]
    #[arg(long, value_name = "N")]
    tokens_per_item: Option<u64>,
    /// How many of a hundred changes change the text [default: what records show, else all]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    text_changes: Option<u8>,
    /// A model that is not in the price table, as name=0.42 (dollars for a million tokens); may be
    /// given several times
    #[arg(long, value_name = "NAME=PRICE")]
    price: Vec<OwnPrice>,
    /// Length of the vectors [default: each model's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    dimensions: Option<u32>,
    /// Requests a minute that the provider allows, 0 for any [default: embed.requests_per_minute]
    #[arg(long, value_name = "N")]
    requests_per_minute: Option<u64>,
    /// Tokens a minute that the provider allows, 0 for any [default: embed.tokens_per_minute]
    #[arg(long, value_name = "N")]
    tokens_per_minute: Option<u64>,
    /// What the cost is compared with: every-change, nightly-rebuild, or what is paid a month now,
    /// as $120
    #[arg(long, value_name = "WHAT", default_value = "every-change")]
    baseline: NamedBaseline,
    /// As JSON: one object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone)]
struct OwnPrice {
    name: String,
    price: Price,
}

impl FromStr for OwnPrice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, price) = text.split_once('=').ok_or("write name=0.42")?;
        if name.trim().is_empty() {
            return Err("the model needs a name: write name=0.42".to_owned());
        }
        let price = price.parse().map_err(|error| format!("{error}"))?;
        let name = name.trim().to_owned();
        Ok(Self { name, price })
    }
}

#[derive(Debug, Clone, Copy)]
struct NamedBaseline(Baseline);

impl FromStr for NamedBaseline {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        Ok(Self(match text {
            "every-change" => Baseline::EveryChange,
            "nightly-rebuild" => Baseline::NightlyRebuild,
            money => {
                let dollars = money.strip_prefix('$').unwrap_or(money).parse();
                let money = dollars.ok().and_then(Money::from_dollars);
                Baseline::Paid(money.ok_or("write every-change, nightly-rebuild, or $120")?)
            }
        }))
    }
}

impl Command {
    pub(super) async fn run(
        self,
        options: &Options,
        out: &mut Output,
    ) -> anyhow::Result<ExitStatus> {
        let reads_topics = self.reads_topics();
        let has_topics = !reads_topics || self.selection.names_topics();
        let needs = |key: &str| key.starts_with("cost.") || needs(key, has_topics);
        let config = options.load_config_for(needs)?;
        options.log_if_asked(&config)?;
        let table = PriceTable::with_file(config.cost.prices.as_deref())?;
        let sample = self.sample(&config, reads_topics).await?;
        let models = self.models(&table)?;
        let mut report = show::Report::new(&table, self.baseline.0, sample.as_ref());
        for model in &models {
            let workload = self.workload(sample.as_ref(), model, config.embed.chunking())?;
            let dimensions = self.dimensions.or(model.dimensions);
            let dimensions = dimensions.unwrap_or(config.embed.dimensions);
            let limits = self.limits(&config)?;
            let estimate = estimate(&workload, model.price, dimensions, &limits, self.baseline.0);
            report.add(model, dimensions, workload, estimate);
        }
        if self.json {
            writeln!(out, "{:#}", report.to_json())?;
        } else {
            write!(out, "{}", report.to_text(out.width())?)?;
        }
        out.flush()?;
        Ok(ExitStatus::Success)
    }

    /// Whether what is not said on the command line is looked for in Kafka.
    fn reads_topics(&self) -> bool {
        let is_said = self.changes_per_day.is_some() && self.tokens_per_item.is_some();
        let has_file = self.file.is_some() || self.rows.is_some();
        self.selection.names_topics() || !(is_said || has_file)
    }

    async fn sample(&self, config: &Config, reads_topics: bool) -> anyhow::Result<Option<Sample>> {
        if let Some(path) = &self.rows {
            let limit = self.selection.limit();
            return rows::sample(config, path, limit).map(Some);
        }
        let records = match &self.file {
            Some(path) => Records::of_file(path)?,
            None if reads_topics => self.selection.read(config).await?,
            None => return Ok(None),
        };
        let limit = self.selection.limit().min(SAMPLE);
        records::sample(config, records, limit).await.map(Some)
    }

    /// Those of the command line, then those of the table.
    fn models(&self, table: &PriceTable) -> anyhow::Result<Vec<Model>> {
        let mut models: Vec<Model> = Vec::new();
        for OwnPrice { name, price } in &self.price {
            if models.iter().any(|model| model.name == *name) {
                let message = format!("--price names {name} twice");
                return Err(Misused(message).into());
            }
            models.push(Model {
                provider: "--price".to_owned(),
                name: name.clone(),
                price: *price,
                dimensions: table.find(name, "").and_then(|model| model.dimensions),
                host: None,
            });
        }
        models.extend_from_slice(table.models());
        Ok(models)
    }

    /// What is said on the command line, and for the rest what was found.
    fn workload(
        &self,
        sample: Option<&Sample>,
        model: &Model,
        chunking: Option<Chunking>,
    ) -> anyhow::Result<Workload> {
        let is_exact = Tokenizer::for_model(&model.name).is_exact();
        let tokens = self.tokens_per_item.map(|tokens| tokens as f64);
        let tokens = tokens.or_else(|| sample?.tokens_per_item(is_exact));
        let tokens = tokens.ok_or_else(|| match sample.map_or(0, |sample| sample.unknown) {
            0 => misused("no row was found: give --tokens-per-item"),
            rows => misused(&format!(
                "the text of none of {rows} rows can be told (`vectide inspect` says why): give --tokens-per-item"
            )),
        })?;
        let vectors = match (self.tokens_per_item, chunking) {
            // As if all texts were as long.
            (Some(tokens), Some(chunking)) => {
                let chunks = tokens.div_ceil(chunking.longest.into());
                Some(chunks.clamp(1, chunking.most.into()) as f64)
            }
            _ => sample.and_then(|sample| sample.vectors_per_item(is_exact)),
        };
        let changes = self.changes_per_day.map(|changes| changes as f64);
        let changes = changes.or_else(|| sample?.changes_per_day());
        let changes = changes.ok_or_else(|| {
            misused("how many rows change a day can't be told: give --changes-per-day")
        })?;
        let items = self.items.map(|items| items as f64);
        let items = items.or_else(|| Some(sample?.items() as f64));
        let bought = self.text_changes.map(|percent| f64::from(percent) / 100.0);
        let bought = bought.or_else(|| sample?.bought(is_exact));
        let payload = sample.and_then(Sample::payload_bytes);
        Ok(Workload {
            items: items.unwrap_or(changes),
            changes_per_day: changes,
            tokens_per_item: tokens,
            vectors_per_item: vectors.unwrap_or(1.0),
            bought: bought.unwrap_or(1.0),
            payload_bytes: payload.unwrap_or(PAYLOAD),
        })
    }

    fn limits(&self, config: &Config) -> anyhow::Result<Limits> {
        let limit = |said: Option<u64>, configured: Option<u32>| {
            NonZeroU64::new(said.unwrap_or(configured.map_or(0, u64::from)))
        };
        let embed = &config.embed;
        let inputs = NonZeroU64::new(embed.batch_inputs as u64);
        Ok(Limits {
            requests_per_minute: limit(self.requests_per_minute, embed.requests_per_minute),
            tokens_per_minute: limit(self.tokens_per_minute, embed.tokens_per_minute),
            batch_inputs: inputs.context("embed.batch_inputs is 0")?,
        })
    }
}

fn misused(message: &str) -> anyhow::Error {
    Misused(message.to_owned()).into()
}
