//! `vectide reindex`: another model or template without downtime.
//!
//! The next index is filled and kept equal by `vectide run` itself, with a configuration, a group and a
//! collection of its own. What is left to do here: see whether it is ready (`look`, `standing`), and move the
//! alias that searchers use, or move it back.

mod look;
mod show;
mod standing;

use std::{io::Write, path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use tokio::time::sleep;

use super::{ExitStatus, Options, Output};
use crate::{
    config::{Config, ConfigFile, Problems, Sources},
    index::alias,
};

use look::Pair;
use standing::{Demands, Standing};

/// How often `swap` looks before it gives up, and how long it waits in between.
const LOOKS: usize = 3;
const PAUSE: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  vectide run --config next.toml &                        # fills its own collection from the topics
  vectide reindex status --next next.toml --alias products-live
  vectide reindex swap --next next.toml --alias products-live
  vectide reindex rollback --next next.toml --alias products-live

--next is a copy of the configuration with another kafka.group and index.collection, and another
model or template. docs/operations.md tells the whole way.";

/// Change the model or the template without downtime: compare two indexes, and move searchers' alias
///
/// The configuration at hand is the current one. The next index is filled by `vectide run` with a
/// configuration of its own, and both are kept equal to the table until the change is final.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show how far the next index is, what it still costs, and what keeps searchers from it
    ///
    /// Exits with 1 while anything does.
    Status(Arguments),
    /// Make the alias mean the next collection, in one call, if nothing keeps searchers from it
    Swap(Arguments),
    /// Make the alias mean the current collection again
    Rollback {
        #[command(flatten)]
        arguments: Arguments,
        /// Even if the current index has fallen behind
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Args)]
struct Arguments {
    /// The next configuration
    #[arg(long, value_name = "FILE")]
    next: PathBuf,
    /// The alias that searchers use; no member writes to it
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    alias: String,
    /// Rows to look for in both, and to compare the neighbours of
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    sample: u64,
    /// Records that one group may be further behind than the other
    #[arg(long, value_name = "N", default_value_t = 100)]
    max_lag: u64,
    /// How many of a hundred neighbours must be the same; another model's differ
    #[arg(long, value_name = "PERCENT", default_value_t = 25, value_parser = clap::value_parser!(u8).range(0..=100))]
    min_agreement: u8,
    /// As JSON: one object
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) async fn run(
        self,
        options: &Options,
        out: &mut Output,
    ) -> anyhow::Result<ExitStatus> {
        let current = options.load_config()?;
        options.log_if_asked(&current)?;
        let status = match self.what {
            What::Status(arguments) => arguments.status(&current, out).await,
            What::Swap(arguments) => arguments.swap(&current, out).await,
            What::Rollback { arguments, force } => arguments.rollback(&current, force, out).await,
        };
        out.flush()?;
        status
    }
}

impl Arguments {
    /// The environment would be the same for both configurations, and is not laid over this one.
    fn load_next(&self) -> Result<Config, Problems> {
        let sources = Sources {
            file: ConfigFile::Named(self.next.clone()),
            ..Sources::default()
        };
        sources.load()
    }

    fn demands(&self) -> Demands {
        Demands {
            max_lag: self.max_lag,
            min_agreement: f64::from(self.min_agreement) / 100.0,
        }
    }

    async fn status(&self, current: &Config, out: &mut Output) -> anyhow::Result<ExitStatus> {
        let next = self.load_next()?;
        let pair = Pair::new(current, &next, &self.alias).await?;
        let standing = pair.look(self.sample).await?;
        let obstacles = standing.obstacles(self.demands());
        self.show(&standing, &obstacles, out)?;
        Ok(status_of(&obstacles))
    }

    async fn swap(&self, current: &Config, out: &mut Output) -> anyhow::Result<ExitStatus> {
        let next = self.load_next()?;
        let pair = Pair::new(current, &next, &self.alias).await?;
        let mut standing = pair.look(self.sample).await?;
        let mut obstacles = standing.obstacles(self.demands());
        // What changes while it is looked at may look unequal.
        for _ in 1..LOOKS {
            if obstacles.is_empty() {
                break;
            }
            sleep(PAUSE).await;
            standing = pair.look(self.sample).await?;
            obstacles = standing.obstacles(self.demands());
        }
        let is_done = standing.meaning.as_deref() == Some(pair.next());
        if obstacles.is_empty() && !is_done {
            self.move_to(&pair, &mut standing, pair.next()).await?;
        }
        self.show(&standing, &obstacles, out)?;
        Ok(status_of(&obstacles))
    }

    async fn rollback(
        &self,
        current: &Config,
        force: bool,
        out: &mut Output,
    ) -> anyhow::Result<ExitStatus> {
        let next = self.load_next()?;
        let pair = Pair::new(current, &next, &self.alias).await?;
        let mut standing = pair.look(self.sample).await?;
        let mut obstacles = Vec::from_iter(standing.of_strangers());
        // Searchers would see rows come back that are gone.
        if standing.current.lag > standing.next.lag.saturating_add(self.max_lag) && !force {
            obstacles.push(format!(
                "{} is {} records behind: let `vectide run` catch up, or say --force",
                standing.current.group, standing.current.lag
            ));
        }
        let is_done = standing.meaning.as_deref() == Some(pair.current());
        if obstacles.is_empty() && !is_done {
            self.move_to(&pair, &mut standing, pair.current()).await?;
        }
        self.show(&standing, &obstacles, out)?;
        Ok(status_of(&obstacles))
    }

    async fn move_to(
        &self,
        pair: &Pair<'_>,
        standing: &mut Standing,
        collection: &str,
    ) -> anyhow::Result<()> {
        let before = standing.meaning.as_deref();
        alias::move_to(&pair.client, &self.alias, before, collection).await?;
        standing.meaning = Some(collection.to_owned());
        Ok(())
    }

    fn show(
        &self,
        standing: &Standing,
        obstacles: &[String],
        out: &mut Output,
    ) -> anyhow::Result<()> {
        if self.json {
            writeln!(out, "{:#}", show::to_json(standing, obstacles))?;
        } else {
            write!(out, "{}", show::to_text(standing, obstacles)?)?;
        }
        Ok(())
    }
}

fn status_of(obstacles: &[String]) -> ExitStatus {
    if obstacles.is_empty() {
        ExitStatus::Success
    } else {
        ExitStatus::Failure
    }
}
