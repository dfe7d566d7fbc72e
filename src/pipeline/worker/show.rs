//! What others see of the worker: gauges, and what goes back to the budget at its end.

use super::{Shown, State};
use crate::cost::Saving;

impl State {
    /// Lets others see how things stand.
    pub(super) fn show(&mut self) {
        self.tally.look_up(self.reconciler.take_lookups());
        self.tally.pass_on();
        self.tell_savings();
        let now = Shown {
            pending: count(self.reconciler.len() + self.window.len() + self.incomplete.len()),
            remembered: count(self.reconciler.remembered()),
            held: count(self.held.len()),
            withheld: count(self.withheld.len()),
            stalled: i64::from(self.stall.is_stalled()),
        };
        let metrics = &self.services.metrics;
        metrics.pending_keys.add(now.pending - self.shown.pending);
        metrics
            .remembered_keys
            .add(now.remembered - self.shown.remembered);
        metrics.held.add(now.held - self.shown.held);
        metrics.withheld.add(now.withheld - self.shown.withheld);
        metrics
            .stalled_partitions
            .add(now.stalled - self.shown.stalled);
        self.shown = now;
    }

    fn tell_savings(&mut self) {
        let mut savings = self.window.take_savings();
        savings.merge(self.reconciler.take_savings());
        if savings.is_empty() {
            return;
        }
        let unchanged = savings.count(&[Saving::Unchanged, Saving::PayloadOnly]);
        self.services.metrics.texts_unchanged.inc_by(unchanged);
        self.services.books.saved(&self.partition.topic, savings);
    }
}

impl Drop for State {
    /// What is still in flight goes back to the budget: the partition's next owner reads it again.
    fn drop(&mut self) {
        let waiting: Vec<_> = self.stall.end().into();
        self.services.budget.refund_all(&waiting);
        let refund = self.ledger.restart();
        self.tally.refund(refund);
        self.services.metrics.pending_keys.sub(self.shown.pending);
        self.services
            .metrics
            .remembered_keys
            .sub(self.shown.remembered);
        self.services.metrics.held.sub(self.shown.held);
        self.services.metrics.withheld.sub(self.shown.withheld);
        self.services.blocked.set(&self.partition, None);
        self.services.breakers.give_up(&self.partition.topic);
        self.services
            .metrics
            .stalled_partitions
            .sub(self.shown.stalled);
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
