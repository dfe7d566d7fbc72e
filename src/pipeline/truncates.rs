//! Truncates of one partition's table: raised for all members, then swept here.

use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    watch,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    index::{Mark, MarkState},
    record::{Ack, TruncateMark},
};

/// Raises and sweeps, in the background, until it is done or the partition is given up.
#[derive(Debug)]
pub(super) struct Truncates {
    mark: Mark,
    partition: i32,
    /// Truncates whose records wait for the sweep.
    raised: Vec<(TruncateMark, Ack)>,
    sweeping: Option<TruncateMark>,
    done: UnboundedSender<TruncateMark>,
    until: CancellationToken,
    _given_up: DropGuard,
}

impl Truncates {
    /// Of one partition; with it comes a channel that tells which marks have been swept.
    pub(super) fn new(mark: Mark, partition: i32) -> (Self, UnboundedReceiver<TruncateMark>) {
        let (done, swept) = unbounded_channel();
        let until = CancellationToken::new();
        let truncates = Self {
            mark,
            partition,
            raised: Vec::new(),
            sweeping: None,
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

    /// Sweeps once more.
    pub(super) fn sweep_again(&mut self, mark: TruncateMark) {
        self.begin(mark, false);
    }

    fn begin(&mut self, mark: TruncateMark, raise: bool) {
        self.sweeping = Some(mark);
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

    /// The truncates that a sweep has done with: this one and those before it.
    pub(super) fn swept(&mut self, mark: &TruncateMark) -> Vec<Ack> {
        let (done, waiting) = std::mem::take(&mut self.raised)
            .into_iter()
            .partition(|(raised, _)| !raised.is_later_than(mark));
        self.raised = waiting;
        let done: Vec<(TruncateMark, Ack)> = done;
        done.into_iter().map(|(_, ack)| ack).collect()
    }
}
