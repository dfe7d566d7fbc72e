//! Rows that are looked at again on request.

use std::{sync::Arc, time::Instant};

use crate::{
    clock::now_ms,
    error::Failure,
    record::{
        Ack, Desired, KeyChange, Offset, PointId, Position, Priority, Provenance, RawRecord,
        Receipt, Recheck, Settled, Ticket,
    },
};

use super::super::{
    RowReader,
    recheck::{Found, Ready, Scanned, Unsettled},
};
use super::State;

impl State {
    /// What is asked for now.
    pub(super) fn on_rechecks(&mut self, open: Arc<[Recheck]>) {
        self.rechecks.learn(open);
    }

    /// The records of rows that were asked for have been read.
    pub(super) fn on_scanned(&mut self, scanned: Scanned) {
        self.rechecks.on_scanned(scanned);
    }

    /// Takes what is asked for as far as it can go right now.
    pub(super) fn recheck(&mut self) {
        let (window, reconciler) = (&self.window, &self.reconciler);
        let (held, incomplete) = (&self.held, &self.incomplete);
        let ready = self.rechecks.ready(|point| {
            if held.holds(point) {
                Unsettled::Held
            } else if window.latest(point).is_some()
                || reconciler.latest(point).is_some()
                || incomplete.holds(point)
            {
                Unsettled::News
            } else {
                Unsettled::Nothing
            }
        });
        let now = Instant::now();
        for ready in ready {
            self.apply(ready, now);
        }
        if let Some(answered) = self.rechecks.finish(self.keeper.claim(), now_ms()) {
            self.services.metrics.count_rechecked(&answered);
            for (row, receipt) in answered.receipts() {
                // What overtook it is compared without relying on the point, too.
                if *receipt != Receipt::Overtaken {
                    self.reconciler.trust(&row.point);
                }
            }
        }
        if self.rechecks.is_due() && self.reconciler.has_caught_up(self.received) {
            let (rows, documents) = (self.rows.clone(), self.documents.clone());
            let reader = RowReader::new(rows, documents, self.point_ids);
            let registry = &self.services.registry;
            for (point, doubt) in self.rechecks.begin(self.received, registry, reader) {
                self.reconciler.doubt(point, doubt);
            }
        }
    }

    fn apply(&mut self, ready: Ready, now: Instant) {
        let Ready {
            ticket,
            point,
            key,
            doubt,
            found,
            last,
        } = ready;
        self.reconciler.doubt(point, doubt);
        let ack = Ack::of_recheck(ticket);
        if let Found::News(news) = found {
            let (change, raw) = *news;
            return self.on_change(change, Some(Ok(point)), raw, ack, now);
        }
        // Nothing is known but the offset: whatever another partition says is later.
        let position = Position {
            offset: last,
            timestamp_ms: 0,
            commit_ms: None,
            source: None,
        };
        let raw = self.no_record(last);
        self.on_desired(
            KeyChange {
                key,
                point,
                desired: Desired::Gone,
                from: Provenance::of_record(position, raw, ack, Priority::Backfill),
                replaces: false,
            },
            now,
        );
    }

    /// Stands for the record that there is none of.
    fn no_record(&self, offset: Offset) -> RawRecord {
        RawRecord {
            topic: self.partition.topic.clone(),
            partition: self.partition.partition,
            offset,
            timestamp_ms: None,
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    /// A row that was asked for can't be processed: whoever asked is told, and no letter is written.
    pub(super) fn refuse(
        &mut self,
        ticket: Ticket,
        earlier: Vec<Ack>,
        stage: &'static str,
        failure: &Failure,
    ) {
        for earlier in earlier {
            self.settle(earlier, Settled::Superseded);
        }
        self.rechecks.refused(ticket, stage, failure);
    }

    /// The worker received news of a key that are later than what was asked for.
    pub(super) fn overtake(&mut self, point: &PointId, ack: &Ack) {
        if ack.recheck().is_none() {
            self.rechecks.overtake(point);
        }
    }
}
