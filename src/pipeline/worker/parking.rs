//! Rows that wait for their vectors: parked where they would be in the way, and worked off when there
//! is time.

use std::time::{Duration, Instant};

use crate::{
    index::ParkedRows,
    record::{KeyChange, RawRecord, Settled},
};

use super::State;

/// How long a text may wait while memory is scarce: longer than it takes where the provider keeps up.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often rows to park are looked for while memory is scarce.
const WHILE_SCARCE: Duration = Duration::from_millis(100);
/// How often rows to park are looked for while there is memory.
const EVERY: Duration = Duration::from_secs(1);

/// When rows are parked.
#[derive(Debug, Clone, Copy)]
pub struct ParkAfter(pub Duration);

impl State {
    /// When it is to be looked for rows to park.
    pub(super) fn parks_at(&self) -> Option<Instant> {
        let may_have_some = self.park_after.is_some() && self.reconciler.waits_for_vectors();
        may_have_some.then_some(self.next_park)
    }

    /// Parks what is in the way.
    pub(super) fn park(&mut self, now: Instant) {
        let (Some(ParkAfter(age)), true) = (self.park_after, self.next_park <= now) else {
            return;
        };
        let is_scarce = self.services.budget.is_scarce();
        self.next_park = now + if is_scarce { WHILE_SCARCE } else { EVERY };
        let patience = match is_scarce {
            // Others have been waiting longer, and come first.
            true if self.debts.may_be() => Duration::ZERO,
            true => PATIENCE.min(age),
            false => age,
        };
        if let Some(then) = now.checked_sub(patience) {
            self.reconciler.park(then, now, &mut self.actions);
        }
    }

    /// Takes parked rows in hand, as far as there is time for them.
    pub(super) fn work_off(&mut self, now: Instant) {
        let others = self
            .reconciler
            .buying()
            .saturating_sub(self.debts.in_hand());
        let has_room = self.has_room_for_debts();
        self.debts
            .read(&self.index, &self.partition, others, has_room, now);
    }

    /// Whether one more parked row may be taken in hand: where memory is not scarce, each partition has one
    /// at least.
    fn has_room_for_debts(&self) -> bool {
        let budget = &self.services.budget;
        let is_idle = self.debts.in_hand() == 0;
        budget.has_room_for_parked() || (is_idle && !budget.is_scarce())
    }

    /// Parked rows were read.
    pub(super) fn on_parked_rows(&mut self, page: ParkedRows) {
        let now = Instant::now();
        let count = page.rows.len();
        for (point, known) in page.rows {
            // News of the row are compared with its point anyway.
            if self.reconciler.latest(&point).is_some() {
                continue;
            }
            if !self.has_room_for_debts() {
                return self.debts.on_part_of_page(point, now);
            }
            let budget = &self.services.budget;
            let cost = |record: &RawRecord, text: &str| budget.cost_of_parked(record, text);
            let Some(change) = KeyChange::of_parked(point, known, cost) else {
                continue;
            };
            // A truncated row's point is about to go.
            let truncated = self.truncated;
            if truncated.is_some_and(|mark| mark.covers(&change.from.position)) {
                continue;
            }
            self.debts
                .on_taken(change.from.ack.debt().unwrap_or_default());
            self.reconciler.on_change(change, now, &mut self.actions);
        }
        self.debts.on_page(count, page.next, now);
    }

    /// A parked row that was in hand came to rest.
    pub(super) fn on_debt_settled(&mut self, charged: u64, settled: Settled) {
        self.debts.on_settled(charged);
        if settled == Settled::Written {
            self.services.metrics.debts_paid.inc();
        }
    }
}
