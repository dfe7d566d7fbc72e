//! What a simulated day says: tables for people, JSON for programs.

use std::{collections::BTreeMap, io::Write, num::NonZeroU32, time::Duration};

use serde::Serialize;

use super::{
    super::{
        Output,
        demo::report::{number, time},
        layout::{self, Side},
    },
    counters::{Counters, Freshness},
    day::{Assumptions, Kind},
    play::{Part, Played},
};
use crate::cost::Price;

/// What was asked for.
#[derive(Debug, Serialize)]
pub(super) struct Setting {
    pub(super) assumptions: Assumptions,
    pub(super) seed: u64,
    pub(super) hours: u64,
    pub(super) speed: u32,
    pub(super) outage: Option<u8>,
    pub(super) model: String,
    /// `None` where no price of the model is known.
    pub(super) usd_per_million_tokens: Option<f64>,
    pub(super) prices_dated: String,
    pub(super) requests_per_minute: Option<NonZeroU32>,
    pub(super) tokens_per_minute: Option<NonZeroU32>,
}

/// The whole report.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    setting: Setting,
    /// The load before the day, each hour, and what was left after the last.
    parts: Vec<Row>,
    /// The hours and what was left of them, without the load.
    day: Row,
    rows: u64,
    points: u64,
    differences: Vec<String>,
}

/// What was seen of one part of the day.
#[derive(Debug, Serialize)]
struct Row {
    part: String,
    took_seconds: f64,
    /// What the shop did. A deletion is two records.
    events: BTreeMap<Kind, u64>,
    records: u64,
    collapsed: u64,
    unchanged: u64,
    patched: u64,
    deleted: u64,
    upserted: u64,
    parked: u64,
    dead_lettered: u64,
    embedding_calls: u64,
    texts: u64,
    tokens: u64,
    naive_tokens: u64,
    usd: Option<f64>,
    naive_usd: Option<f64>,
    fast_lane_within_seconds: Lane,
    text_lane_within_seconds: Lane,
    lag_peak_records: u64,
    limiter_wait_seconds: f64,
}

/// Freshness: from the commit in the database until visible in the index, in seconds by the clock on the wall: the least
/// bound of the metric's buckets within which so many writes were. `null` where there were none.
#[derive(Debug, Serialize)]
struct Lane {
    p50: Option<f64>,
    p99: Option<f64>,
    max: Option<f64>,
}

impl Setting {
    /// What is assumed, before anything happens.
    pub(super) fn show(&self, out: &mut Output) -> std::io::Result<()> {
        writeln!(
            out,
            "A day of a shop (seed {}); assumed, not measured:",
            self.seed
        )?;
        for line in self.assumptions.lines() {
            writeln!(out, "  - {line}")?;
        }
        let limit = |limit: Option<NonZeroU32>| {
            limit.map_or("no limit".to_owned(), |it| number(it.get().into()))
        };
        writeln!(
            out,
            "{} hours at {} times the speed: an hour takes {}, the quiet time of texts (5 s) {}.",
            self.hours,
            number(self.speed.into()),
            time(Duration::from_hours(1) / self.speed),
            time(Duration::from_secs(5) / self.speed),
        )?;
        writeln!(
            out,
            "Requests a minute of the shop's time: {}; tokens: {}. Freshness is by the clock on the wall.",
            limit(self.requests_per_minute),
            limit(self.tokens_per_minute)
        )?;
        if let Some(hour) = self.outage {
            writeln!(
                out,
                "The embedding endpoint stalls from {hour}:00 for an hour."
            )?;
        }
        writeln!(out)?;
        out.flush()
    }
}

impl Row {
    fn new(part: &Part, price: Option<Price>) -> Self {
        let Counters {
            received,
            superseded,
            unchanged,
            settled: _,
            dead_lettered,
            parked,
            patched,
            deleted,
            upserted,
            requests,
            texts,
            tokens,
            limiter_wait,
            ref fast,
            ref text,
        } = part.counters;
        let dollars = |tokens| price.map(|price| price.of(tokens).dollars());
        Self {
            part: part.name.clone(),
            took_seconds: part.took.as_secs_f64(),
            events: part.kinds.clone(),
            records: received,
            collapsed: superseded,
            unchanged,
            patched,
            deleted,
            upserted,
            parked,
            dead_lettered,
            embedding_calls: requests,
            texts,
            tokens,
            naive_tokens: part.naive_tokens,
            usd: dollars(tokens),
            naive_usd: dollars(part.naive_tokens),
            fast_lane_within_seconds: Lane::new(fast),
            text_lane_within_seconds: Lane::new(text),
            lag_peak_records: part.lag_peak,
            limiter_wait_seconds: limiter_wait,
        }
    }

    fn cells(&self) -> [String; 14] {
        [
            self.part.clone(),
            number(self.records),
            number(self.collapsed),
            number(self.unchanged),
            number(self.patched),
            number(self.deleted),
            number(self.embedding_calls),
            number(self.texts),
            number(self.tokens),
            number(self.naive_tokens),
            self.fast_lane_within_seconds.cell(),
            self.text_lane_within_seconds.cell(),
            number(self.lag_peak_records),
            format!("{:.1} s", self.limiter_wait_seconds),
        ]
    }
}

impl Lane {
    fn new(freshness: &Freshness) -> Self {
        let within = |quantile| freshness.within(quantile).map(|it| it.as_secs_f64());
        Self {
            p50: within(0.5),
            p99: within(0.99),
            max: within(1.0),
        }
    }

    fn cell(&self) -> String {
        let bounds = [self.p50, self.p99, self.max];
        let bound = |seconds: Option<f64>| match seconds {
            None => "-".to_owned(),
            Some(seconds) if seconds < 1.0 => format!("{:.0} ms", seconds * 1_000.0),
            Some(seconds) => format!("{seconds} s"),
        };
        bounds.map(bound).join(" / ")
    }
}

const HEADS: [&str; 14] = [
    "",
    "records",
    "collapsed",
    "same",
    "patched",
    "deleted",
    "calls",
    "texts",
    "tokens",
    "naive",
    "fast lane within",
    "texts within",
    "lag peak",
    "limits",
];

impl Report {
    pub(super) fn new(setting: Setting, played: Played, price: Option<Price>) -> Self {
        let Played {
            parts,
            whole,
            rows,
            points,
            differences,
        } = played;
        Self {
            setting,
            parts: parts.iter().map(|part| Row::new(part, price)).collect(),
            day: Row::new(&whole, price),
            rows,
            points,
            differences,
        }
    }

    pub(super) fn write_json(&self, out: &mut Output) -> anyhow::Result<()> {
        writeln!(out, "{}", serde_json::to_string_pretty(self)?)?;
        out.flush()?;
        Ok(())
    }

    pub(super) fn show(&self, out: &mut Output) -> std::io::Result<()> {
        let mut lines = vec![HEADS.map(str::to_owned)];
        lines.extend(self.parts.iter().chain([&self.day]).map(Row::cells));
        let mut table = String::new();
        layout::folded(&mut table, "", &[Side::Right], &lines, out.width())
            .map_err(std::io::Error::other)?;
        write!(out, "{table}")?;
        writeln!(
            out,
            "\nWithin: the bound within which half, 99 % and all were visible. Limits: how long requests were kept back."
        )?;
        self.show_events(out)?;
        self.show_cost(out)?;
        writeln!(
            out,
            "Index and table, compared row by row: {} rows, {} points, {} differences.",
            number(self.rows),
            number(self.points),
            self.differences.len()
        )?;
        for difference in self.differences.iter().take(10) {
            writeln!(out, "    {difference}")?;
        }
        out.flush()
    }

    fn show_events(&self, out: &mut Output) -> std::io::Result<()> {
        let of = |kind: Kind| number(self.day.events.get(&kind).copied().unwrap_or(0));
        writeln!(
            out,
            "The shop's day: {} sales, of which {} sold out; {} restocked, {} prices, {} texts saved, {} touched, {} new, {} deleted.",
            number(
                [Kind::Sold, Kind::SoldOut]
                    .iter()
                    .filter_map(|kind| self.day.events.get(kind))
                    .sum()
            ),
            of(Kind::SoldOut),
            of(Kind::Restocked),
            of(Kind::Repriced),
            of(Kind::Edited),
            of(Kind::Touched),
            of(Kind::Created),
            of(Kind::Deleted),
        )
    }

    fn show_cost(&self, out: &mut Output) -> std::io::Result<()> {
        let Row {
            tokens,
            naive_tokens,
            usd,
            naive_usd,
            ..
        } = &self.day;
        let saved =
            100.0 * naive_tokens.saturating_sub(*tokens) as f64 / (*naive_tokens).max(1) as f64;
        writeln!(
            out,
            "Tokens of the day: {}, where a call for each record would take {} ({saved:.1} % saved).",
            number(*tokens),
            number(*naive_tokens)
        )?;
        match (usd, naive_usd) {
            (Some(usd), Some(naive)) => writeln!(
                out,
                "With {} (prices of {}): ${usd:.6} in place of ${naive:.6} a day.",
                self.setting.model, self.setting.prices_dated
            ),
            _ => writeln!(out, "No price of {} is known.", self.setting.model),
        }
    }
}
