//! From the moment a change is produced until the collection shows it.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::view::{Seen, View};

/// How long it is rested between two looks at the collection.
const REST: Duration = Duration::from_millis(1);
/// How long a change may take before the benchmark has failed.
const PATIENCE: Duration = Duration::from_mins(2);

/// A change that was produced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Produced {
    pub(crate) row: usize,
    pub(crate) change: Change,
    /// Just before the producer's `send`.
    pub(crate) at: Instant,
}

/// What was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The stock, to this number; later changes of the row's stock have higher ones.
    Flip(i64),
    Delete,
}

impl Produced {
    fn is_shown(&self, seen: Option<&Seen>) -> bool {
        match (self.change, seen) {
            (Change::Flip(wanted), Some(Seen::Row { stock, .. })) => *stock >= wanted,
            // Deleted since, before anybody looked.
            (Change::Flip(_), Some(Seen::Tombstone)) => true,
            (Change::Flip(_), None) => false,
            (Change::Delete, seen) => !matches!(seen, Some(Seen::Row { .. })),
        }
    }
}

/// Changes that are waited for.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    waiting: Vec<Produced>,
    pub(crate) flips: Latencies,
    pub(crate) deletes: Latencies,
}

impl Sightings {
    pub(crate) fn expect(&mut self, produced: Produced) {
        self.waiting.push(produced);
    }

    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Looks once at all rows that are waited for, and rests.
    pub(crate) async fn look(&mut self, view: &View) -> Result<()> {
        let rows: Vec<usize> = self.waiting.iter().map(|produced| produced.row).collect();
        if !rows.is_empty() {
            let seen = view.look(&rows).await?;
            let now = Instant::now();
            let is_shown = |produced: &mut Produced| produced.is_shown(seen.get(&produced.row));
            for shown in self.waiting.extract_if(.., is_shown) {
                let latency = now - shown.at;
                match shown.change {
                    Change::Flip(_) => self.flips.0.push(latency),
                    Change::Delete => self.deletes.0.push(latency),
                }
            }
            if let Some(late) = self.waiting.iter().find(|it| it.at.elapsed() > PATIENCE) {
                let shows = seen.get(&late.row);
                let waiting = self.waiting.len();
                bail!("{late:?} is never shown, but {shows:?}; {waiting} changes are waited for");
            }
        }
        tokio::time::sleep(REST).await;
        Ok(())
    }

    /// Looks until nothing is waited for.
    pub(crate) async fn wait(&mut self, view: &View) -> Result<()> {
        while self.is_waiting() {
            self.look(view).await?;
        }
        Ok(())
    }
}

/// How long changes took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// The latency that this share of the changes did not exceed.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length is an index"
        )]
        let rank = (share * sorted.len() as f64).ceil() as usize;
        let found = sorted.get(rank.saturating_sub(1));
        found.copied().unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn with(mut self, others: &Self) -> Self {
        self.0.extend(&others.0);
        self
    }
}
