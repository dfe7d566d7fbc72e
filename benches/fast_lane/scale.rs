//! How much is measured.

use std::{env, time::Duration};

use anyhow::{Context as _, Result};

use crate::sizes::{Sizes, variable};

/// How much is measured, beside the [`Sizes`] of the topic.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    /// Flips on the idle system, and half as many deletes: `VECTIDE_BENCH_IDLE`.
    pub(crate) idle: u64,
    /// How long flips go on while the endpoint is stalled: `VECTIDE_BENCH_STALL_SECONDS`.
    pub(crate) stall: Duration,
    /// Flips and deletes a second meanwhile: `VECTIDE_BENCH_RATE`.
    pub(crate) rate: u64,
    /// Changes of texts that arrive while the endpoint is stalled and memory is full:
    /// `VECTIDE_BENCH_PARKED`.
    pub(crate) parked: u64,
    /// How many of them a second: `VECTIDE_BENCH_PARKED_RATE`.
    pub(crate) parked_rate: u64,
    /// Records of each topic that is replayed: `VECTIDE_BENCH_RECORDS`, with commas.
    pub(crate) records: Vec<u64>,
    /// How many of them are of one key, on average: `VECTIDE_BENCH_RECORDS_A_KEY`.
    pub(crate) records_a_key: u64,
    /// The length of the vectors in what is replayed: `VECTIDE_BENCH_DIMENSIONS`. A replay reads
    /// none, and a million of the usual length would fill the memory of many machines.
    pub(crate) dimensions: u32,
}

impl Scale {
    pub(crate) fn from_environment() -> Result<Self> {
        let records = env::var("VECTIDE_BENCH_RECORDS")
            .unwrap_or_else(|_| "10_000,100_000,1_000_000".to_owned());
        let records = records
            .split(',')
            .filter(|number| !number.trim().is_empty())
            .map(|number| {
                number
                    .trim()
                    .replace('_', "")
                    .parse()
                    .with_context(|| format!("VECTIDE_BENCH_RECORDS: {number} is no number"))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            idle: variable("VECTIDE_BENCH_IDLE", 200)?,
            stall: Duration::from_secs(variable("VECTIDE_BENCH_STALL_SECONDS", 60)?),
            rate: variable("VECTIDE_BENCH_RATE", 500)?.max(1),
            parked: variable("VECTIDE_BENCH_PARKED", 200_000)?,
            parked_rate: variable("VECTIDE_BENCH_PARKED_RATE", 2_000)?.max(1),
            records,
            records_a_key: variable("VECTIDE_BENCH_RECORDS_A_KEY", 5)?.max(1),
            dimensions: variable("VECTIDE_BENCH_DIMENSIONS", 256)?.try_into()?,
        })
    }

    /// The same on the mock cluster, which keeps no more than this.
    pub(crate) fn on_mock(mut self, most: u64) -> Self {
        self.records.retain(|records| *records <= most);
        self.parked = self.parked.min(most);
        self
    }

    /// Texts that memory has no room for.
    pub(crate) fn backlog(&self) -> Backlog {
        Backlog {
            texts: self.parked,
            keys: (self.parked / self.records_a_key).max(10),
            rate: self.parked_rate,
        }
    }

    /// A topic of this many records.
    pub(crate) fn replayed(&self, records: u64) -> Replayed {
        let keys = (records / self.records_a_key).max(10);
        Replayed {
            records: records.max(keys),
            keys,
            // Each is two records: the delete, and the tombstone that follows it.
            deleted: (keys / 10).min(records.saturating_sub(keys) / 2),
        }
    }
}

/// Texts that arrive while the endpoint is stalled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backlog {
    pub(crate) texts: u64,
    /// Of so many rows.
    pub(crate) keys: u64,
    /// So many a second.
    pub(crate) rate: u64,
}

/// A topic that is replayed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replayed {
    pub(crate) records: u64,
    pub(crate) keys: u64,
    pub(crate) deleted: u64,
}

/// The topic of the latencies: its flips are counted in the [`Scale`].
pub(crate) fn rows(sizes: &Sizes) -> usize {
    usize::try_from(sizes.rows).unwrap_or(usize::MAX)
}
