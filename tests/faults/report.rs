//! What a seed came to, in a line.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use vectide_embedded::embeddings::Stats;

use crate::oracle::Difference;

/// What a seed came to.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) length: Duration,
    pub(crate) events: usize,
    /// By kind.
    pub(crate) faults: BTreeMap<String, usize>,
    /// From the end of the last fault until all was committed, and index and table were equal.
    pub(crate) recovery: Duration,
    pub(crate) differences: Vec<Difference>,
    pub(crate) embedded: Stats,
    /// Where the processes' logs are, while there are differences.
    pub(crate) folder: PathBuf,
}

impl Report {
    fn count(&self, label: &str) -> usize {
        let differences = self.differences.iter();
        differences.filter(|it| it.label() == label).count()
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
        let verdict = if self.differences.is_empty() {
            "ok"
        } else {
            "FAILED"
        };
        write!(
            formatter,
            "seed {}: {verdict}: {} events, {} lost, {} stale, {} resurrected, {} without a letter, \
             {} needlessly a letter, {} partitions uncommitted; {} texts embedded, {} of them again; \
             recovered in {:.1} s; faults:",
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
            self.recovery.as_secs_f64(),
        )?;
        for (name, count) in &self.faults {
            match count {
                1 => write!(formatter, " {name}")?,
                count => write!(formatter, " {count} × {name}")?,
            }
        }
        if !self.differences.is_empty() {
            for difference in &self.differences {
                write!(formatter, "\n  {difference}")?;
            }
            let folder = self.folder.display();
            write!(formatter, "\n  logs: {folder}\n  again: {}", self.command())?;
        }
        Ok(())
    }
}
