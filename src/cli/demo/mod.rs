//! `vectide demo`: a shop, its catalogue and its changes, on servers inside this process.

pub mod debezium;
mod figures;
pub(super) mod lag;
pub(super) mod report;
pub(super) mod shop;
mod stall;
mod story;
pub(super) mod view;

use clap::Args;

pub use super::catalogue;
use super::{ExitStatus, Output, run::Signals};

/// Show what Vectide does, with a made-up shop on servers inside this process: needs nothing.
#[derive(Debug, Args)]
pub(super) struct Command {
    /// Keep running at the end, with the HTTP endpoints up, until SIGINT or SIGTERM
    #[arg(long)]
    stay: bool,
    /// How many products the shop has
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u16).range(200..))]
    products: u16,
    /// Another seed makes another shop
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

impl Command {
    pub(super) async fn run(
        self,
        log_level: Option<&str>,
        out: &mut Output,
    ) -> anyhow::Result<ExitStatus> {
        let mut signals = Signals::listen()?;
        let story = story::Story::new(usize::from(self.products), self.seed, log_level);
        let told = tokio::select! {
            told = story.tell(out) => told?,
            name = signals.next() => anyhow::bail!("{name} before the end of the demonstration"),
        };
        if self.stay {
            told.stay(out, &mut signals).await?;
        }
        let equal = told.differences() == 0;
        told.stop().await?;
        Ok(if equal {
            ExitStatus::Success
        } else {
            ExitStatus::Failure
        })
    }
}
