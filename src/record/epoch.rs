//! Epochs: which assignment of a partition wrote a point.

use std::fmt;

/// How many epochs lie within one millisecond.
const IN_A_MILLISECOND: i64 = 1 << 10;

/// Names one assignment of one partition to one member. Later assignments have greater epochs, so
/// that a write of a former owner can be told from one of the present owner.
///
/// It is the time of the assignment in 1/1024 milliseconds since 1970: it orders assignments
/// without anybody to hand out numbers, and leaves room to go up within an assignment. Whole
/// numbers up to 2⁵³ survive Qdrant's range filters, which compare in double precision; this one
/// stays below until the year 2248.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub i64);

impl Epoch {
    /// The epoch of an assignment at `now_ms` (milliseconds since 1970): above every epoch that is
    /// `known`, whatever the clock says.
    pub fn of_assignment(now_ms: i64, known: impl IntoIterator<Item = Self>) -> Self {
        let by_clock = now_ms.saturating_mul(IN_A_MILLISECOND);
        let above = known.into_iter().max().map(|epoch| {
            let millisecond = epoch.0.div_euclid(IN_A_MILLISECOND).saturating_add(1);
            millisecond.saturating_mul(IN_A_MILLISECOND)
        });
        Self(above.map_or(by_clock, |above| above.max(by_clock)))
    }

    /// The next epoch of the same assignment.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_assignment_has_a_greater_epoch() {
        let first = Epoch::of_assignment(1_000, []);
        assert!(Epoch::of_assignment(1_001, [first]) > first);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_lower_epoch() {
        let first = Epoch::of_assignment(1_000, []);
        assert!(Epoch::of_assignment(0, [first, Epoch(3)]) > first);
    }

    #[test]
    fn an_assignment_whose_epoch_went_up_is_still_below_the_next() {
        let went_up = (0..1_500).fold(Epoch::of_assignment(1_000, []), |epoch, _| epoch.next());
        assert!(Epoch::of_assignment(0, [went_up]) > went_up);
    }
}
