//! The latest news of a key.

use crate::{
    cost::{Saving, Savings},
    record::{Desired, KeyChange, Provenance, Settled},
};

/// The latest news of a key.
#[derive(Debug)]
pub(super) struct News {
    pub(super) desired: Desired,
    pub(super) from: Provenance,
    /// Whether it superseded news that said something else.
    pub(super) replaces: bool,
    /// How the record settles once index and table agree.
    pub(super) settles_as: Settled,
    /// What became of its text.
    pub(super) text: Text,
    /// Whether a conflict of its version was counted.
    pub(super) version_counted: bool,
    /// Whether it was counted that the clock alone told its order.
    pub(super) by_clock_counted: bool,
}

/// Whether a vector was bought for a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// None was needed so far.
    Spared,
    /// It was asked for on the record's behalf.
    AskedFor,
    /// One was written that was bought for an earlier record of the key.
    Inherited,
}

impl Text {
    /// A vector is written.
    pub(super) fn has_vector(&mut self) {
        if *self == Self::Spared {
            *self = Self::Inherited;
        }
    }
}

impl News {
    pub(super) fn of(change: KeyChange) -> Self {
        Self {
            desired: change.desired,
            from: change.from,
            replaces: change.replaces,
            settles_as: Settled::Unchanged,
            text: Text::Spared,
            version_counted: false,
            by_clock_counted: false,
        }
    }

    /// What its text did not cost, once index and table agree.
    pub(super) fn saved(&self) -> Savings {
        let saving = match (self.text, self.settles_as) {
            // A parked row's text is bought later; a debt is no record.
            (Text::AskedFor, _) | (_, Settled::Parked) => return Savings::default(),
            _ if self.from.ack.is_debt() => return Savings::default(),
            (Text::Inherited, _) => Saving::Collapsed,
            (Text::Spared, Settled::Unchanged) => Saving::Unchanged,
            (Text::Spared, _) => Saving::PayloadOnly,
        };
        self.savings_of(saving)
    }

    /// What its text did not cost, because later news came first. A text that was asked for costs nothing
    /// either, if it `is_given_up` before it was sent.
    pub(super) fn superseded(&self, is_given_up: bool) -> Savings {
        let is_paid = self.text == Text::AskedFor && !is_given_up;
        if is_paid || self.from.ack.is_debt() {
            return Savings::default();
        }
        self.savings_of(Saving::Collapsed)
    }

    /// Whether both are of the same text.
    pub(super) fn has_text_of(&self, other: &Self) -> bool {
        match (&self.desired, &other.desired) {
            (Desired::Row(one), Desired::Row(other)) => one.text_hash == other.text_hash,
            _ => false,
        }
    }

    fn savings_of(&self, saving: Saving) -> Savings {
        let mut savings = Savings::default();
        if let Desired::Row(document) = &self.desired {
            savings.add(saving, &document.text);
        }
        savings
    }
}
