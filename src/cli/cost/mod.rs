//! `vectide cost`: what embeddings cost so far, as the members of the group have noted it.

mod show;

use std::{collections::BTreeSet, io::Write, time::SystemTime};

use clap::Args;

use super::{ExitStatus, Options, Output, table::refuse_stand_in};
use crate::{
    config::Config,
    cost::{Account, Day, Month, SpendingBudget},
    index::{self, Accounts, KeptAccount},
};

use show::Report;

/// Show what embeddings cost, today and this month, by table, model and reason, and what was saved
///
/// Reads the accounts that all members note in the collections, every cost.note_every: what they spent
/// since is not in them. Of a day or month that is over, all is.
#[derive(Debug, Args)]
pub(super) struct Command {
    /// The month to show, as 2026-12 [default: this one]
    #[arg(long)]
    month: Option<Month>,
    /// The day to show, as 2026-12-31 [default: today; of another month, none]
    #[arg(long)]
    day: Option<Day>,
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
        let config = options.load_config_for(is_needed)?;
        options.log_if_asked(&config)?;
        let today = Day::of(SystemTime::now());
        let day = self.day.or(self.month.is_none().then_some(today));
        let month = self.month.unwrap_or_else(|| day.unwrap_or(today).month());
        let kept = read(&config, day, month).await?;
        let report = Report {
            day: day.map(|day| (day, sum(&kept, |kept| kept == day))),
            month: (month, sum(&kept, |kept| month.contains(kept))),
            budget: SpendingBudget::new(&config.cost.budget),
        };
        if self.json {
            writeln!(out, "{:#}", report.to_json())?;
        } else {
            write!(out, "{}", report.to_text()?)?;
        }
        out.flush()?;
        Ok(ExitStatus::Success)
    }
}

/// All accounts of the month and the day.
async fn read(config: &Config, day: Option<Day>, month: Month) -> anyhow::Result<Vec<KeptAccount>> {
    let embedded = config.index.embedded().is_some();
    refuse_stand_in("index.url", embedded, "http://localhost:6334")?;
    let client = index::connect_client(&config.index, &config.index.url)?;
    let last = month.next().first().before(1);
    let days = [Some(month.first()), Some(last), day];
    let first = days.into_iter().flatten().min().unwrap_or(last);
    let last = days.into_iter().flatten().max().unwrap_or(last);
    // Topics need not be named here, so any of them may be used, and need not be there.
    let tables = config.table_sections();
    let collections: BTreeSet<&str> = tables.iter().map(|table| table.collection).collect();
    let mut kept = Vec::new();
    let (mut is_any_there, mut absent) = (false, None);
    for collection in collections {
        let accounts = Accounts::new(client.clone(), collection);
        match accounts.read(first, last).await {
            Ok(found) => {
                is_any_there = true;
                kept.extend(found);
            }
            Err(failure) if failure.reason == "not_found" => absent = Some(failure),
            Err(failure) => return Err(failure.into()),
        }
    }
    match absent {
        Some(failure) if !is_any_there => Err(failure.into()),
        _ => Ok(kept),
    }
}

fn sum(kept: &[KeptAccount], is_meant: impl Fn(Day) -> bool) -> Account {
    let mut sum = Account::default();
    for kept in kept.iter().filter(|kept| is_meant(kept.day)) {
        sum.merge(&kept.account);
    }
    sum
}

/// Whether the rules of a key of the configuration must be kept: topics need not be named.
fn is_needed(key: &str) -> bool {
    // A budget that is over in time is no reason not to show what it was spent on.
    let section = key.split('.').next().unwrap_or(key);
    key != "cost.budget.until"
        && (matches!(section, "cost" | "index" | "log") || section.starts_with("tables["))
}
