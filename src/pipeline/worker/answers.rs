//! Answers come in, and what the reconciler wants done is done.

use std::{sync::Arc, time::Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tracing::{info, warn};

use crate::{
    clock::now_ms,
    cost::Purpose,
    embed::{EmbedReply, EmbedRequest},
    index::IndexReply,
    reconcile::Action,
    record::{Ack, Offset, Settled, Ticket, Write, WriteOutcome},
    telemetry::Exemplar,
};

use super::{super::upkeep::Kept, State};

impl State {
    pub(super) fn on_index(&mut self, reply: IndexReply, more: &mut UnboundedReceiver<IndexReply>) {
        let now = Instant::now();
        let mut next = Some(reply);
        while let Some(reply) = next {
            match reply {
                IndexReply::Read { ticket, point } => {
                    let epoch = self.keeper.claim().fence().epoch();
                    if point.is_written_above(epoch, &self.partition) {
                        self.suspend();
                    }
                    self.traced.answered(ticket, None, now);
                    self.reconciler
                        .on_read(ticket, &point, now, &mut self.actions);
                }
                IndexReply::Written { ticket, outcome } => {
                    if outcome == WriteOutcome::Fenced {
                        self.suspend();
                    }
                    self.traced.answered(ticket, not_written(&outcome), now);
                    self.reconciler
                        .on_written(ticket, outcome, now, &mut self.actions);
                }
            }
            next = more.try_recv().ok();
        }
    }

    /// A later owner has written: no writes go out before it is known who owns the partition.
    fn suspend(&mut self) {
        if self.suspended.is_some() {
            return;
        }
        warn!(
            partition = %self.partition,
            "another member has written this partition's points; nothing is written until the group confirms whose it is"
        );
        self.suspended = Some(Vec::new());
        self.keeper.renew(now_ms);
    }

    /// The partition's bookkeeping was kept up.
    pub(super) fn on_kept(&mut self, kept: Kept) {
        match kept {
            Kept::Noted(offset) => {
                self.keeper.on_kept();
                self.frontier.note(offset);
            }
            Kept::Renewed(epoch) => {
                info!(partition = %self.partition, "the partition is still this member's");
                self.frontier.set_epoch(epoch);
                self.reconciler.take_over_again(epoch, &mut self.actions);
                self.rechecks.take_over_again();
                for (ticket, write) in self.suspended.take().unwrap_or_default() {
                    self.write(ticket, write);
                }
            }
        }
    }

    fn write(&mut self, ticket: Ticket, write: Write) {
        if let Some(waiting) = &mut self.suspended {
            return waiting.push((ticket, write));
        }
        let fence = self.keeper.claim().fence();
        let reply = self.answers.index.clone();
        self.index.write(ticket, write, fence, reply);
    }

    pub(super) fn on_embedded(
        &mut self,
        reply: EmbedReply,
        more: &mut UnboundedReceiver<EmbedReply>,
    ) {
        let now = Instant::now();
        let mut next = Some(reply);
        while let Some(EmbedReply { ticket, outcome }) = next {
            let failure = outcome.as_ref().err().map(|failure| failure.reason);
            self.traced.answered(ticket, failure, now);
            self.reconciler
                .on_embedded(ticket, outcome, now, &mut self.actions);
            next = more.try_recv().ok();
        }
    }

    /// Does what is due, then what the reconciler wants done.
    pub(super) fn on_time(&mut self) {
        let now = Instant::now();
        if self.window.due(self.linger).is_some_and(|due| due <= now) {
            self.close_window(now);
        }
        self.reconciler.on_time(now, &mut self.actions);
        self.park(now);
        self.act();
        self.work_off(now);
        self.recheck();
        self.truncates.repeat(now, now_ms());
        self.release_withheld();
        if let Some(frontier) = self.ledger.frontier() {
            self.frontier.publish(frontier);
            let is_due = self
                .keeper
                .due(Some(frontier))
                .is_some_and(|due| due <= now);
            if is_due && let Some(watermark) = self.reflected.watermark(frontier) {
                self.keeper.keep_up(watermark, frontier, now, now_ms());
            }
        }
        let unsettled_since = self.ledger.unsettled_since_ms();
        let unsettled_since = unsettled_since.or_else(|| self.stall.waiting_since_ms());
        self.frontier.publish_unsettled_since(unsettled_since);
        self.show();
        self.tell_of_held();
    }

    pub(super) fn act(&mut self) {
        let now = Instant::now();
        for action in std::mem::take(&mut self.actions) {
            match action {
                Action::Read { ticket, point } => {
                    self.traced.reads(ticket, &point, now);
                    self.index.read(ticket, point, self.answers.index.clone());
                }
                Action::Embed {
                    ticket,
                    point,
                    text,
                    reason,
                    priority,
                    wanted,
                } => {
                    let seen = self.traced.embeds(ticket, &point, now);
                    let purpose = Purpose {
                        table: self.partition.topic.clone(),
                        reason,
                    };
                    self.services.embedder.submit(EmbedRequest {
                        ticket,
                        text,
                        purpose,
                        priority,
                        wanted,
                        seen: seen.as_ref().map(Arc::downgrade),
                        reply: self.answers.embed.clone(),
                    });
                }
                Action::Write { ticket, write } => {
                    self.traced.writes(ticket, &write, now);
                    self.write(ticket, write);
                }
                Action::Settle { ack, settled } => self.settle(ack, settled),
                Action::Visible { position, kind } => {
                    let at_ms = now_ms();
                    let latency_ms = at_ms.saturating_sub(position.changed_ms()).max(0);
                    let value = latency_ms as f64 / 1_000.0;
                    self.tally.visible_after(kind, value);
                    if let Some(trace) = self.traced.trace(position.offset) {
                        let exemplar = Exemplar {
                            value,
                            trace,
                            at_ms,
                        };
                        let exemplars = &self.services.metrics.visible_exemplars;
                        exemplars.note(kind.label(), exemplar);
                    }
                }
                Action::DeadLetter {
                    raw,
                    ack,
                    earlier,
                    stage,
                    failure,
                } => {
                    self.bury(raw, ack, earlier, stage, failure);
                }
                Action::VersionConflict => self.services.metrics.version_conflicts.inc(),
                Action::OrderedByClock => self.services.metrics.ordered_by_clock.inc(),
            }
        }
    }

    /// The one path by which records settle.
    pub(super) fn settle(&mut self, ack: Ack, settled: Settled) {
        if settled == Settled::Parked {
            self.debts.on_parked();
        }
        if let Some(charged) = ack.debt() {
            return self.on_debt_settled(charged, settled);
        }
        if let Some(ticket) = ack.recheck() {
            return self.rechecks.settled(ticket, settled);
        }
        if let Some(offset) = self.traced_offset(&ack) {
            self.traced.settled(offset, settled, Instant::now());
        }
        let refund = self.ledger.settle(ack);
        self.tally.refund(refund);
        self.tally.settle(settled);
    }

    /// Where a record stands, if any is traced.
    pub(super) fn traced_offset(&self, ack: &Ack) -> Option<Offset> {
        if self.traced.is_empty() {
            return None;
        }
        self.ledger.offset(ack)
    }
}

/// Why a write changed nothing, if it didn't.
fn not_written(outcome: &WriteOutcome) -> Option<&'static str> {
    match outcome {
        WriteOutcome::Applied => None,
        WriteOutcome::NotApplied(_) => Some("not_applied"),
        WriteOutcome::Fenced => Some("fenced"),
        WriteOutcome::Refused(failure) => Some(failure.reason),
    }
}
