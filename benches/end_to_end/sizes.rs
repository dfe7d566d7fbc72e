//! How much is measured.

use anyhow::{Context as _, Result};

/// What the mock cluster keeps of a partition, in bytes; older records vanish.
const MOCK_KEEPS: u64 = 5 * 1024 * 1024;
/// What a record takes there, its framing included, and a margin for uneven partitions.
const MOCK_RECORD: u64 = 1_800;

/// The size of the topic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Rows of the table: `VECTIDE_BENCH_ROWS`.
    pub(crate) rows: u64,
    /// Changes of stock: `VECTIDE_BENCH_FLIPS`. The replay reads these and the rows.
    pub(crate) flips: u64,
    /// Partitions of the topic: `VECTIDE_BENCH_PARTITIONS`.
    pub(crate) partitions: u64,
}

impl Sizes {
    pub(crate) fn from_environment() -> Result<Self> {
        Ok(Self {
            rows: variable("VECTIDE_BENCH_ROWS", 20_000)?.max(1),
            flips: variable("VECTIDE_BENCH_FLIPS", 480_000)?,
            partitions: variable("VECTIDE_BENCH_PARTITIONS", 4)?.max(1),
        })
    }

    /// The same on the mock cluster: no more than it keeps, so that the producer can't run ahead
    /// of what a member has committed.
    pub(crate) fn on_mock(self) -> Self {
        let partitions = self.partitions.max(32);
        let most = partitions * (MOCK_KEEPS / MOCK_RECORD);
        let rows = self.rows.min(most / 4);
        Self {
            rows,
            flips: self.flips.min(most - rows),
            partitions,
        }
    }
}

/// A number in the environment.
pub(crate) fn variable(name: &str, default: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => text
            .replace('_', "")
            .parse()
            .with_context(|| format!("{name} is no number: {text}")),
        Err(_) => Ok(default),
    }
}
