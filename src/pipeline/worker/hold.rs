//! What can't be processed: held where it concerns the whole table, else sent to the dead letters.

use std::time::Instant;

use tracing::warn;

use crate::{
    dead_letter::{DeadLetter, Delivered},
    error::{Disposition, Failure},
    record::{Ack, Creation, KeyChange, PointId, RawRecord, Settled, Ticket},
};

use super::super::{
    held::{HELD_ENTRY, HeldRecord},
    withheld::WithheldLetter,
};
use super::State;

/// Dead letters that are logged one by one; of those behind, every thousandth. A topic with the
/// wrong converter has millions. The metric counts them all.
const BURIALS_TOLD: u64 = 20;

impl State {
    /// Nothing can be made of a record: it is held where that concerns the whole table.
    pub(super) fn give_up(
        &mut self,
        point: Option<PointId>,
        raw: RawRecord,
        record: HeldRecord,
        stage: &'static str,
        failure: Failure,
    ) {
        let is_held = failure.disposition == Disposition::Blocked;
        if !is_held || record.ack.recheck().is_some() {
            return self.bury(raw, record.ack, Vec::new(), stage, failure);
        }
        let refund = self.ledger.lighten(&record.ack, HELD_ENTRY);
        self.tally.refund(refund);
        let waiting = point.map(|point| self.incomplete.supersede(&point));
        let held = self.held.hold(point, &failure.message, record);
        for superseded in held.into_iter().chain(waiting.into_iter().flatten()) {
            self.settle(superseded, Settled::Superseded);
        }
    }

    /// What is held of a key that has usable news need not be processed any more.
    pub(super) fn supersede_held(&mut self, change: &mut KeyChange) {
        for held in self.held.supersede(&change.point).into_iter().rev() {
            change.replaces = true;
            let creation = if held.creates {
                Creation::This
            } else {
                Creation::No
            };
            let offset = held.position.offset;
            let later = &mut change.from.creation;
            for superseded in creation
                .hand_on(offset, held.ack, later, &change.desired)
                .into_iter()
                .flatten()
            {
                self.settle(superseded, Settled::Superseded);
            }
        }
    }

    /// Lets the source know whether the partition stands still, and the operator whether records
    /// are held.
    pub(super) fn tell_of_held(&mut self) {
        let is_closed = self.gate.is_closed();
        let closes = self.held.len() > 0 && {
            // All partitions that hold records may have a quarter of the budget together.
            let holding = self.services.blocked.partitions() as u64;
            let budget = self.services.budget.limit() / holding.div_ceil(16).max(1);
            self.held.closes_gate(is_closed, self.ledger.len(), budget)
        };
        let now = Instant::now();
        let closes = closes || self.withheld.closes_gate(self.services.budget.limit());
        let stalls = self.stall.closes_gate_at().is_some_and(|at| at <= now);
        self.gate.set_closed(closes || stalls);
        let cause = self.held.cause();
        let is_news = match (cause, &self.told) {
            (Some(now), Some(told)) => !now.is_same(told),
            (None, None) => false,
            _ => true,
        };
        if is_news {
            self.services.blocked.set(&self.partition, cause);
            self.told = cause.cloned();
        }
    }

    /// Sends a record to the dead letters, unless its table has too many: then it is withheld.
    /// `earlier` are the records from which it took values.
    pub(super) fn bury(
        &mut self,
        raw: RawRecord,
        ack: Ack,
        earlier: Vec<Ack>,
        stage: &'static str,
        failure: Failure,
    ) {
        if let Some(ticket) = ack.recheck() {
            return self.refuse(ticket, earlier, stage, &failure);
        }
        if let Some(offset) = self.traced_offset(&ack) {
            self.traced.buries(offset, stage, failure.reason);
        }
        let letter = DeadLetter {
            raw,
            stage,
            failure,
        };
        let letter = WithheldLetter {
            letter,
            ack,
            earlier,
        };
        let topic = &self.partition.topic;
        let breakers = &self.services.breakers;
        if breakers.lets_out(topic, &letter.letter.failure, Instant::now()) {
            self.send(letter);
        } else {
            self.withheld.push(letter);
        }
    }

    /// Lets withheld letters out once their table has no longer too many.
    pub(super) fn release_withheld(&mut self) {
        if self.withheld.is_empty() || self.services.breakers.withholds(&self.partition.topic) {
            return;
        }
        for letter in self.withheld.take() {
            self.send(letter);
        }
    }

    /// Sends a record to the dead letters; once it is delivered there it settles, and with it the
    /// earlier records from which it took values.
    fn send(&mut self, letter: WithheldLetter) {
        let WithheldLetter {
            letter,
            ack,
            earlier,
        } = letter;
        let (raw, stage, failure) = (&letter.raw, letter.stage, &letter.failure);
        let buried = self.next_dead + 1;
        if buried <= BURIALS_TOLD || buried.is_multiple_of(1_000) {
            let why = failure.told(self.log_row_values);
            warn!(
                partition = %self.partition,
                offset = %raw.offset,
                stage,
                reason = failure.reason,
                buried,
                "dead letter: {why}"
            );
        }
        let reason = failure.reason;
        self.services
            .metrics
            .dead_letters
            .with_label_values(&[stage, reason])
            .inc();
        let ticket = Ticket(self.next_dead);
        self.next_dead += 1;
        self.dead.insert(ticket, (ack, earlier));
        self.services
            .dead_letters
            .submit(ticket, letter, self.answers.dead.clone());
    }

    pub(super) fn on_delivered(&mut self, delivered: Delivered) {
        if let Some((ack, earlier)) = self.dead.remove(&delivered.ticket) {
            for earlier in earlier {
                self.settle(earlier, Settled::Superseded);
            }
            self.settle(ack, Settled::DeadLettered);
        }
    }
}
