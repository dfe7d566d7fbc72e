//! Parking: a row whose text would wait too long is written without its vector, and its point says
//! that one is owed.
//!
//! So its record settles, and what comes behind it in the partition is neither waited with nor kept
//! in memory. Whoever owns the partition works the debts off, as news of the same row at the same
//! offset whose acknowledgement is [of a debt](Ack::of_debt).

use std::time::Instant;

use crate::record::{Desired, Parked, PointId, Settled};

use super::{Action, Observed, Observer, Reconciler, slot::View};

impl Reconciler {
    /// Parks the rows whose texts have waited since `then` or before, and are not on their way to the
    /// provider: what is sent is paid for.
    pub fn park(&mut self, then: Instant, now: Instant, out: &mut Vec<Action>) {
        let mut parks = Vec::new();
        for (point, slot) in &mut self.slots {
            if slot.may_park(then) {
                slot.park();
                parks.push(*point);
            }
        }
        for point in parks {
            self.advance(point, now, out);
        }
    }

    /// Whether some row may be waiting for its vector.
    pub fn waits_for_vectors(&self) -> bool {
        self.is_buying() || self.due().is_some()
    }

    /// Takes a row to where it is parked.
    pub(super) fn park_slot(
        &mut self,
        point: PointId,
        observed: &Observed,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        self.forget_text(point);
        let at_ms = self.past.taken_over.ms_at(now);
        let Some(slot) = self.slots.get(&point) else {
            return;
        };
        let Desired::Row(document) = &slot.news.desired else {
            return;
        };
        let wanted = document.text_hash;
        let parked = Some(Parked {
            text: document.text.clone(),
            at_ms,
        });
        if matches!(observed, Observed::Present(_)) {
            return self.patch_parked(point, observed, parked, out);
        }
        let Observer {
            partition,
            fingerprint,
            ..
        } = &self.observer;
        let mut stored = slot.stored(document, partition, fingerprint);
        stored.text_hash = None;
        stored.wanted = Some(wanted);
        stored.parked = parked;
        let payload = document.payload.clone();
        self.write_whole(point, observed, (None, payload, stored), out);
    }

    /// The point says all that the news does, and what is owed.
    pub(super) fn settle_parked(
        &mut self,
        point: PointId,
        observed: &Observed,
        out: &mut Vec<Action>,
    ) {
        if let Some(slot) = self.slots.get_mut(&point) {
            slot.news.settles_as = Settled::Parked;
            self.settle(point, observed, out);
        }
    }

    /// The text of a parked row was refused: nothing is owed any more.
    pub(super) fn cancel_debt(&mut self, point: PointId, out: &mut Vec<Action>) {
        if let Some(slot) = self.slots.get(&point)
            && let View::Known(observed) = slot.view.clone()
        {
            self.patch(point, &observed, out);
        }
    }
}
