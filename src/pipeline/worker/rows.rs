//! News of rows: completed, made into documents, and collapsed in the window.

use std::time::Instant;

use crate::{
    clock::now_ms,
    error::{Disposition, Failure},
    index::LookedUp,
    record::{
        Ack, Completion, Creation, Desired, KeyChange, Origin, PointId, Priority, Provenance,
        RawRecord, RowChange, RowKey, RowState, Settled,
    },
};

use super::super::{
    held::{HELD_ENTRY, HeldRecord},
    incomplete::IncompleteRow,
};
use super::State;

impl State {
    /// The document is made before the window collapses: a row that can't be used must not
    /// supersede one that can.
    pub(super) fn on_change(
        &mut self,
        news: RowChange,
        point: Option<Result<PointId, Failure>>,
        raw: RawRecord,
        ack: Ack,
        now: Instant,
    ) {
        let point = match point.unwrap_or_else(|| self.point_of(&news.key)) {
            Ok(point) => point,
            Err(failure) => return self.bury(raw, ack, Vec::new(), "document", failure),
        };
        self.overtake(&point, &ack);
        let RowChange {
            key,
            state,
            position,
            origin,
        } = news;
        let age_ms = now_ms().saturating_sub(position.changed_ms());
        let priority = Priority::of(origin, age_ms);
        // A former owner that did not know of the truncate may be writing the row still.
        let (state, replaces) = match (state, self.truncated) {
            (RowState::Present(_), Some(mark)) if mark.covers(&position) => (RowState::Gone, true),
            (state, _) => (state, false),
        };
        let mut from = Provenance::of_record(position, raw, ack, priority);
        match state {
            RowState::Gone => {
                let change = KeyChange {
                    key,
                    point,
                    desired: Desired::Gone,
                    from,
                    replaces,
                };
                self.on_desired(change, now);
            }
            RowState::Present(row) => {
                if origin == Origin::Created {
                    from.creation = Creation::This;
                }
                let row = IncompleteRow {
                    key,
                    point,
                    row,
                    from,
                };
                if self.documents.unavailable(&row.row).next().is_none() {
                    self.on_row(row, now);
                } else {
                    self.on_incomplete(row, now);
                }
            }
        }
    }

    /// A row that lacks what did not change takes it from what came before: from earlier news that
    /// has not been settled, else from the point.
    pub(super) fn on_incomplete(&mut self, mut row: IncompleteRow, now: Instant) {
        let point = row.point;
        if self.held.holds(&point) {
            let refund = self.ledger.lighten(&row.from.ack, HELD_ENTRY);
            self.tally.refund(refund);
            return self
                .held
                .hold_behind(point, HeldRecord::of(row.from.position, row.from.ack));
        }
        let latest = self.window.latest(&point);
        match latest.or_else(|| self.reconciler.latest(&point)) {
            Some((Desired::Row(earlier), ack)) => {
                // It waits for this one, but only its acknowledgement is kept.
                let refund = self.ledger.lighten(ack, HELD_ENTRY);
                self.tally.refund(refund);
                self.documents
                    .complete(&mut row.row, &earlier.payload, &earlier.source_columns);
                row.from.completion = Completion::owed();
                self.on_row(row, now);
            }
            // A row that was deleted and made anew comes whole; what is said of its values here
            // can't be known.
            Some((Desired::Gone, _)) => self.on_row(row, now),
            None => {
                let fields = self
                    .documents
                    .unavailable(&row.row)
                    .filter_map(|column| self.documents.field_of(column))
                    .collect();
                if let Some(ticket) = self.incomplete.wait(row) {
                    self.index
                        .look_up(ticket, point, fields, self.answers.lookup.clone());
                }
            }
        }
    }

    /// The index said what it holds for a row that waits.
    pub(super) fn on_looked_up(&mut self, looked_up: LookedUp) {
        let Some(mut row) = self.incomplete.answered(looked_up.ticket) else {
            return;
        };
        if let Some(known) = looked_up.point {
            self.reconciler
                .remember(row.point, &known.stored, known.epoch);
            self.documents
                .complete(&mut row.row, &known.payload, &known.stored.source_columns);
        }
        self.on_row(row, Instant::now());
    }

    /// A row that is as complete as it will be.
    pub(super) fn on_row(&mut self, row: IncompleteRow, now: Instant) {
        let IncompleteRow {
            key,
            point,
            row,
            from,
        } = row;
        match self.documents.build(&row) {
            Ok(document) => {
                let change = KeyChange {
                    key,
                    point,
                    desired: Desired::Row(Box::new(document)),
                    from,
                    replaces: false,
                };
                self.on_desired(change, now);
            }
            Err(failure) => {
                if failure.disposition != Disposition::Blocked {
                    let earlier = from.completion.into_acks();
                    return self.bury(from.raw, from.ack, earlier, "document", failure);
                }
                let position = from.position;
                let record = HeldRecord {
                    creates: from.creation == Creation::This,
                    ..HeldRecord::of(position, from.ack)
                };
                self.give_up(Some(point), from.raw, record, "document", failure);
                for earlier in from.completion.into_acks() {
                    let refund = self.ledger.lighten(&earlier, HELD_ENTRY);
                    self.tally.refund(refund);
                    self.held
                        .hold_behind(point, HeldRecord::of(position, earlier));
                }
            }
        }
    }

    pub(super) fn on_desired(&mut self, mut change: KeyChange, now: Instant) {
        self.supersede_held(&mut change);
        if let Some(offset) = self.traced_offset(&change.from.ack) {
            self.traced.collapses(offset, change.point);
        }
        for superseded in self.incomplete.supersede(&change.point) {
            change.replaces = true;
            self.settle(superseded, Settled::Superseded);
        }
        for superseded in self.window.push(change, now) {
            self.settle(superseded, Settled::Superseded);
        }
    }

    pub(super) fn point_of(&self, key: &RowKey) -> Result<PointId, Failure> {
        self.point_ids.of(&self.partition.topic, key)
    }

    /// Hands what the window has collapsed to the reconciler.
    pub(super) fn close_window(&mut self, now: Instant) {
        for change in self.window.take() {
            if let Some(offset) = self.traced_offset(&change.from.ack) {
                self.traced.collapsed(offset, now);
            }
            self.reconciler.on_change(change, now, &mut self.actions);
        }
    }
}
