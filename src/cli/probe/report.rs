//! What was measured, for people and for programs.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use serde_json::{Value as Json, json};

use crate::{
    cli::layout::{self, Side},
    cost::{Price, grouped},
    probe::{End, Figures, Measured, Quality},
};

/// All of it.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) requests: usize,
    pub(super) concurrency: usize,
    pub(super) batch: usize,
    /// How many different texts there were, and from where.
    pub(super) texts: usize,
    pub(super) source: String,
    /// The provider that the others' vectors are compared with.
    pub(super) reference: String,
    pub(super) prices_dated: String,
    pub(super) rows: Vec<Row>,
}

/// One provider.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) model: String,
    pub(super) dimensions: u32,
    pub(super) price: Option<Price>,
    pub(super) measured: Measured,
    pub(super) figures: Figures,
    /// `None` for the reference, and where there are too few vectors.
    pub(super) quality: Option<Quality>,
}

impl Report {
    /// What was asked for, in a sentence.
    pub(super) fn task(&self) -> String {
        let way = match self.concurrency {
            1 => "one after the other".to_owned(),
            n => format!("{n} at a time"),
        };
        let batch = match self.batch {
            1 => "one text".to_owned(),
            n => format!("{n} texts"),
        };
        format!(
            "{} requests to each provider, {way}, {batch} a request; {} texts ({})",
            grouped(self.requests),
            grouped(self.texts),
            self.source
        )
    }

    /// A line a figure, a column a provider.
    pub(super) fn table(&self) -> Vec<Vec<String>> {
        let line = |name: &str, of: &dyn Fn(&Row) -> String| {
            let cells = self.rows.iter().map(of);
            [name.to_owned()].into_iter().chain(cells).collect()
        };
        let latency = |of: &'static dyn Fn(&Figures) -> Option<Duration>| {
            move |row: &Row| of(&row.figures).map_or("-".to_owned(), shown)
        };
        let mut lines: Vec<Vec<String>> = vec![
            line("", &|row| row.name.clone()),
            line("model", &|row| row.model.clone()),
            line("dimensions", &|row| row.dimensions.to_string()),
            line("mean latency", &latency(&|it| it.latencies.mean())),
            line("p50", &latency(&|it| it.latencies.percentile(50.0))),
            line("p90", &latency(&|it| it.latencies.percentile(90.0))),
            line("p99", &latency(&|it| it.latencies.percentile(99.0))),
            line("max", &latency(&|it| it.latencies.max())),
            line("requests", &|row| grouped(row.figures.requests)),
            line("success", &|row| percent(row.figures.success)),
            line("throttled", &|row| grouped(row.measured.throttled())),
            line("texts/s", &|row| rate(row.figures.texts_per_second)),
            line("tokens/s", &Row::token_rate),
            line("$/M tokens", &|row| {
                let price = row
                    .price
                    .map(|price| price.dollars_per_million().to_string());
                price.unwrap_or_else(|| "-".to_owned())
            }),
            line("cost", &|row| {
                let cost = row.figures.cost.map(|cost| cost.to_string());
                cost.unwrap_or_else(|| "-".to_owned())
            }),
        ];
        if self.rows.len() > 1 {
            let neighbours = self.rows.iter().find_map(|row| row.quality);
            let neighbours = neighbours.map_or(0, |quality| quality.neighbours);
            lines.push(line(&format!("agreement at {neighbours}"), &|row| {
                self.of_quality(row, |quality| percent(Some(quality.agreement)))
            }));
            lines.push(line("mean cosine", &|row| {
                self.of_quality(row, |quality| {
                    let cosine = quality.cosine.map(|cosine| format!("{cosine:.4}"));
                    cosine.unwrap_or_else(|| "-".to_owned())
                })
            }));
        }
        lines
    }

    fn of_quality(&self, row: &Row, of: impl Fn(&Quality) -> String) -> String {
        match &row.quality {
            Some(quality) => of(quality),
            None if row.name == self.reference => "reference".to_owned(),
            None => "-".to_owned(),
        }
    }

    /// What the table does not say, a line each.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        for Row { name, measured, .. } in &self.rows {
            for (reason, kind) in &measured.failed {
                let count = grouped(kind.count);
                remarks.push(format!("{name}: {count} × {reason}: {}", kind.message));
            }
            match &measured.end {
                End::Complete => {}
                End::Interrupted => remarks.push(format!("{name}: interrupted")),
                End::Ceiling => remarks.push(format!("{name}: stopped at the ceiling")),
                End::Blocked(_) => remarks.push(format!(
                    "{name}: stopped, because it refuses everything until that is mended"
                )),
            }
        }
        if let Some(quality) = self.rows.iter().find_map(|row| row.quality) {
            remarks.push(format!(
                "Agreement: of the {} nearest neighbours of {} texts, how many are those that {} finds; by chance {}",
                quality.neighbours,
                grouped(quality.texts),
                self.reference,
                percent(Some(quality.by_chance)),
            ));
        }
        if self.rows.iter().any(|row| row.price.is_some()) {
            remarks.push(format!("Prices of {}, in US dollars", self.prices_dated));
        }
        if self.rows.iter().any(Row::is_estimated) {
            remarks.push("~ tokens are estimated: the provider does not tell them".to_owned());
        }
        remarks
    }

    /// Table and remarks, the table within so many characters a line.
    pub(super) fn to_text(&self, within: Option<usize>) -> Result<String, fmt::Error> {
        let mut text = format!("{}\n\n", self.task());
        let sides = [Side::Left, Side::Right];
        layout::folded(&mut text, "", &sides, &self.table(), within)?;
        let remarks = self.remarks();
        if !remarks.is_empty() {
            text.push('\n');
        }
        for remark in remarks {
            writeln!(text, "{remark}")?;
        }
        Ok(text)
    }

    /// One object.
    pub(super) fn to_json(&self) -> Json {
        let providers: Vec<Json> = self.rows.iter().map(Row::to_json).collect();
        json!({
            "requests": self.requests,
            "concurrency": self.concurrency,
            "batch": self.batch,
            "texts": self.texts,
            "texts_from": self.source,
            "reference": self.reference,
            "prices_dated": self.prices_dated,
            "providers": providers,
        })
    }
}

impl Row {
    fn is_estimated(&self) -> bool {
        !self.measured.tokens_told && self.measured.tokens > 0
    }

    fn token_rate(&self) -> String {
        let about = if self.is_estimated() { "~" } else { "" };
        format!("{about}{}", rate(self.figures.tokens_per_second))
    }

    fn to_json(&self) -> Json {
        let Self {
            measured, figures, ..
        } = self;
        let latencies = &figures.latencies;
        let milliseconds = |latency: Option<Duration>| latency.map(|it| it.as_secs_f64() * 1e3);
        let errors: serde_json::Map<String, Json> = measured
            .failed
            .iter()
            .map(|(reason, kind)| {
                let error = json!({ "count": kind.count, "message": kind.message });
                ((*reason).to_owned(), error)
            })
            .collect();
        let (end, why) = match &measured.end {
            End::Complete => ("complete", None),
            End::Interrupted => ("interrupted", None),
            End::Ceiling => ("ceiling", None),
            End::Blocked(why) => ("blocked", Some(why)),
        };
        let quality = self.quality.map(|quality| {
            json!({
                "texts": quality.texts,
                "neighbours": quality.neighbours,
                "agreement": quality.agreement,
                "agreement_by_chance": quality.by_chance,
                "mean_cosine": quality.cosine,
            })
        });
        json!({
            "name": self.name,
            "url": self.url,
            "model": self.model,
            "dimensions": self.dimensions,
            "end": end,
            "blocked_by": why,
            "requests": figures.requests,
            "answered": latencies.count(),
            "success_rate": figures.success,
            "throttled": measured.throttled(),
            "errors": errors,
            "latency_ms": {
                "mean": milliseconds(latencies.mean()),
                "p50": milliseconds(latencies.percentile(50.0)),
                "p90": milliseconds(latencies.percentile(90.0)),
                "p99": milliseconds(latencies.percentile(99.0)),
                "max": milliseconds(latencies.max()),
            },
            "seconds": measured.elapsed.as_secs_f64(),
            "texts": measured.texts,
            "tokens": measured.tokens,
            "tokens_told_by_provider": measured.tokens_told,
            "texts_per_second": figures.texts_per_second,
            "tokens_per_second": figures.tokens_per_second,
            "usd_per_million_tokens": self.price.map(Price::dollars_per_million),
            "usd": figures.cost.map(crate::cost::Money::dollars),
            "quality": quality,
        })
    }
}

/// Three or four digits of a latency.
fn shown(latency: Duration) -> String {
    let milliseconds = latency.as_secs_f64() * 1e3;
    match milliseconds {
        0.0..10.0 => format!("{milliseconds:.2} ms"),
        10.0..1_000.0 => format!("{milliseconds:.1} ms"),
        _ => format!("{:.2} s", milliseconds / 1e3),
    }
}

/// Two decimals, and never 100 % for what is less.
fn percent(share: Option<f64>) -> String {
    let Some(share) = share else {
        return "-".to_owned();
    };
    let hundredths = if share < 1.0 {
        (share * 1e4).round().min(9_999.0)
    } else {
        1e4
    };
    format!("{:.2} %", hundredths / 100.0)
}

fn rate(per_second: Option<f64>) -> String {
    match per_second {
        None => "-".to_owned(),
        Some(rate) if rate < 10.0 => format!("{rate:.1}"),
        Some(rate) => grouped(format!("{rate:.0}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_as_long_as_they_say_something() {
        let latency = |micros| shown(Duration::from_micros(micros));
        assert_eq!(
            [latency(1_234), latency(123_456), latency(12_345_678)],
            ["1.23 ms", "123.5 ms", "12.35 s"]
        );
        assert_eq!([rate(Some(2.34)), rate(Some(12_345.6))], ["2.3", "12,346"]);
        assert_eq!(rate(None), "-");
    }

    #[test]
    fn one_failure_in_many_is_not_rounded_away() {
        assert_eq!(percent(Some(0.999_999)), "99.99 %");
        assert_eq!(percent(Some(1.0)), "100.00 %");
        assert_eq!(percent(Some(0.75)), "75.00 %");
    }
}
