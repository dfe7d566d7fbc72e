//! Truncates: which rows they took.

use super::{Position, SourcePosition};

/// By how much times may contradict places, in milliseconds.
const CLOCKS: i64 = 60_000;

/// The last truncate of a table: every row from before it is gone, whichever partition it comes
/// from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TruncateMark {
    /// Where the database's log has the truncate.
    pub source: Option<SourcePosition>,
    /// When the database committed it, in milliseconds since 1970.
    pub commit_ms: i64,
}

impl TruncateMark {
    /// The mark of a truncate that stands at `position`.
    pub fn at(position: &Position) -> Self {
        Self {
            source: position.source,
            commit_ms: position.changed_ms(),
        }
    }

    /// Whether a row as of `position` is from before the truncate.
    ///
    /// A truncate locks its table, so its place in the log tells exactly what came before. But
    /// places may start lower after a failover, so a time that clearly says otherwise counts for
    /// more: clearly, because some databases tell when a statement began, not when it committed.
    /// Without places the time alone decides.
    pub fn covers(&self, position: &Position) -> bool {
        let changed_ms = position.changed_ms();
        match (position.source, self.source) {
            (Some(row), Some(truncate)) => {
                changed_ms < self.clearly_before()
                    || (row < truncate && changed_ms <= self.not_clearly_after())
            }
            _ => changed_ms < self.commit_ms,
        }
    }

    /// What was committed before this, in milliseconds since 1970, was so before the truncate,
    /// whatever its place.
    pub fn clearly_before(&self) -> i64 {
        self.commit_ms.saturating_sub(CLOCKS)
    }

    /// What was committed after this came after the truncate, whatever its place.
    pub fn not_clearly_after(&self) -> i64 {
        self.commit_ms.saturating_add(CLOCKS)
    }

    /// A number that tells this truncate from others: its place, else its time.
    pub fn stamp(&self) -> i64 {
        self.source.map_or(self.commit_ms, |source| source.0)
    }

    /// Whether this is the later of two truncates of one table.
    pub fn is_later_than(&self, other: &Self) -> bool {
        (self.commit_ms, self.source) > (other.commit_ms, other.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Offset;

    fn position(source: Option<i64>, commit_ms: i64) -> Position {
        Position {
            offset: Offset(0),
            timestamp_ms: 0,
            commit_ms: Some(commit_ms),
            source: source.map(SourcePosition),
        }
    }

    #[test]
    fn the_place_in_the_log_tells_what_came_before_within_one_millisecond() {
        let mark = TruncateMark::at(&position(Some(100), 5));
        assert!(mark.covers(&position(Some(99), 5)));
        assert!(!mark.covers(&position(Some(101), 5)));
        assert!(!mark.covers(&position(Some(100), 5)));
    }

    #[test]
    fn after_a_failover_lower_places_are_not_taken_for_earlier_ones() {
        let mark = TruncateMark::at(&position(Some(100), 5));
        assert!(!mark.covers(&position(Some(10), 60_006)));
        let after = TruncateMark::at(&position(Some(10), 60_006));
        assert!(after.covers(&position(Some(100), 5)));
    }

    #[test]
    fn a_statement_that_waited_for_the_lock_has_an_earlier_time_than_what_it_waited_for() {
        let mark = TruncateMark::at(&position(Some(100), 10_000));
        assert!(mark.covers(&position(Some(99), 11_000)));
    }

    #[test]
    fn without_places_the_time_decides() {
        let mark = TruncateMark::at(&position(None, 5));
        assert!(mark.covers(&position(Some(10), 4)));
        assert!(!mark.covers(&position(None, 5)));
    }

    #[test]
    fn of_two_truncates_the_later_counts() {
        let earlier = TruncateMark::at(&position(Some(100), 5));
        let later = TruncateMark::at(&position(Some(200), 5));
        assert!(later.is_later_than(&earlier));
        assert!(!earlier.is_later_than(&later));
        assert!(!earlier.is_later_than(&earlier));
    }
}
