//! The parked rows of one partition, read from the index when there is time for them.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    index::{Index, ParkedRows},
    record::{PointId, TopicPartition},
    source::Budget,
};

/// So many rows are read at a time.
const PAGE: u32 = 256;
/// Rows are read while fewer than this many are in hand, and fewer than this many other texts are being bought: those
/// come first.
const FEW: usize = 128;
/// The rest where there is no time for debts.
const REST: Duration = Duration::from_millis(200);
/// The rest between two rounds through rows of which some could not be taken.
const BETWEEN_ROUNDS: Duration = Duration::from_secs(2);

/// What the index owes, as far as the partition's worker knows.
#[derive(Debug)]
pub(super) struct Debts {
    /// Whether there may be parked rows: at first that is not known.
    is_owed: bool,
    /// Rows that are being worked off.
    in_hand: usize,
    /// Bytes that were charged for them.
    charged: u64,
    budget: Budget,
    /// Where in this round the next page begins.
    next: Option<PointId>,
    /// Whether there were rows in this round.
    had_some: bool,
    is_reading: bool,
    not_before: Instant,
    found: UnboundedSender<ParkedRows>,
    until: CancellationToken,
    _given_up: DropGuard,
}

impl Debts {
    /// Those of a partition that was taken over at `now`; with it comes a channel that brings parked
    /// rows. Those in hand are charged to `budget`.
    pub(super) fn new(budget: Budget, now: Instant) -> (Self, UnboundedReceiver<ParkedRows>) {
        let (found, rows) = unbounded_channel();
        let until = CancellationToken::new();
        let debts = Self {
            is_owed: true,
            in_hand: 0,
            charged: 0,
            budget,
            next: None,
            had_some: false,
            is_reading: false,
            not_before: now,
            found,
            _given_up: until.clone().drop_guard(),
            until,
        };
        (debts, rows)
    }

    /// Whether the index may hold parked rows.
    pub(super) fn may_be(&self) -> bool {
        self.is_owed
    }

    /// When it is to be looked whether there is time for them.
    pub(super) fn due(&self) -> Option<Instant> {
        let wants_more = self.is_owed && !self.is_reading && self.in_hand < FEW;
        wants_more.then_some(self.not_before)
    }

    /// Reads some, if there is time: `others` are texts that are being bought; and if memory has room.
    pub(super) fn read(
        &mut self,
        index: &Index,
        partition: &TopicPartition,
        others: usize,
        has_room: bool,
        now: Instant,
    ) {
        if self.due().is_none_or(|due| due > now) {
            return;
        }
        if !has_room || others >= FEW {
            self.not_before = now + REST;
            return;
        }
        self.is_reading = true;
        let (index, partition, from) = (index.clone(), partition.clone(), self.next);
        let (found, until) = (self.found.clone(), self.until.clone());
        tokio::spawn(async move {
            if let Some(rows) = index.parked_rows(&partition, from, PAGE, &until).await {
                // The worker may be gone: then its successor reads them.
                let _ = found.send(rows);
            }
        });
    }

    /// A page of so many rows has been read, of which some may have been taken in hand.
    pub(super) fn on_page(&mut self, page: usize, next: Option<PointId>, now: Instant) {
        self.is_reading = false;
        self.had_some |= page > 0;
        self.next = next;
        if next.is_none() {
            // A round without any: nothing is owed.
            self.is_owed = std::mem::take(&mut self.had_some);
            self.not_before = now + BETWEEN_ROUNDS;
        }
    }

    /// A page has been read, and there was no room for its rows from this one on.
    pub(super) fn on_part_of_page(&mut self, left: PointId, now: Instant) {
        self.is_reading = false;
        self.had_some = true;
        self.next = Some(left);
        self.not_before = now + REST;
    }

    /// A row has been parked.
    pub(super) fn on_parked(&mut self) {
        self.is_owed = true;
        // Perhaps behind the page that is being read.
        self.had_some = true;
    }

    /// A row is in hand from now on, for which so many bytes are charged.
    pub(super) fn on_taken(&mut self, bytes: u64) {
        self.in_hand += 1;
        self.charged += bytes;
        self.budget.charge_parked(bytes);
    }

    /// A row that was in hand is no more: it is paid for, superseded, refused, or parked still.
    pub(super) fn on_settled(&mut self, charged: u64) {
        self.in_hand = self.in_hand.saturating_sub(1);
        let refund = charged.min(self.charged);
        self.charged -= refund;
        self.budget.refund_parked(refund);
    }

    /// How many rows are being worked off.
    pub(super) fn in_hand(&self) -> usize {
        self.in_hand
    }
}

impl Drop for Debts {
    /// The partition is given up: what was in hand is for its next owner.
    fn drop(&mut self) {
        self.budget.refund_parked(self.charged);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use prometheus::IntGauge;

    use super::*;

    fn budget() -> Budget {
        Budget::new(1_000, 0, IntGauge::new("b", "b").unwrap())
    }

    fn take(debts: &mut Debts, rows: usize) {
        for _ in 0..rows {
            debts.on_taken(1);
        }
    }

    fn row() -> PointId {
        PointId::Integer(7)
    }

    #[test]
    fn rounds_go_on_until_one_finds_nothing() {
        let now = Instant::now();
        let (mut debts, _rows) = Debts::new(budget(), now);
        assert_eq!(debts.due(), Some(now), "at first nothing is known");
        take(&mut debts, 256);
        debts.on_page(256, Some(row()), now);
        assert_eq!(debts.due(), None, "enough is in hand");
        for _ in 0..256 {
            debts.on_settled(1);
        }
        take(&mut debts, 3);
        debts.on_page(3, None, now);
        assert!(debts.may_be(), "some of them may be owed still");
        debts.on_page(0, None, now);
        assert!(!debts.may_be());
        assert_eq!(debts.due(), None);
    }

    #[test]
    fn what_is_parked_while_the_last_page_is_read_is_not_forgotten() {
        let now = Instant::now();
        let (mut debts, _rows) = Debts::new(budget(), now);
        debts.on_parked();
        debts.on_page(0, None, now);
        assert!(debts.may_be());
        debts.on_page(0, None, now);
        assert!(!debts.may_be());
    }

    #[test]
    fn what_is_in_hand_is_charged_until_it_settles_or_the_partition_is_given_up() {
        let (budget, now) = (budget(), Instant::now());
        let (mut debts, _rows) = Debts::new(budget.clone(), now);
        debts.on_taken(300);
        debts.on_taken(500);
        assert_eq!(budget.used(), 800);
        debts.on_settled(300);
        assert_eq!(budget.used(), 500);
        drop(debts);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_there_was_no_room_for_is_read_again_after_a_while() {
        let now = Instant::now();
        let (mut debts, _rows) = Debts::new(budget(), now);
        take(&mut debts, 2);
        debts.on_part_of_page(row(), now);
        assert_eq!(debts.due(), Some(now + REST));
        assert_eq!(debts.next, Some(row()));
        assert!(debts.may_be());
    }
}
