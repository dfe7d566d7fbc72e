//! One key, taken as far as it can go right now.

use std::{cmp::Reverse, time::Instant};

use crate::{
    error::Failure,
    record::{
        Desired, Doubt, Parked, Payload, PointId, PointVector, Settled, Stored, Superseded, Write,
        WriteKind,
    },
};

use super::{
    Action, Delays, Observed, Observer, Plan, Reconciler,
    in_flight::{Embedding, InFlight},
    news::Text,
    plan,
    slot::{View, earlier_acks},
};

impl Reconciler {
    /// Takes a key as far as it can go right now.
    pub(super) fn advance(&mut self, point: PointId, now: Instant, out: &mut Vec<Action>) {
        let Some(slot) = self.slots.get_mut(&point) else {
            return;
        };
        let View::Known(observed) = slot.view.clone() else {
            return;
        };
        if slot.writing.is_some() {
            return;
        }
        let position = slot.news.from.position;
        if observed.compare(&position).by_clock && !slot.news.by_clock_counted {
            slot.news.by_clock_counted = true;
            out.push(Action::OrderedByClock);
        }
        slot.count_version_conflict(&observed, out);
        let Some(slot) = self.slots.get(&point) else {
            return;
        };
        if self.past.is_later(&observed, &position) {
            return self.settle_older(point, &observed, out);
        }
        if slot.is_debt_of_another_time(&observed) {
            return self.settle(point, &observed, out);
        }
        let desired = &slot.news.desired;
        if slot.doubt.is_none() && self.past.is_reflected(&observed, &position, Some(desired)) {
            return self.settle(point, &observed, out);
        }
        let comparable = self.past.to_be_trusted(slot.observed(&observed));
        let contested = self.past.is_contested(slot, &observed);
        match plan(&slot.news.desired, &comparable, slot.vector_text()) {
            Plan::Nothing if contested => self.touch(point, &observed, now, out),
            Plan::Embed if contested && slot.is_refused() => {
                self.touch(point, &observed, now, out);
            }
            Plan::Embed if slot.is_parked() => {
                self.settle_parked(point, &observed, out);
            }
            Plan::Embed | Plan::PatchThenEmbed if slot.is_to_be_parked() => {
                self.park_slot(point, &observed, now, out);
            }
            Plan::Nothing => self.settle(point, &observed, out),
            Plan::Delete => self.delete(point, &observed, now, out),
            Plan::Patch => {
                self.forget_text(point);
                self.patch(point, &observed, out);
            }
            Plan::PatchThenEmbed => {
                // Also when the text is refused: the payload is owed all the same, and the next
                // look, at a point with this payload, gives the text up.
                if !slot.is_refused() {
                    self.embed(point, &observed, now, out);
                }
                self.patch(point, &observed, out);
            }
            Plan::Embed => {
                self.embed(point, &observed, now, out);
            }
            Plan::Upsert => self.upsert(point, &observed, out),
        }
    }

    pub(super) fn forget_text(&mut self, point: PointId) {
        if let Some(slot) = self.slots.get_mut(&point) {
            slot.forget_text(&mut self.embeddings);
        }
    }

    /// The point is as of later news of the key than these, which a former owner had and this one has
    /// still to read. They are compared without what is in doubt, too, and whoever asked for the row
    /// is told that they overtook it.
    fn settle_older(&mut self, point: PointId, observed: &Observed, out: &mut Vec<Action>) {
        let is_to_be_read = observed.written().is_some_and(|it| it.offset().is_some());
        if let Some(slot) = self.slots.get_mut(&point)
            && let Some(doubt) = slot.doubt.filter(|doubt| *doubt > Doubt::Memory)
            && is_to_be_read
        {
            self.doubts.insert(point, doubt);
            if slot.news.from.ack.recheck().is_some() {
                slot.news.settles_as = Settled::Superseded;
            }
        }
        self.settle(point, observed, out);
    }

    /// Index and table agree about this key: its record settles.
    pub(super) fn settle(&mut self, point: PointId, observed: &Observed, out: &mut Vec<Action>) {
        self.cache.insert(point, observed);
        if let Some(mut slot) = self.slots.remove(&point) {
            slot.forget_text(&mut self.embeddings);
            self.savings.merge(slot.news.saved());
            for earlier in earlier_acks(slot.news.from.creation, slot.news.from.completion) {
                out.push(Action::superseded(earlier));
            }
            out.push(Action::Settle {
                ack: slot.news.from.ack,
                settled: slot.news.settles_as,
            });
        }
    }

    /// The key's record can't be processed.
    pub(super) fn give_up(
        &mut self,
        point: PointId,
        stage: &'static str,
        failure: Failure,
        out: &mut Vec<Action>,
    ) {
        if let Some(mut slot) = self.slots.remove(&point) {
            // What was written before the record proved unusable is there, and must be known.
            if let View::Known(observed) = std::mem::replace(&mut slot.view, View::Unknown) {
                self.cache.insert(point, &observed);
            }
            slot.forget_text(&mut self.embeddings);
            (*slot).into_dead_letter(stage, failure, out);
        }
    }

    /// Writes what is there, so that what the former owner may be writing finds a later epoch.
    fn touch(&mut self, point: PointId, observed: &Observed, now: Instant, out: &mut Vec<Action>) {
        match observed {
            Observed::Present(_) => self.patch(point, observed, out),
            _ => self.delete(point, observed, now, out),
        }
    }

    fn delete(&mut self, point: PointId, observed: &Observed, now: Instant, out: &mut Vec<Action>) {
        self.forget_text(point);
        let Some(slot) = self.slots.get(&point) else {
            return;
        };
        let tombstone = slot.tombstone(&self.observer.partition, self.past.taken_over.ms_at(now));
        let becomes = self
            .observer
            .observe_tombstone(&tombstone, Some(self.observer.since));
        let write = Write::Delete {
            point,
            tombstone: Box::new(tombstone),
            unread: *observed == Observed::AssumedAbsent,
            expected: self.past.expected(&slot.news, observed),
        };
        self.write(point, write, becomes, Settled::Deleted, out);
    }

    pub(super) fn patch(&mut self, point: PointId, observed: &Observed, out: &mut Vec<Action>) {
        self.patch_parked(point, observed, None, out);
    }

    /// The same, where the text may be `parked`.
    pub(super) fn patch_parked(
        &mut self,
        point: PointId,
        observed: &Observed,
        parked: Option<Parked>,
        out: &mut Vec<Action>,
    ) {
        let Some(slot) = self.slots.get(&point) else {
            return;
        };
        let (Desired::Row(document), Observed::Present(present)) = (&slot.news.desired, observed)
        else {
            return;
        };
        let Observer {
            partition,
            fingerprint,
            since,
        } = &self.observer;
        let mut stored = slot.stored(document, partition, fingerprint);
        stored.text_hash = present.text;
        stored.wanted = (present.text != Some(document.text_hash)).then_some(document.text_hash);
        stored.parked = parked;
        let mut becomes = self.observer.observe_row(&stored, Some(*since));
        if let Observed::Present(becomes) = &mut becomes {
            becomes.other_model = present.other_model;
        }
        let write = Write::PatchPayload {
            point,
            payload: document.payload.clone(),
            stored: Box::new(stored),
            kept_text: present.noted_text(),
            expected: self.past.expected(&slot.news, observed),
        };
        self.write(point, write, becomes, Settled::Written, out);
    }

    fn upsert(&mut self, point: PointId, observed: &Observed, out: &mut Vec<Action>) {
        let Some(slot) = self.slots.get_mut(&point) else {
            return;
        };
        let Some((_, vector)) = slot.vector.take() else {
            return;
        };
        slot.news.text.has_vector();
        let Desired::Row(document) = &slot.news.desired else {
            return;
        };
        let Observer {
            partition,
            fingerprint,
            ..
        } = &self.observer;
        let stored = slot.stored(document, partition, fingerprint);
        let payload = document.payload.clone();
        self.write_whole(point, observed, (Some(vector), payload, stored), out);
    }

    /// Writes a point as a whole: parked, where it has no vector.
    pub(super) fn write_whole(
        &mut self,
        point: PointId,
        observed: &Observed,
        (vector, payload, stored): (Option<PointVector>, Payload, Stored),
        out: &mut Vec<Action>,
    ) {
        let settles_as = match vector {
            Some(_) => Settled::Written,
            None => Settled::Parked,
        };
        let since = Some(self.observer.since);
        let becomes = self.observer.observe_row(&stored, since);
        let Some(slot) = self.slots.get(&point) else {
            return;
        };
        let write = Write::Upsert {
            point,
            vector,
            payload,
            stored: Box::new(stored),
            unread: *observed == Observed::AssumedAbsent,
            expected: self.past.expected(&slot.news, observed),
        };
        self.write(point, write, becomes, settles_as, out);
    }

    fn write(
        &mut self,
        point: PointId,
        write: Write,
        becomes: Observed,
        settles_as: Settled,
        out: &mut Vec<Action>,
    ) {
        let ticket = self.issue(point);
        let owes = write.owes();
        if let Some(slot) = self.slots.get_mut(&point) {
            let settles_late_as = match slot.news.desired {
                Desired::Gone => settles_as,
                Desired::Row(_) => Settled::Superseded,
            };
            slot.writing = Some(InFlight {
                becomes,
                position: slot.news.from.position,
                shows: shows(&slot.view, &write),
                settles_as,
                settles_late_as,
                superseded: Superseded::new(),
                is_doubtful: false,
                owes,
            });
            out.push(Action::Write { ticket, write });
        }
    }

    /// Sees to it that the key's text is bought once it has been quiet; gives the key up where
    /// it can't be embedded.
    fn embed(&mut self, point: PointId, observed: &Observed, now: Instant, out: &mut Vec<Action>) {
        let next = self.next_ticket();
        let Some(slot) = self.slots.get_mut(&point) else {
            return;
        };
        let Desired::Row(document) = &slot.news.desired else {
            return;
        };
        let (text, hash) = (document.text.clone(), document.text_hash);
        let priority = slot.news.from.priority;
        if let Some(refused) = slot.refused() {
            let (stage, failure) = (refused.stage, refused.failure.clone());
            return if slot.is_owed() {
                self.cancel_debt(point, out);
            } else {
                self.give_up(point, stage, failure, out);
            };
        }
        let is_under_way = |embedding: &Embedding| embedding.text == hash;
        if slot.embedding.as_ref().is_some_and(is_under_way) {
            return;
        }
        slot.forget_embedding(&mut self.embeddings);
        let Delays { quiet, max_hold } = self.delays;
        let (due, is_news) = slot.hold_text(hash, now, |debounce| debounce.due(quiet, max_hold));
        if self.draining {
            return;
        }
        if due > now {
            if is_news {
                self.deadlines.push(Reverse((due, point)));
            }
            return;
        }
        slot.held_back = None;
        let (embedding, wanted) = Embedding::new(next, hash);
        slot.embedding = Some(embedding);
        slot.news.text = Text::AskedFor;
        self.embeddings.insert(next, point);
        out.push(Action::Embed {
            ticket: next,
            point,
            text,
            reason: observed.reason_to_embed(),
            priority,
            wanted,
        });
    }
}

/// What a write does, if searchers find something else after it than before.
fn shows(view: &View, write: &Write) -> Option<WriteKind> {
    let is_shown = match (write, view) {
        // No vector search finds a point without one.
        (Write::Upsert { vector, .. }, _) => vector.is_some(),
        (Write::PatchPayload { stored, .. }, View::Known(Observed::Present(present))) => {
            present.payload != Some(stored.payload_hash.short())
        }
        (Write::Delete { .. }, View::Known(Observed::Tombstone(_))) => false,
        _ => true,
    };
    is_shown.then(|| write.kind())
}
