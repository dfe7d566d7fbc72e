//! The bookkeeping of one partition in the collection, kept up in the background: what is reflected,
//! and which tombstones have served their time.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    index::Claim,
    record::{Epoch, Offset, Watermark},
};

/// When the bookkeeping is kept up.
#[derive(Debug, Clone, Copy)]
pub struct Upkeep {
    /// How often is noted what is reflected.
    pub note_every: Duration,
    /// How long tombstones stay.
    pub retention: Duration,
}

impl Upkeep {
    /// How often tombstones are swept: so that they stay not much longer than they have to.
    pub(super) fn sweep_every(&self) -> Duration {
        (self.retention / 8).clamp(Duration::from_secs(1), Duration::from_mins(5))
    }

    /// Whether something that was sent at `then_ms` may still be under way at `now_ms`, in milliseconds
    /// since 1970.
    pub(super) fn may_be_under_way(&self, then_ms: i64, now_ms: i64) -> bool {
        let age = u128::try_from(now_ms.saturating_sub(then_ms)).unwrap_or(0);
        age < 2 * self.retention.as_millis()
    }
}

/// What has been done.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kept {
    /// It is noted what is reflected, and old tombstones are swept if it was time: the frontier may be committed up to here.
    Noted(Offset),
    /// The partition was taken over once more.
    Renewed(Epoch),
}

/// Keeps it up until the partition is given up.
#[derive(Debug)]
pub(super) struct Keeper {
    claim: Claim,
    upkeep: Upkeep,
    /// What the collection says.
    noted: Option<Watermark>,
    /// The frontier that may be committed by that.
    covered: Option<Offset>,
    next_note: Instant,
    next_sweep: Instant,
    /// One thing at a time.
    is_busy: bool,
    done: UnboundedSender<Kept>,
    until: CancellationToken,
    _given_up: DropGuard,
}

impl Keeper {
    /// Of a partition that was claimed at `now`, when this was `noted`; with it comes a channel that
    /// tells what has been done.
    pub(super) fn new(
        claim: Claim,
        noted: Option<Watermark>,
        upkeep: Upkeep,
        now: Instant,
    ) -> (Self, UnboundedReceiver<Kept>) {
        let (done, kept) = unbounded_channel();
        let until = CancellationToken::new();
        let keeper = Self {
            claim,
            noted,
            covered: None,
            next_note: now + upkeep.note_every,
            next_sweep: now + upkeep.sweep_every(),
            upkeep,
            is_busy: false,
            done,
            _given_up: until.clone().drop_guard(),
            until,
        };
        (keeper, kept)
    }

    pub(super) fn claim(&self) -> &Claim {
        &self.claim
    }

    /// When there is something to do, as long as everything below `frontier` has settled.
    pub(super) fn due(&self, frontier: Option<Offset>) -> Option<Instant> {
        if self.is_busy || frontier.is_none() {
            return None;
        }
        Some(if self.covered == frontier {
            self.next_sweep
        } else {
            self.next_note.min(self.next_sweep)
        })
    }

    /// Does what is [due](Self::due). `frontier` may be committed once the watermark is noted; `now_ms`
    /// is the time in milliseconds since 1970.
    pub(super) fn keep_up(
        &mut self,
        watermark: Watermark,
        frontier: Offset,
        now: Instant,
        now_ms: i64,
    ) {
        let sweeps = self.next_sweep <= now;
        if sweeps {
            self.next_sweep = now + self.upkeep.sweep_every();
        }
        self.next_note = now + self.upkeep.note_every;
        self.covered = Some(frontier);
        if self.noted == Some(watermark) && !sweeps {
            // What is read again was reflected before.
            let _ = self.done.send(Kept::Noted(frontier));
            return;
        }
        self.is_busy = true;
        self.noted = Some(watermark);
        let retention = i64::try_from(self.upkeep.retention.as_millis()).unwrap_or(i64::MAX);
        let before_ms = now_ms.saturating_sub(retention);
        let (claim, until, done) = (self.claim.clone(), self.until.clone(), self.done.clone());
        tokio::spawn(async move {
            let is_noted = if sweeps {
                claim.sweep(watermark, before_ms, &until).await
            } else {
                claim.note(watermark, &until).await
            };
            if is_noted {
                // The worker may be gone: then its successor keeps it up.
                let _ = done.send(Kept::Noted(frontier));
            }
        });
    }

    /// Something has been done.
    pub(super) fn on_kept(&mut self) {
        self.is_busy = false;
    }

    /// Notes what is reflected, for the last time. Returns the frontier if that could be done in
    /// time: now it may be committed.
    pub(super) async fn finish(
        &self,
        watermark: Option<Watermark>,
        frontier: Option<Offset>,
        deadline: tokio::time::Instant,
    ) -> Option<Offset> {
        let noting = self.claim.note(watermark?, &self.until);
        let is_noted = tokio::time::timeout_at(deadline, noting).await;
        frontier.filter(|_| is_noted.is_ok_and(|noted| noted))
    }

    /// Another member seems to have owned the partition: takes it over again, once the group has
    /// confirmed that this one does.
    pub(super) fn renew(&self, now_ms: fn() -> i64) {
        let (claim, until, done) = (self.claim.clone(), self.until.clone(), self.done.clone());
        tokio::spawn(async move {
            if claim.renew(now_ms, &until).await {
                let _ = done.send(Kept::Renewed(claim.fence().epoch()));
            }
        });
    }
}
