//! An estimate, for people and for programs.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use serde_json::{Value as Json, json};

use crate::{
    cli::layout::{self, Side},
    cost::{
        Model, PriceTable,
        estimate::{Baseline, Estimate, Spending, Workload},
        grouped,
    },
    tokens::Tokenizer,
};

use super::sample::{Sample, monthly};

/// The estimates for all models, and what they are made of.
pub(super) struct Report<'a> {
    table: &'a PriceTable,
    baseline: Baseline,
    sample: Option<&'a Sample>,
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    model: &'a Model,
    dimensions: u32,
    workload: Workload,
    estimate: Estimate,
}

impl<'a> Report<'a> {
    pub(super) fn new(
        table: &'a PriceTable,
        baseline: Baseline,
        sample: Option<&'a Sample>,
    ) -> Self {
        Self {
            table,
            baseline,
            sample,
            rows: Vec::new(),
        }
    }

    pub(super) fn add(
        &mut self,
        model: &'a Model,
        dimensions: u32,
        workload: Workload,
        estimate: Estimate,
    ) {
        self.rows.push(Row {
            model,
            dimensions,
            workload,
            estimate,
        });
    }

    /// What there is to be embedded, and a line a model, within so many characters a line.
    pub(super) fn to_text(&self, within: Option<usize>) -> Result<String, fmt::Error> {
        let mut text = String::new();
        if let Some(sample) = self.sample {
            Self::found(&mut text, sample)?;
        }
        if let Some(Row { workload, .. }) = self.rows.first() {
            writeln!(
                text,
                "{} rows; {} changes a day, {} a month; {} of 100 tokens of changes are bought",
                count(workload.items),
                count(workload.changes_per_day),
                count(monthly(workload.changes_per_day)),
                count(workload.bought * 100.0),
            )?;
        }
        let baseline = match self.baseline {
            Baseline::EveryChange => "if every change were embedded".to_owned(),
            Baseline::NightlyRebuild => "if the table were embedded anew every night".to_owned(),
            Baseline::Paid(money) => format!("{money} a month"),
        };
        writeln!(text, "Compared with: {baseline}")?;
        writeln!(text, "Prices of {}, in US dollars\n", self.table.dated())?;
        let head = [
            "model",
            "provider",
            "$/M",
            "tokens/item",
            "tokens/month",
            "every change",
            "Vectide",
            "baseline",
            "saved",
            "return",
            "backfill",
            "takes",
            "memory",
            "disk",
        ];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        lines.extend(self.rows.iter().map(Row::line));
        let sides = [Side::Left, Side::Left, Side::Right];
        layout::folded(&mut text, "", &sides, &lines, within)?;
        text.push_str(
            "\nMoney a month of 30 days, but backfill: once. Return: saved for each dollar spent. \
             Memory and disk: Qdrant's, for one copy.\n",
        );
        Ok(text)
    }

    fn found(text: &mut String, sample: &Sample) -> fmt::Result {
        write!(text, "Found {} rows", grouped(sample.items()))?;
        if sample.changes() > 0 {
            write!(text, " and {} changes", grouped(sample.changes()))?;
            if let Some(days) = sample.days() {
                write!(text, " in {days:.2} days")?;
            }
            let saved = sample.saved;
            write!(
                text,
                ": {} to be embedded, {} unchanged, {} of the payload only, {} changed again at once",
                grouped(sample.bought_changes()),
                grouped(saved.unchanged),
                grouped(saved.payload_only),
                grouped(saved.collapsed),
            )?;
        }
        if sample.unknown > 0 {
            let unknown = grouped(sample.unknown);
            write!(text, "; the text of {unknown} more can't be told")?;
        }
        text.push('\n');
        Ok(())
    }

    /// All of it, as one object.
    pub(super) fn to_json(&self) -> Json {
        let models: Vec<Json> = self.rows.iter().map(Row::to_json).collect();
        let baseline = match self.baseline {
            Baseline::EveryChange => json!("every-change"),
            Baseline::NightlyRebuild => json!("nightly-rebuild"),
            Baseline::Paid(money) => json!({ "usd_per_month": money.dollars() }),
        };
        let sample = self.sample.map(|sample| {
            json!({
                "rows": sample.items(),
                "changes": sample.changes(),
                "days": sample.days(),
                "to_be_embedded": sample.bought_changes(),
                "unchanged": sample.saved.unchanged,
                "payload_only": sample.saved.payload_only,
                "collapsed": sample.saved.collapsed,
                "text_unknown": sample.unknown,
            })
        });
        json!({
            "prices_dated": self.table.dated(),
            "days_per_month": 30,
            "baseline": baseline,
            "sample": sample,
            "models": models,
        })
    }
}

impl Row<'_> {
    fn line(&self) -> Vec<String> {
        let Self {
            model,
            dimensions,
            workload,
            estimate,
        } = self;
        let is_exact = Tokenizer::for_model(&model.name).is_exact();
        let about = if is_exact { "" } else { "~" };
        vec![
            format!("{}/{dimensions}", model.name),
            model.provider.clone(),
            model.price.dollars_per_million().to_string(),
            format!("{about}{}", count(workload.tokens_per_item)),
            grouped(estimate.with.tokens),
            estimate.without.money.to_string(),
            estimate.with.money.to_string(),
            estimate.baseline.to_string(),
            estimate.saved().to_string(),
            estimate
                .roi()
                .map_or("-".to_owned(), |roi| format!("{roi:.1}")),
            estimate.backfill.money.to_string(),
            estimate.backfill_time.map_or("-".to_owned(), rough),
            bytes(estimate.memory_bytes),
            bytes(estimate.disk_bytes),
        ]
    }

    fn to_json(&self) -> Json {
        let Self {
            model,
            dimensions,
            workload,
            estimate,
        } = self;
        let spending = |spending: Spending| json!({ "tokens": spending.tokens, "usd": spending.money.dollars() });
        json!({
            "model": model.name,
            "provider": model.provider,
            "usd_per_million_tokens": model.price.dollars_per_million(),
            "tokens_counted_exactly": Tokenizer::for_model(&model.name).is_exact(),
            "dimensions": dimensions,
            "items": workload.items,
            "changes_per_day": workload.changes_per_day,
            "tokens_per_item": workload.tokens_per_item,
            "vectors_per_item": workload.vectors_per_item,
            "share_bought": workload.bought,
            "month_every_change": spending(estimate.without),
            "month": spending(estimate.with),
            "baseline_usd": estimate.baseline.dollars(),
            "saved_usd": estimate.saved().dollars(),
            "return": estimate.roi(),
            "backfill": spending(estimate.backfill),
            "backfill_seconds": estimate.backfill_time.map(|time| time.as_secs_f64()),
            "memory_bytes": estimate.memory_bytes,
            "disk_bytes": estimate.disk_bytes,
        })
    }
}

/// A number without decimals; below ten with one, if it has any.
fn count(number: f64) -> String {
    if number < 10.0 && number.fract() > 0.0 {
        return format!("{number:.1}");
    }
    grouped(format!("{number:.0}"))
}

/// A duration in its two largest units.
fn rough(time: Duration) -> String {
    let seconds = time.as_secs();
    let round = match seconds {
        0..3_600 => 1,
        3_600..86_400 => 60,
        _ => 3_600,
    };
    humantime::format_duration(Duration::from_secs(seconds / round * round)).to_string()
}

fn bytes(bytes: f64) -> String {
    const UNITS: [(&str, f64); 3] = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6)];
    let (unit, size) = UNITS
        .into_iter()
        .find(|(_, size)| bytes >= *size)
        .unwrap_or(("kB", 1e3));
    format!("{:.1} {unit}", bytes / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_as_long_as_they_say_something() {
        assert_eq!(count(1_234_567.8), "1,234,568");
        assert_eq!(count(2.5), "2.5");
        assert_eq!(count(3.0), "3");
        assert_eq!(bytes(9_216_000.0), "9.2 MB");
        assert_eq!(bytes(6_144_000_000.0), "6.1 GB");
        assert_eq!(rough(Duration::from_secs(90)), "1m 30s");
        assert_eq!(rough(Duration::from_secs(100_000)), "1day 3h");
    }
}
