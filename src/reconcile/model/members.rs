//! The members of the model: they own the partition one after the other, and some go on as if they
//! still did.

use super::*;

/// A member of the group that has the partition, or takes itself for its owner.
pub(in super::super) struct Member {
    pub(in super::super) epoch: Epoch,
    pub(in super::super) reconciler: Reconciler,
    pub(in super::super) ledger: OffsetLedger,
    pub(in super::super) reflected: Reflected,
    pub(in super::super) next: usize,
    pub(in super::super) pending: Vec<Pending>,
    /// The truncate that it knows of.
    pub(in super::super) known: Option<TruncateMark>,
}

/// What the collection says of the partition.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Claimed {
    pub(in super::super) epoch: Epoch,
    pub(in super::super) watermark: Option<Watermark>,
}

pub(in super::super) fn partition() -> TopicPartition {
    TopicPartition {
        topic: "t".into(),
        partition: 0,
    }
}

pub(in super::super) fn member(taken_over: TakeOver, start: usize) -> Member {
    let start_offset = Offset(i64::try_from(start).unwrap());
    Member {
        epoch: taken_over.since,
        reconciler: Reconciler::new(
            partition(),
            Fingerprint::new("m", 1, "e"),
            DELAYS,
            Replay::Skip,
            ObservedCache::new(100),
            taken_over,
        ),
        ledger: OffsetLedger::default(),
        reflected: Reflected::new(taken_over.watermark, Some(start_offset)),
        next: start,
        pending: Vec::new(),
        known: None,
    }
}

impl World {
    /// The process is gone, with what it had sent still under way.
    pub(in super::super) fn crash(&mut self) {
        let stale = self.take_over(self.committed);
        let epoch = stale.epoch;
        let sent = stale.pending.into_iter();
        let sent = sent.filter(|pending| matches!(pending.action, Action::Write { .. }));
        self.late.extend(sent.map(|pending| (epoch, pending)));
    }

    /// The owner is stopped or cut off; another member takes the partition over.
    pub(in super::super) fn cut_off(&mut self) {
        let stale = self.take_over(self.committed);
        self.stale.push(stale);
    }

    /// The topic is read again from the beginning by a group of another name.
    pub(in super::super) fn new_group(&mut self) {
        self.crash();
        self.take_over(0);
    }

    pub(in super::super) fn take_over(&mut self, start: usize) -> Member {
        self.taken_over_at = self.committed;
        let highest = self.index.values().map(|point| point.epoch).max();
        let found = self.claimed;
        let known = [highest, found.map(|claimed| claimed.epoch)];
        let since = Epoch::of_assignment(0, known.into_iter().flatten());
        let watermark = found.and_then(|claimed| claimed.watermark);
        self.claimed = Some(Claimed {
            epoch: since,
            watermark,
        });
        let taken_over = TakeOver {
            since,
            at: self.now,
            at_ms: 0,
            had_owner: found.is_some(),
            watermark,
        };
        std::mem::replace(&mut self.owner, member(taken_over, start))
    }

    /// A write that was sent long ago arrives.
    pub(in super::super) fn arrive(&mut self, pick: usize) {
        if self.late.is_empty() {
            return;
        }
        let (epoch, pending) = self.late.swap_remove(pick % self.late.len());
        let Action::Write { write, .. } = &pending.action else {
            panic!("only writes arrive late")
        };
        self.apply(epoch, write, pending.kept);
    }

    /// A member that takes itself for the owner does something.
    pub(in super::super) fn go_on(&mut self, pick: usize) {
        if self.stale.is_empty() {
            return;
        }
        let pick_stale = pick % self.stale.len();
        let (committed, claimed) = (self.committed, self.claimed);
        std::mem::swap(&mut self.owner, &mut self.stale[pick_stale]);
        match pick % 6 {
            0 => self.deliver(),
            1 => self.pass(Duration::from_secs(1)),
            2 if pick.is_multiple_of(5) => self.park(),
            3 if pick.is_multiple_of(3) => {
                self.work_off(pick / 6);
            }
            4 if pick.is_multiple_of(4) => {
                self.recheck();
            }
            _ => self.answer(pick / 6),
        }
        std::mem::swap(&mut self.owner, &mut self.stale[pick_stale]);
        (self.committed, self.claimed) = (committed, claimed);
    }
}
