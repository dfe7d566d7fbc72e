//! What a seed came to, in a line; and all seeds of a run.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use vectide_embedded::embeddings::Stats;

use crate::{oracle::Breach, rechecks::Counts};

/// What a seed came to.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) length: Duration,
    pub(crate) events: usize,
    /// By kind.
    pub(crate) faults: BTreeMap<String, usize>,
    pub(crate) rechecks: Counts,
    /// From the end of the last fault until all was committed, and index and table were equal.
    pub(crate) recovery: Duration,
    pub(crate) breaches: Vec<Breach>,
    pub(crate) embedded: Stats,
    /// Where the processes' logs are, while there are differences.
    pub(crate) folder: PathBuf,
}

impl Report {
    fn count(&self, label: &str) -> usize {
        let breaches = self.breaches.iter();
        breaches.filter(|it| it.difference.label() == label).count()
    }

    /// How to run this seed again.
    pub(crate) fn command(&self) -> String {
        command(self.seed, self.length)
    }
}

/// How to run a seed again.
pub(crate) fn command(seed: u64, length: Duration) -> String {
    format!(
        "VECTIDE_CHAOS_START={seed} VECTIDE_CHAOS_SEEDS=1 VECTIDE_CHAOS_SECONDS={} make chaos",
        length.as_secs()
    )
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.breaches.is_empty() {
            "ok"
        } else {
            "FAILED"
        };
        write!(
            formatter,
            "seed {}: {verdict}: {} events, {} lost, {} stale, {} resurrected, {} without a letter, \
             {} needlessly a letter, {} partitions uncommitted; {} texts embedded, {} of them again; \
             {} audits, {} points damaged, {} repaired meanwhile, {} replays; recovered in {:.1} s; faults:",
            self.seed,
            self.events,
            self.count("lost"),
            self.count("stale"),
            self.count("resurrected"),
            self.count("without a letter"),
            self.count("needlessly a letter"),
            self.count("uncommitted"),
            self.embedded.inputs,
            self.embedded.duplicate_texts,
            self.rechecks.audits,
            self.rechecks.damaged,
            self.rechecks.repaired,
            self.rechecks.replays,
            self.recovery.as_secs_f64(),
        )?;
        for (name, count) in &self.faults {
            match count {
                1 => write!(formatter, " {name}")?,
                count => write!(formatter, " {count} × {name}")?,
            }
        }
        if !self.breaches.is_empty() {
            for breach in &self.breaches {
                write!(formatter, "\n  {breach}")?;
            }
            let folder = self.folder.display();
            write!(formatter, "\n  logs: {folder}\n  again: {}", self.command())?;
        }
        Ok(())
    }
}

/// What the seeds of a run came to together.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    seeds: usize,
    events: usize,
    faults: BTreeMap<String, usize>,
    /// By the heading that breaches are counted under.
    breaches: BTreeMap<&'static str, usize>,
    rechecks: Counts,
    texts: u64,
    duplicates: u64,
    recoveries: Vec<Duration>,
}

impl Summary {
    pub(crate) fn add(&mut self, report: &Report) {
        self.seeds += 1;
        self.events += report.events;
        for (name, count) in &report.faults {
            *self.faults.entry(name.clone()).or_default() += count;
        }
        for breach in &report.breaches {
            *self.breaches.entry(breach.difference.label()).or_default() += 1;
        }
        self.rechecks += report.rechecks;
        self.texts += report.embedded.inputs;
        self.duplicates += report.embedded.duplicate_texts;
        self.recoveries.push(report.recovery);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut recoveries = self.recoveries.clone();
        recoveries.sort();
        let at = |percent: usize| {
            let last = recoveries.len().saturating_sub(1);
            let recovery = recoveries.get(last * percent / 100);
            recovery.copied().unwrap_or_default().as_secs_f64()
        };
        let Counts {
            audits,
            replays,
            damaged,
            repaired,
        } = self.rechecks;
        writeln!(
            formatter,
            "{} seeds ended: {} events, {} faults; promises broken: {:?}; {} texts embedded, {} of them again; \
             {audits} audits, {damaged} points damaged, {repaired} repaired meanwhile, {replays} replays; \
             recovered in {:.1} s (median), {:.1} s (p95), {:.1} s (longest)",
            self.seeds,
            self.events,
            self.faults.values().sum::<usize>(),
            self.breaches,
            self.texts,
            self.duplicates,
            at(50),
            at(95),
            at(100),
        )?;
        write!(formatter, "faults: {:?}", self.faults)
    }
}
