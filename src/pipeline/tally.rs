//! What a worker counts for others to see, added up between two rounds.
//!
//! A counter, the budget among them, is shared by all partitions: counting there record by record
//! costs each record several writes to memory that all cores write to.

use prometheus::local::{LocalHistogram, LocalIntCounter};

use crate::{
    reconcile::Lookups,
    record::{Settled, WriteKind},
    source::Budget,
    telemetry::PipelineMetrics,
};

/// Counts that have not been passed on yet.
pub(super) struct Tally {
    budget: Budget,
    refund: u64,
    /// In the order of [`Settled::ALL`].
    settled: [(Settled, LocalIntCounter); Settled::ALL.len()],
    /// In the order of [`WriteKind::ALL`].
    visible: [(WriteKind, LocalHistogram); WriteKind::ALL.len()],
    hits: LocalIntCounter,
    misses: LocalIntCounter,
}

impl Tally {
    pub(super) fn new(budget: Budget, metrics: &PipelineMetrics) -> Self {
        let lookups = |outcome| metrics.cache_lookups.with_label_values(&[outcome]).local();
        Self {
            budget,
            refund: 0,
            settled: Settled::ALL.map(|settled| {
                let labels = [settled.label()];
                (settled, metrics.settled.with_label_values(&labels).local())
            }),
            visible: WriteKind::ALL.map(|kind| {
                let latency = metrics.visible_latency.with_label_values(&[kind.label()]);
                (kind, latency.local())
            }),
            hits: lookups("hit"),
            misses: lookups("miss"),
        }
    }

    /// Gives bytes back to the budget.
    pub(super) fn refund(&mut self, bytes: u64) {
        self.refund += bytes;
    }

    /// Counts a record that has settled.
    pub(super) fn settle(&self, settled: Settled) {
        for (way, count) in &self.settled {
            if *way == settled {
                count.inc();
            }
        }
    }

    /// Counts how long a change took to become visible in the index, in seconds.
    pub(super) fn visible_after(&self, kind: WriteKind, seconds: f64) {
        for (written, latency) in &self.visible {
            if *written == kind {
                latency.observe(seconds);
            }
        }
    }

    /// Counts keys with news that were remembered, and those that were not.
    pub(super) fn look_up(&self, lookups: Lookups) {
        self.hits.inc_by(lookups.hits);
        self.misses.inc_by(lookups.misses);
    }

    /// Passes everything on.
    pub(super) fn pass_on(&mut self) {
        self.budget.refund(std::mem::take(&mut self.refund));
        for (_, count) in &self.settled {
            count.flush();
        }
        for (_, latency) in &self.visible {
            latency.flush();
        }
        self.hits.flush();
        self.misses.flush();
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.pass_on();
    }
}
