//! `vectide probe`: embedding providers, measured side by side.
//!
//! Who is measured comes from `candidates`, with what from `texts`, and whether it may be spent from
//! `consent`. The measuring is [`probe`](crate::probe)'s. `report` shows what came of it, `html` with
//! `plot`s.

mod candidates;
mod consent;
mod html;
mod plot;
mod progress;
mod report;
mod texts;

use std::{
    fs,
    io::{self, Write},
    num::NonZeroU64,
    path::PathBuf,
    sync::Arc,
};

use anyhow::Context;
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{ExitStatus, Options, Output, failure::Misused, run::Signals};
use crate::{
    cost::{Money, PriceTable},
    embed::Once,
    error::{Disposition, Failure},
    probe::{Ceiling, Figures, Measured, Plan, Provider, Purse, compare, measure},
    tokens::Tokenizer,
};

use candidates::{Candidate, Named};
use report::{Report, Row};
use texts::Texts;

/// The most different texts that are made up: when more are sent, they are sent again.
const GENERATED: usize = 10_000;

const EXAMPLES: &str = "\
Examples:
  vectide probe --requests 200 --max-cost 0.01
  vectide probe --provider openai=openai.toml --provider local=tei.toml --max-tokens 2000000
  vectide probe --provider a=a.toml --provider b=b.toml --concurrency 8 --batch 64 --html probe.html";

/// Measure embedding providers side by side: latency, success, throughput, price, agreement
///
/// Sends the same texts to all of them, at the same time, each request once, no faster than each one's
/// embed.requests_per_minute and embed.tokens_per_minute. What it will cost is asked before it begins. Ctrl-C ends it and keeps
/// what was measured. docs/probe.md says what the figures mean.
///
/// Ends with 1 where no provider answered any request.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Command {
    /// A provider: what the report calls it, and a configuration file whose [embed] section counts; may be
    /// given several times [default: the configuration at hand]
    #[arg(long = "provider", value_name = "NAME=FILE")]
    providers: Vec<Named>,
    /// The provider that the others' vectors are compared with [default: the first]
    #[arg(long, value_name = "NAME")]
    reference: Option<String>,
    /// Requests to each provider
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = counted(10_000_000))]
    requests: u64,
    /// Requests to a provider that are under way at once; with 1, one is sent after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = counted(1_024))]
    concurrency: u64,
    /// Texts a request
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = counted(2_048))]
    batch: u64,
    /// Texts to send, one a line; in a .jsonl file a JSON string, or an object with a field "text"
    /// [default: made-up products]
    #[arg(long, value_name = "FILE")]
    texts: Option<PathBuf>,
    /// Another seed makes up other products
    #[arg(long, value_name = "N", default_value_t = 7, conflicts_with = "texts")]
    seed: u64,
    /// Of how many texts the vectors are compared; the time it takes grows with the square
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(0..=5_000))]
    compare: u64,
    /// Prices of one's own, in a file like schemas/prices.toml [default: cost.prices]
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Stop before more than this is spent on all providers, in dollars
    #[arg(long, value_name = "DOLLARS", value_parser = consent::dollars)]
    max_cost: Option<Money>,
    /// Stop before more than this many tokens are sent to all providers
    #[arg(long, value_name = "N")]
    max_tokens: Option<NonZeroU64>,
    /// Don't ask before it begins
    #[arg(long)]
    yes: bool,
    /// As JSON: one object
    #[arg(long)]
    json: bool,
    /// Also write a page with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

fn counted(most: u64) -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=most)
}

impl Command {
    pub(super) async fn run(
        self,
        options: &Options,
        out: &mut Output,
    ) -> anyhow::Result<ExitStatus> {
        let prices = self.prices(options)?;
        let candidates = candidates::load(&self.providers, options, &prices)?;
        let reference = self.reference(&candidates)?;
        let Texts { list, source, note } = self.texts()?;
        if let Some(note) = note {
            writeln!(io::stderr(), "{note}")?;
        }
        let plan = Arc::new(self.plan(list)?);
        let worth = count_tokens(&candidates, &plan).await?;
        let sums: Vec<u64> = worth.iter().map(|worth| plan.sum(worth)).collect();
        let given = Ceiling {
            tokens: self.max_tokens.map(NonZeroU64::get),
            money: self.max_cost,
        };
        let agreed = consent::ask(&candidates, &sums, plan.requests, given, self.yes)?;
        let Some(ceiling) = agreed else {
            writeln!(io::stderr(), "nothing was sent")?;
            return Ok(ExitStatus::Success);
        };
        // It would be a pity to find out afterwards that it can't be written.
        if let Some(path) = &self.html {
            fs::write(path, "").with_context(|| format!("cannot write {}", path.display()))?;
        }
        let providers = warm_up(&candidates, worth).await?;
        let measured = measured(providers, &plan, ceiling).await?;
        let mut report = Report {
            requests: plan.requests,
            concurrency: plan.concurrency,
            batch: plan.batch,
            texts: plan.texts.len(),
            source,
            reference,
            prices_dated: prices.dated().to_owned(),
            rows: candidates.into_iter().zip(measured).map(row).collect(),
        };
        tokio::task::block_in_place(|| add_quality(&mut report));
        if let Some(path) = &self.html {
            let page = html::page(&report)?;
            fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))?;
        }
        if self.json {
            writeln!(out, "{:#}", report.to_json())?;
        } else {
            write!(out, "{}", report.to_text(out.width())?)?;
        }
        out.flush()?;
        let is_refused = |row: &Row| row.figures.success.is_some_and(|share| share <= 0.0);
        Ok(if report.rows.iter().all(is_refused) {
            ExitStatus::Failure
        } else {
            ExitStatus::Success
        })
    }

    /// The table that is named, or the one of the configuration at hand.
    fn prices(&self, options: &Options) -> anyhow::Result<PriceTable> {
        if let Some(file) = &self.prices {
            return Ok(PriceTable::with_file(Some(file))?);
        }
        let config = options.load_config_for(|key| key.starts_with("cost."))?;
        Ok(PriceTable::with_file(config.cost.prices.as_deref())?)
    }

    fn reference(&self, candidates: &[Candidate]) -> anyhow::Result<String> {
        let mut names = candidates.iter().map(|candidate| &candidate.name);
        let found = match &self.reference {
            None => names.next(),
            Some(wanted) => names.find(|name| *name == wanted),
        };
        let found = found.cloned();
        Ok(found.ok_or_else(|| Misused("--reference names no --provider".to_owned()))?)
    }

    fn texts(&self) -> anyhow::Result<Texts> {
        if let Some(path) = &self.texts {
            return Texts::of_file(path);
        }
        let sent = usize::try_from(self.requests * self.batch)?;
        Ok(Texts::generated(self.seed, sent.min(GENERATED)))
    }

    fn plan(&self, texts: Vec<Arc<str>>) -> anyhow::Result<Plan> {
        Ok(Plan {
            texts,
            requests: usize::try_from(self.requests)?,
            batch: usize::try_from(self.batch)?,
            concurrency: usize::try_from(self.concurrency)?,
            compared: usize::try_from(self.compare)?,
        })
    }
}

/// About how many tokens each text is to each candidate.
async fn count_tokens(candidates: &[Candidate], plan: &Arc<Plan>) -> anyhow::Result<Vec<Vec<u64>>> {
    let models = candidates.iter().map(|it| it.settings.model.clone());
    let (models, plan): (Vec<String>, _) = (models.collect(), plan.clone());
    let count = move |model: &String| {
        let tokenizer = Tokenizer::for_model(model);
        let texts = plan.texts.iter();
        texts.map(|text| tokenizer.count(text)).collect()
    };
    let counted = tokio::task::spawn_blocking(move || models.iter().map(count).collect());
    Ok(counted.await?)
}

/// Opens the connections, and finds out now what would make every request fail.
async fn warm_up(candidates: &[Candidate], worth: Vec<Vec<u64>>) -> anyhow::Result<Vec<Provider>> {
    let mut providers = Vec::with_capacity(candidates.len());
    for (candidate, tokens) in candidates.iter().zip(worth) {
        let Candidate {
            name,
            settings,
            price,
            ..
        } = candidate;
        let of_provider = || format!("provider {name}");
        let mut endpoint = Once::new(settings).with_context(of_provider)?;
        match endpoint.warm_up().await {
            // What passes is a part of what is measured.
            Ok(_)
            | Err(Failure {
                disposition: Disposition::Transient | Disposition::Throttled { .. },
                ..
            }) => {}
            Err(failure) => return Err(failure).with_context(of_provider),
        }
        providers.push(Provider {
            endpoint,
            requests_per_minute: settings.requests_per_minute,
            tokens_per_minute: settings.tokens_per_minute,
            price: *price,
            tokens,
        });
    }
    Ok(providers)
}

/// Measures until it is through, or somebody has seen enough.
async fn measured(
    providers: Vec<Provider>,
    plan: &Arc<Plan>,
    ceiling: Ceiling,
) -> anyhow::Result<Vec<Measured>> {
    let mut signals = Signals::listen()?;
    let (purse, progress) = (Arc::new(Purse::new(ceiling)), Arc::default());
    let total = (providers.len() * plan.requests) as u64;
    let stop = CancellationToken::new();
    let measuring = measure(providers, plan, &purse, &progress, &stop);
    tokio::pin!(measuring);
    let drawing = progress::draw(&progress, total);
    tokio::select! {
        measured = &mut measuring => return Ok(measured),
        _ = signals.next() => stop.cancel(),
        () = drawing => {}
    }
    Ok(measuring.await)
}

fn row((candidate, measured): (Candidate, Measured)) -> Row {
    let Candidate {
        name,
        settings,
        price,
        ..
    } = candidate;
    Row {
        figures: Figures::of(&measured, price),
        name,
        url: settings.url,
        model: settings.model,
        dimensions: settings.dimensions,
        price,
        measured,
        quality: None,
    }
}

fn add_quality(report: &mut Report) {
    let reference = report.rows.iter().find(|row| row.name == report.reference);
    let Some(vectors) = reference.map(|row| row.measured.vectors.clone()) else {
        return;
    };
    for row in &mut report.rows {
        if row.name != report.reference {
            row.quality = compare(&vectors, &row.measured.vectors);
        }
    }
}
