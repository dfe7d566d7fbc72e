//! What was measured, and what it is held against.

use std::fmt;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// Records a second that a replay should reach, for each core that it keeps busy.
const REPLAY_RECORDS: f64 = 150_000.0;
/// Memory that a replay should stay under, in bytes.
const REPLAY_MEMORY: u64 = 300_000_000;
/// Computing time that a row of a backfill should cost at most, in seconds.
const BACKFILL_ROW: f64 = 40e-6;

/// The figures of one scenario.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) scenario: String,
    pub(crate) records: u64,
    /// From the assignment of the partitions until the last record has settled.
    pub(crate) seconds: f64,
    /// Computing time of Vectide's process meanwhile, user and system.
    pub(crate) cpu_seconds: f64,
    /// The most memory that its process had, from its start.
    pub(crate) peak_bytes: u64,
    /// Texts embedded.
    pub(crate) embedded: u64,
    /// Records, by the way they settled.
    pub(crate) settled: Vec<(String, u64)>,
}

impl Figures {
    pub(crate) const HEADER: &str = "\
scenario       records    seconds  records/s  CPU s/million  records/s/core  peak MB  settled";

    pub(crate) fn of(self, scenario: &str) -> Self {
        Self {
            scenario: scenario.to_owned(),
            ..self
        }
    }

    /// How many records settled this way.
    pub(crate) fn settled(&self, way: &str) -> u64 {
        self.settled
            .iter()
            .filter(|(label, _)| label == way)
            .map(|(_, count)| count)
            .sum()
    }

    pub(crate) fn expect_embedded(&self, texts: u64) -> Result<()> {
        // A catalogue may say the same of two products.
        if self.embedded > texts || (texts > 0 && self.embedded == 0) {
            bail!("{texts} texts should have been embedded at most: {self:?}");
        }
        Ok(())
    }

    pub(crate) fn expect_nothing_written(&self) -> Result<()> {
        if self.settled("written") + self.settled("deleted") > 0 {
            bail!("the index was right, and yet written to: {self:?}");
        }
        Ok(())
    }

    fn cpu_a_record(&self) -> f64 {
        self.cpu_seconds / self.records as f64
    }

    pub(crate) fn backfill_target(&self) -> String {
        target(
            self.cpu_a_record() <= BACKFILL_ROW,
            &format!(
                "{:.1} us of CPU a row, at most {:.0}",
                self.cpu_a_record() * 1e6,
                BACKFILL_ROW * 1e6
            ),
        )
    }

    pub(crate) fn replay_targets(&self) -> String {
        let rate = 1.0 / self.cpu_a_record();
        let rate = target(
            rate >= REPLAY_RECORDS,
            &format!("{rate:.0} records/s on a core, at least {REPLAY_RECORDS:.0}"),
        );
        let memory = target(
            self.peak_bytes < REPLAY_MEMORY,
            &format!(
                "{} MB at the peak, under {}",
                self.peak_bytes / 1_000_000,
                REPLAY_MEMORY / 1_000_000
            ),
        );
        format!("{rate}\n{memory}")
    }
}

fn target(met: bool, what: &str) -> String {
    let met = if met { "met" } else { "NOT met" };
    format!("  target {met}: {what}")
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<12} {:>9} {:>10.2} {:>10.0} {:>14.2} {:>15.0} {:>8}  ",
            self.scenario,
            self.records,
            self.seconds,
            self.records as f64 / self.seconds,
            self.cpu_a_record() * 1e6,
            1.0 / self.cpu_a_record(),
            self.peak_bytes / 1_000_000,
        )?;
        let settled: Vec<String> = self
            .settled
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(way, count)| format!("{count} {way}"))
            .collect();
        f.write_str(&settled.join(", "))
    }
}
