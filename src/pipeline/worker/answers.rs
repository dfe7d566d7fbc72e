//! Answers come in, and what the reconciler wants done is done.

use std::time::Instant;

use tokio::sync::mpsc::UnboundedReceiver;

use crate::{
    embed::{EmbedReply, EmbedRequest},
    index::IndexReply,
    reconcile::Action,
    record::{Ack, Position, Settled},
};

use super::{State, show::now_ms};

impl State {
    pub(super) fn on_index(&mut self, reply: IndexReply, more: &mut UnboundedReceiver<IndexReply>) {
        let now = Instant::now();
        let mut next = Some(reply);
        while let Some(reply) = next {
            match reply {
                IndexReply::Read { ticket, point } => {
                    let point = point.as_ref().map(Option::as_ref);
                    self.reconciler
                        .on_read(ticket, point, now, &mut self.actions);
                }
                IndexReply::Written { ticket, outcome } => {
                    self.reconciler
                        .on_written(ticket, outcome, now, &mut self.actions);
                }
            }
            next = more.try_recv().ok();
        }
    }

    pub(super) fn on_embedded(
        &mut self,
        reply: EmbedReply,
        more: &mut UnboundedReceiver<EmbedReply>,
    ) {
        let now = Instant::now();
        let mut next = Some(reply);
        while let Some(EmbedReply { ticket, outcome }) = next {
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
        self.act();
        self.release_withheld();
        if let Some(frontier) = self.ledger.frontier() {
            self.frontier.publish(frontier);
        }
        self.show();
        self.tell_of_held();
    }

    pub(super) fn act(&mut self) {
        for action in std::mem::take(&mut self.actions) {
            match action {
                Action::Read { ticket, point } => {
                    self.index.read(ticket, point, self.answers.index.clone());
                }
                Action::Embed {
                    ticket,
                    text,
                    wanted,
                } => {
                    self.services.embedder.submit(EmbedRequest {
                        ticket,
                        text,
                        wanted,
                        reply: self.answers.embed.clone(),
                    });
                }
                Action::Write { ticket, write } => {
                    self.index.write(ticket, write, self.answers.index.clone());
                }
                Action::Settle {
                    ack,
                    settled,
                    position,
                } => {
                    self.settle(ack, settled, Some(position));
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
            }
        }
    }

    /// The one path by which records settle.
    pub(super) fn settle(&mut self, ack: Ack, settled: Settled, position: Option<Position>) {
        let refund = self.ledger.settle(ack);
        self.tally.refund(refund);
        self.tally.settle(settled);
        if let Some(position) = position
            && matches!(settled, Settled::Written | Settled::Deleted)
        {
            let since_ms = position.commit_ms.unwrap_or(position.timestamp_ms);
            let latency = now_ms().saturating_sub(since_ms).max(0) as f64 / 1_000.0;
            self.tally.visible_after(settled, latency);
        }
    }
}
