//! Truncates: made known to all, and applied to what is at hand.

use std::time::Instant;

use tracing::info;

use crate::{
    config::TruncatePolicy,
    index::MarkState,
    record::{Ack, Position, Settled, TruncateMark},
};

use super::super::held::{HELD_ENTRY, HeldRecord};
use super::State;

impl State {
    /// The table was emptied: all members must learn of it before the record settles.
    pub(super) fn on_truncate(&mut self, position: &Position, ack: Ack) {
        match self.on_truncate {
            TruncatePolicy::Ignore => {
                self.services
                    .metrics
                    .skipped
                    .with_label_values(&["truncate"])
                    .inc();
                self.settle(ack, Settled::Skipped);
            }
            TruncatePolicy::Apply => self.truncates.raise(TruncateMark::at(position), ack),
            TruncatePolicy::Block => {
                let message = "its truncate waits for a decision; set rows.truncate to \"apply\", and the points of the rows from before go, or to \"ignore\", and they stay";
                let refund = self.ledger.lighten(&ack, HELD_ENTRY);
                self.tally.refund(refund);
                let record = HeldRecord::of(*position, ack);
                let superseded = self.held.hold(None, message, record);
                debug_assert!(superseded.is_empty(), "it has no key");
            }
        }
    }

    /// What is known of the table's last truncate as the partition begins.
    pub(super) fn begin_with(&mut self, state: &MarkState) {
        if self.on_truncate != TruncatePolicy::Apply {
            return;
        }
        if let Some((mark, unswept)) = state.of_partition(self.partition.partition) {
            self.truncated = Some(mark);
            self.truncates.expect_late(mark, Instant::now());
            if unswept {
                self.truncates.sweep(mark);
            }
        }
    }

    /// The table's last truncate became known, maybe from another member.
    pub(super) fn on_mark(&mut self, state: &MarkState) {
        if self.on_truncate != TruncatePolicy::Apply {
            return;
        }
        let Some((mark, unswept)) = state.of_partition(self.partition.partition) else {
            return;
        };
        let is_news = self
            .truncated
            .is_none_or(|known| mark.is_later_than(&known));
        if is_news {
            info!(partition = %self.partition, commit_ms = mark.commit_ms, "the table was truncated; the rows from before go");
            let now = Instant::now();
            self.truncated = Some(mark);
            self.truncates.expect_late(mark, now);
            self.window.truncate(&mark);
            for ack in self.held.truncate(&mark) {
                self.settle(ack, Settled::Deleted);
            }
            for row in self.incomplete.take_covered(&mark) {
                self.on_desired(row.gone(), now);
            }
            self.reconciler.truncate(&mark, now, &mut self.actions);
        }
        // A former owner may have swept before this one wrote what it didn't know to be gone.
        if unswept || is_news {
            self.truncates.sweep(mark);
        }
    }

    /// The points of rows from before a truncate are gone.
    pub(super) fn on_swept(&mut self, mark: TruncateMark) {
        for ack in self.truncates.swept(&mark) {
            self.settle(ack, Settled::Deleted);
        }
    }
}
