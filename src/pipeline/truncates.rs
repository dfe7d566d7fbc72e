//! Truncates of one partition's table: raised for all members, then swept here.

use std::time::Instant;

use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    watch,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    index::{Mark, MarkState},
    record::{Ack, TruncateMark},
};

use super::{repeats::Repeats, upkeep::Upkeep};

/// Raises and sweeps, in the background, until it is done or the partition is given up.
#[derive(Debug)]
pub(super) struct Truncates {
    mark: Mark,
    partition: i32,
    /// Truncates whose records wait for the sweep.
    raised: Vec<(TruncateMark, Ack)>,
    sweeping: Option<TruncateMark>,
    /// How many sweeps are under way.
    under_way: usize,
    /// The sweep that is repeated.
    repeats: Option<(TruncateMark, Repeats)>,
    upkeep: Upkeep,
    done: UnboundedSender<TruncateMark>,
    until: CancellationToken,
    _given_up: DropGuard,
}

impl Truncates {
    /// Of one partition; with it comes a channel that tells which marks have been swept.
    pub(super) fn new(
        mark: Mark,
        partition: i32,
        upkeep: Upkeep,
    ) -> (Self, UnboundedReceiver<TruncateMark>) {
        let (done, swept) = unbounded_channel();
        let until = CancellationToken::new();
        let truncates = Self {
            mark,
            partition,
            raised: Vec::new(),
            sweeping: None,
            under_way: 0,
            repeats: None,
            upkeep,
            done,
            _given_up: until.clone().drop_guard(),
            until,
        };
        (truncates, swept)
    }

    /// What becomes known of the table's last truncate.
    pub(super) fn watch(&self) -> watch::Receiver<MarkState> {
        self.mark.watch()
    }

    /// Lets everybody know of a truncate, and sweeps; its record settles after that.
    pub(super) fn raise(&mut self, mark: TruncateMark, ack: Ack) {
        self.raised.push((mark, ack));
        self.begin(mark, true);
    }

    /// Sweeps after a truncate that became known, unless that is under way.
    pub(super) fn sweep(&mut self, mark: TruncateMark) {
        if self.sweeping != Some(mark) {
            self.begin(mark, false);
        }
    }

    /// A truncate became known at `now`, or a partition that had one was taken over. What a former owner
    /// sends late brings rows back that it took: their points left no tombstones. So for a while the sweep
    /// is repeated.
    pub(super) fn expect_late(&mut self, mark: TruncateMark, now: Instant) {
        self.repeats = Some((mark, Repeats::of_sweep_at(now, self.upkeep.sweep_every())));
    }

    /// When the sweep is repeated; not while one is under way.
    pub(super) fn due(&self) -> Option<Instant> {
        let (_, repeats) = self.repeats.as_ref().filter(|_| self.under_way == 0)?;
        Some(repeats.due())
    }

    /// Sweeps once more, if it is [due](Self::due) and something may still be under way; `now_ms` is the
    /// time in milliseconds since 1970.
    pub(super) fn repeat(&mut self, now: Instant, now_ms: i64) {
        if self.due().is_none_or(|due| due > now) {
            return;
        }
        let upkeep = self.upkeep;
        let late = |it: &(TruncateMark, Repeats)| upkeep.may_be_under_way(it.0.commit_ms, now_ms);
        self.repeats = self.repeats.take().filter(late);
        if let Some((mark, repeats)) = &mut self.repeats {
            repeats.repeated(now);
            let mark = *mark;
            self.begin(mark, false);
        }
    }

    fn begin(&mut self, mark: TruncateMark, raise: bool) {
        self.sweeping = Some(mark);
        self.under_way += 1;
        let (kept, partition) = (self.mark.clone(), self.partition);
        let (until, done) = (self.until.clone(), self.done.clone());
        tokio::spawn(async move {
            if raise {
                kept.raise(mark, &until).await;
            }
            kept.sweep(partition, mark, &until).await;
            if !until.is_cancelled() {
                // The worker may be gone: then its successor sweeps.
                let _ = done.send(mark);
            }
        });
    }

    /// A sweep is over. Returns the truncates that it has done with: this one and those before it.
    pub(super) fn swept(&mut self, mark: &TruncateMark) -> Vec<Ack> {
        self.under_way = self.under_way.saturating_sub(1);
        let (done, waiting) = std::mem::take(&mut self.raised)
            .into_iter()
            .partition(|(raised, _)| !raised.is_later_than(mark));
        self.raised = waiting;
        let done: Vec<(TruncateMark, Ack)> = done;
        done.into_iter().map(|(_, ack)| ack).collect()
    }
}
