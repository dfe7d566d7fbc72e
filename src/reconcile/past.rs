//! What a partition's new owner knows of the time before, and how far it relies on it.

use std::time::Instant;

use crate::record::{Desired, Epoch, Expected, Position, Watermark};

use super::{
    news::News,
    observed::{Observed, Present, Written},
    slot::Slot,
};

/// What becomes of records that the index reflects already, when they are read again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Replay {
    /// They change nothing.
    #[default]
    Skip,
    /// They are applied like any other, so that the topic wins where somebody has changed the index.
    Repair,
}

/// What a partition's new owner knows about the time before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakeOver {
    /// Under which epoch the partition is owned.
    pub since: Epoch,
    /// When it was taken over.
    pub at: Instant,
    /// The time of day at `at`, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whether there was an owner before, whose last writes may be under way still.
    pub had_owner: bool,
    /// What is known to be reflected in the index.
    pub watermark: Option<Watermark>,
}

impl TakeOver {
    /// What time it is, in milliseconds since 1970.
    pub(super) fn ms_at(&self, now: Instant) -> i64 {
        let since = now.saturating_duration_since(self.at).as_millis();
        let since = i64::try_from(since).unwrap_or(i64::MAX);
        self.at_ms.saturating_add(since)
    }
}

/// The time before the assignment.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) taken_over: TakeOver,
    pub(super) replay: Replay,
}

impl Past {
    /// Whether the index holds something later than `position`.
    pub(super) fn is_later(&self, observed: &Observed, position: &Position) -> bool {
        let is_to_be_repaired =
            self.replay == Replay::Repair && !observed.written().is_some_and(Written::is_current);
        !is_to_be_repaired && observed.compare(position).is_later
    }

    /// What is observed, as far as it may be relied on: while the index is repaired, no payload that was
    /// not written under the present assignment.
    pub(super) fn to_be_trusted(&self, observed: Observed) -> Observed {
        match observed {
            Observed::Present(present)
                if self.replay == Replay::Repair && !present.written.is_current() =>
            {
                Observed::Present(Present {
                    payload: None,
                    ..present
                })
            }
            observed => observed,
        }
    }

    /// Whether the record at `position` is known to be reflected in the index, although the point is
    /// not as of it: it is of a row that is gone, or that looked the same again later.
    ///
    /// A point of another model is compared all the same, where it holds the payload of `desired`: so
    /// reading the topic again embeds anew what a changed model makes necessary.
    pub(super) fn is_reflected(
        &self,
        observed: &Observed,
        position: &Position,
        desired: Option<&Desired>,
    ) -> bool {
        if !self.is_covered(position) || self.replay == Replay::Repair {
            return false;
        }
        match observed {
            Observed::Absent | Observed::AssumedAbsent => true,
            // It says so itself, or is of another partition.
            Observed::Tombstone(written) => written.offset().is_some(),
            Observed::Present(present) => {
                let Some(offset) = present.written.offset() else {
                    return false;
                };
                let is_payload = |desired: &Desired| match desired {
                    Desired::Row(document) => {
                        present.payload == Some(document.payload_hash.short())
                    }
                    Desired::Gone => false,
                };
                let may_be_embedded_anew = present.text.is_none() && desired.is_none_or(is_payload);
                offset != position.offset && !may_be_embedded_anew
            }
        }
    }

    /// What the point must be for the news to be written, if the fence is not enough.
    ///
    /// The next owner reads no record again that has settled: so what is written of one, and arrives
    /// late, must not replace what the next owner has found to be right.
    pub(super) fn expected(&self, news: &News, observed: &Observed) -> Option<Expected> {
        if let Some(written) = observed.elsewhere() {
            return Some(Expected::WrittenUnder(written.clone()));
        }
        let has_settled = news.from.ack.is_debt() || self.is_covered(&news.from.position);
        let offset = observed.written().and_then(Written::offset);
        offset.filter(|_| has_settled).map(Expected::Offset)
    }

    /// Whether the record at `position` had settled before the partition was taken over.
    fn is_covered(&self, position: &Position) -> bool {
        let watermark = self.taken_over.watermark;
        watermark.is_some_and(|watermark| watermark.covers(position))
    }

    /// Whether a former owner may still be writing to this point something else than the news says:
    /// what earlier news said that was superseded before it was compared with the index; or, of a row
    /// that is rechecked, what the former owner was asked to recheck.
    pub(super) fn is_contested(&self, slot: &Slot, observed: &Observed) -> bool {
        let replaces = slot.news.replaces && !self.is_covered(&slot.news.from.position);
        self.taken_over.had_owner
            && (replaces || slot.doubt.is_some())
            && !observed.written().is_some_and(Written::is_current)
    }
}
