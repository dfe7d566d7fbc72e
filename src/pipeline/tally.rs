//! What a worker counts for others to see, added up between two rounds.
//!
//! A counter, the budget among them, is shared by all partitions: counting there record by record
//! costs each record several writes to memory that all cores write to.

use prometheus::local::{LocalHistogram, LocalIntCounter};

use crate::{record::Settled, source::Budget, telemetry::PipelineMetrics};

/// Counts that have not been passed on yet.
pub(super) struct Tally {
    budget: Budget,
    refund: u64,
    /// In the order of [`Settled::ALL`].
    settled: [(Settled, LocalIntCounter); Settled::ALL.len()],
    written: LocalHistogram,
    deleted: LocalHistogram,
}

impl Tally {
    pub(super) fn new(budget: Budget, metrics: &PipelineMetrics) -> Self {
        let latency = |settled: Settled| {
            let labels = [settled.label()];
            metrics.settle_latency.with_label_values(&labels).local()
        };
        Self {
            budget,
            refund: 0,
            settled: Settled::ALL.map(|settled| {
                let labels = [settled.label()];
                (settled, metrics.settled.with_label_values(&labels).local())
            }),
            written: latency(Settled::Written),
            deleted: latency(Settled::Deleted),
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
    pub(super) fn visible_after(&self, settled: Settled, seconds: f64) {
        match settled {
            Settled::Written => self.written.observe(seconds),
            Settled::Deleted => self.deleted.observe(seconds),
            _ => {}
        }
    }

    /// Passes everything on.
    pub(super) fn pass_on(&mut self) {
        self.budget.refund(std::mem::take(&mut self.refund));
        for (_, count) in &self.settled {
            count.flush();
        }
        self.written.flush();
        self.deleted.flush();
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.pass_on();
    }
}
