#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

//! The part of the [model](super::model) that asks for rows to be rechecked, and damages points.

use super::{
    model::{World, point},
    *,
};
use crate::record::{Offset, Payload, Value};

/// A request to recheck a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    doubt: Doubt,
    number: u64,
}

impl World {
    /// Somebody else changes a row's point, if there is one, and somebody asks to have it rechecked.
    pub(super) fn damage(&mut self, key: u8, doubt: Doubt) {
        let found = self.index.get_mut(&point(key));
        if let Some(point) = found.filter(|point| point.is_row()) {
            match doubt {
                Doubt::Vector => point.vector_of = None,
                _ => point.payload = Payload::from(vec![("stock".into(), Value::Int(99))]),
            }
            self.ask(key, doubt);
        }
    }

    /// Somebody asks to have a key rechecked: an earlier request does not answer this one.
    pub(super) fn ask(&mut self, key: u8, doubt: Doubt) {
        self.asks += 1;
        let open = self.asked.get(&key).map(|asked| asked.doubt);
        let asked = Asked {
            doubt: open.map_or(doubt, |open| open.max(doubt)),
            number: self.asks,
        };
        self.asked.insert(key, asked);
    }

    /// The owner takes what is asked for, as far as nothing else is under way of it. Whether there was
    /// something.
    pub(super) fn recheck(&mut self) -> bool {
        let mut any = false;
        let received = Offset(i64::try_from(self.owner.next).unwrap());
        if !self.owner.reconciler.has_caught_up(received) {
            return any;
        }
        for (key, Asked { doubt, number }) in self.asked.clone() {
            let mut log = self.log[..self.owner.next].iter();
            let Some(place) = log.rposition(|(of, ..)| *of == key) else {
                continue;
            };
            if self.owner.reconciler.latest(&point(key)).is_none() {
                any = true;
                let change = self.news(place, Ack::of_recheck(Ticket(number)));
                self.act(|reconciler, now, out| {
                    reconciler.doubt(change.point, doubt);
                    reconciler.on_change(change, now, out);
                });
            }
        }
        any
    }

    /// Rows that were asked for have come to rest: who is still the owner says so.
    pub(super) fn answer_rechecked(&mut self, rechecked: Vec<Ticket>) {
        let is_owner = self
            .claimed
            .is_some_and(|claimed| claimed.epoch <= self.owner.epoch);
        for Ticket(number) in rechecked.into_iter().filter(|_| is_owner) {
            self.asked.retain(|_, asked| asked.number != number);
        }
    }

    /// Everything that is asked for is rechecked, and all settles.
    pub(super) fn settle_rechecks(&mut self) {
        for _ in 0..100 {
            self.settle_all();
            if !self.recheck() {
                return;
            }
        }
    }
}
