//! The table: what was measured, and what it is held against.

use std::{fmt, time::Duration};

use crate::{
    member::Figures, parked::Parked, replay::Measured, sighting::Latencies, stalled::Stalled,
};

/// On an idle system.
const IDLE_P50: Duration = Duration::from_millis(10);
const IDLE_P99: Duration = Duration::from_millis(17);
/// While the embedding endpoint is stalled.
const STALLED_P99: Duration = Duration::from_millis(60);

/// Lines of the table.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Line>);

#[derive(Debug)]
struct Line {
    what: String,
    measured: String,
    target: Option<Target>,
}

#[derive(Debug)]
struct Target {
    wish: String,
    is_met: bool,
    /// Whether the program is wrong where it isn't met, rather than slow.
    is_correctness: bool,
}

impl Report {
    pub(crate) fn latencies(
        &mut self,
        what: &str,
        latencies: &Latencies,
        (p50, p99): (Option<Duration>, Option<Duration>),
    ) {
        for (name, share, target) in [("p50", 0.5, p50), ("p90", 0.9, None), ("p99", 0.99, p99)] {
            let latency = latencies.quantile(share);
            self.0.push(Line {
                what: format!("{what}, {} times: {name}", latencies.len()),
                measured: milliseconds(latency),
                target: target.map(|target| Target {
                    wish: format!("at most {}", milliseconds(target)),
                    is_met: latency <= target,
                    is_correctness: false,
                }),
            });
        }
    }

    /// Something that must not be at all.
    pub(crate) fn none(&mut self, what: impl Into<String>, count: u64) {
        self.0.push(Line {
            what: what.into(),
            measured: count.to_string(),
            target: Some(Target {
                wish: "0".to_owned(),
                is_met: count == 0,
                is_correctness: true,
            }),
        });
    }

    fn figure(&mut self, what: impl Into<String>, measured: String) {
        self.0.push(Line {
            what: what.into(),
            measured,
            target: None,
        });
    }

    pub(crate) fn idle(&mut self, flips: &Latencies, deletes: &Latencies) {
        let targets = (Some(IDLE_P50), Some(IDLE_P99));
        self.latencies("idle: flip", flips, targets);
        self.latencies("idle: delete", deletes, targets);
    }

    pub(crate) fn stalled(&mut self, stalled: &Stalled) {
        let Stalled {
            backlog, sightings, ..
        } = stalled;
        let both = sightings.flips.clone().with(&sightings.deletes);
        self.latencies("stalled: flip", &sightings.flips, (None, Some(STALLED_P99)));
        let deletes = &sightings.deletes;
        self.latencies("stalled: delete", deletes, (None, Some(STALLED_P99)));
        self.latencies("stalled: either", &both, (None, None));
        self.none(
            "stalled: requests to the endpoint during the flips",
            stalled.requests,
        );
        self.none(
            format!("stalled: texts bought beyond the backlog of {backlog}"),
            stalled.texts.saturating_sub(*backlog),
        );
        self.figure(
            "stalled: peak memory",
            format!("{} MB", stalled.peak_bytes / 1_000_000),
        );
    }

    pub(crate) fn parked(&mut self, parked: &Parked) {
        let Parked {
            backlog, sightings, ..
        } = parked;
        let of = format!("parked: {} texts of {} rows", backlog.texts, backlog.keys);
        self.latencies(&format!("{of}: flip"), &sightings.flips, (None, None));
        self.latencies(&format!("{of}: delete"), &sightings.deletes, (None, None));
        for (what, figure) in [
            (
                "unsettled records, all received and nothing bought",
                parked.unsettled.to_string(),
            ),
            ("rows whose texts waited", parked.rows.to_string()),
            ("texts bought", parked.texts.to_string()),
            ("worked off", format!("{:.0} s", parked.seconds)),
        ] {
            self.figure(format!("{of}: {what}"), figure);
        }
        let megabytes = |bytes: u64| format!("{} MB", bytes / 1_000_000);
        self.0.push(Line {
            what: format!("{of}: peak memory"),
            measured: megabytes(parked.peak_bytes),
            target: Some(Target {
                wish: format!("at most {}", megabytes(parked.most_bytes)),
                is_met: parked.peak_bytes <= parked.most_bytes,
                is_correctness: true,
            }),
        });
        self.none(
            format!("{of}: rows that differ from the table at the end"),
            parked.differences,
        );
    }

    pub(crate) fn replay(&mut self, measured: &Measured) {
        let size = measured.size;
        let of = format!(
            "replay of {} records, {} keys, {} deleted",
            size.records, size.keys, size.deleted
        );
        let Measured {
            replay, watched, ..
        } = measured;
        self.none(format!("{of}: requests to the endpoint"), measured.requests);
        self.none(format!("{of}: points written"), replay.written);
        let sights = format!("of {} points in {} looks", watched.points, watched.looks);
        self.none(
            format!("{of}: deleted rows seen, {sights}"),
            watched.deleted,
        );
        self.none(format!("{of}: older rows seen, {sights}"), watched.older);
        self.none(
            format!("{of}: rows that differ from the table, before and after"),
            measured.differences,
        );
    }

    /// Whether the program did nothing that is wrong.
    pub(crate) fn is_correct(&self) -> bool {
        let targets = self.0.iter().filter_map(|line| line.target.as_ref());
        targets
            .filter(|target| target.is_correctness)
            .all(|target| target.is_met)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|line| line.what.len()).max();
        let width = width.unwrap_or_default();
        for line in &self.0 {
            write!(f, "{:<width$}  {:>10}", line.what, line.measured)?;
            match &line.target {
                Some(target) => {
                    let met = if target.is_met { "met" } else { "NOT met" };
                    writeln!(f, "  target {}: {met}", target.wish)?;
                }
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

/// How things grow, a line a size.
pub(crate) fn growth(sizes: &[Measured]) -> String {
    let mut lines = vec![
        "  records      keys  what      records/s  CPU us/record  peak MB  single flips p50, p99"
            .to_owned(),
    ];
    for size in sizes {
        let line = |what: &str, records: u64, figures: &Figures| {
            format!(
                "{:>9} {:>9}  {what:<8} {:>10.0} {:>14.2} {:>8}",
                size.size.records,
                size.size.keys,
                records as f64 / figures.seconds,
                figures.cpu_seconds / records as f64 * 1e6,
                figures.peak_bytes / 1_000_000,
            )
        };
        let flips = &size.idle.flips;
        let (changes, figures) = &size.changes;
        lines.push(format!(
            "{}  {}, {}",
            line("changes", *changes, figures),
            milliseconds(flips.quantile(0.5)),
            milliseconds(flips.quantile(0.99)),
        ));
        lines.push(line("replay", size.size.records, &size.replay));
    }
    lines.join("\n")
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}
