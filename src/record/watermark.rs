//! How much of a partition the index reflects.

use super::{Offset, Position};

/// Everything between two offsets of a partition has been reflected in the index, or was
/// dead-lettered. Kept in the collection, so that it is gone with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// The offset from which on the partition was read without a gap.
    pub from: Offset,
    /// The lowest offset behind that may not be reflected.
    pub offset: Offset,
    /// The latest Kafka timestamp among the records received until then, in milliseconds since 1970.
    /// A topic that was deleted and made anew has lower offsets, but later records.
    pub timestamp_ms: i64,
}

impl Watermark {
    /// Whether the record at `position` has been reflected.
    pub fn covers(&self, position: &Position) -> bool {
        self.spans(position.offset) && position.timestamp_ms <= self.timestamp_ms
    }

    fn spans(&self, offset: Offset) -> bool {
        (self.from..self.offset).contains(&offset)
    }
}

/// How much of a partition is reflected, as one assignment goes on.
#[derive(Debug)]
pub struct Reflected {
    /// What the former owner noted.
    before: Option<Watermark>,
    /// Where the group went on: the committed offset.
    start: Option<Offset>,
    /// Where this assignment began to read.
    first: Option<Offset>,
    latest_ms: i64,
}

impl Reflected {
    /// As an assignment begins, from what the former owner noted and the group had committed.
    pub fn new(before: Option<Watermark>, committed: Option<Offset>) -> Self {
        Self {
            before,
            start: committed,
            first: None,
            latest_ms: 0,
        }
    }

    /// A record is received.
    pub fn receive(&mut self, offset: Offset, timestamp_ms: i64) {
        let is_of_another_topic =
            |before: Watermark| before.spans(offset) && timestamp_ms > before.timestamp_ms;
        if self.before.is_some_and(is_of_another_topic) {
            self.before = None;
            self.first = Some(offset);
        }
        if self.first.is_none() {
            // What lies between holds no records: they were compacted away.
            let start = self.start.filter(|start| *start <= offset);
            self.first = Some(start.unwrap_or(offset));
        }
        self.latest_ms = self.latest_ms.max(timestamp_ms);
    }

    /// What is reflected once everything received below `frontier` has settled.
    pub fn watermark(&self, frontier: Offset) -> Option<Watermark> {
        let first = self.first?;
        let own = Watermark {
            from: first,
            offset: frontier,
            timestamp_ms: self.latest_ms,
        };
        let Some(before) = self.before else {
            return Some(own);
        };
        if first > before.offset {
            // Something in between was never read by whoever wrote this collection.
            return Some(own);
        }
        if frontier < before.from {
            return Some(before);
        }
        let from = before.from.min(first);
        if frontier <= before.offset {
            return Some(Watermark { from, ..before });
        }
        Some(Watermark {
            from,
            offset: frontier,
            timestamp_ms: self.latest_ms.max(before.timestamp_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watermark(from: i64, offset: i64, timestamp_ms: i64) -> Watermark {
        Watermark {
            from: Offset(from),
            offset: Offset(offset),
            timestamp_ms,
        }
    }

    fn reflected(before: Option<Watermark>, committed: i64, received: &[i64]) -> Reflected {
        let mut reflected = Reflected::new(before, Some(Offset(committed)));
        for offset in received {
            reflected.receive(Offset(*offset), 100 + offset);
        }
        reflected
    }

    #[test]
    fn what_lies_below_is_reflected_unless_it_is_of_a_topic_made_anew() {
        let at = |offset, timestamp_ms| Position {
            offset: Offset(offset),
            timestamp_ms,
            commit_ms: None,
            source: None,
        };
        let watermark = watermark(3, 10, 500);
        assert!(watermark.covers(&at(9, 500)));
        assert!(!watermark.covers(&at(10, 500)));
        assert!(!watermark.covers(&at(9, 501)));
        assert!(!watermark.covers(&at(2, 500)), "nobody read it");
    }

    #[test]
    fn who_goes_on_where_the_former_owner_stopped_extends_what_it_noted() {
        let before = Some(watermark(0, 10, 109));
        let reflected = reflected(before, 10, &[12, 13]);
        let now = reflected.watermark(Offset(14));
        assert_eq!(
            now,
            Some(watermark(0, 14, 113)),
            "10 and 11 were compacted away"
        );
    }

    #[test]
    fn reading_again_takes_nothing_back() {
        let before = Some(watermark(0, 10, 109));
        let reflected = reflected(before, 0, &[0, 1]);
        assert_eq!(reflected.watermark(Offset(2)), before);
    }

    #[test]
    fn a_gap_is_not_taken_for_reflected() {
        let before = Some(watermark(0, 10, 109));
        let reflected = reflected(before, 20, &[20]);
        assert_eq!(
            reflected.watermark(Offset(21)),
            Some(watermark(20, 21, 120))
        );
    }

    #[test]
    fn reading_from_earlier_on_joins_what_was_noted_once_it_gets_there() {
        let before = Some(watermark(5, 10, 109));
        let reflected = reflected(before, 0, &[0, 1, 2, 3, 4, 5]);
        assert_eq!(reflected.watermark(Offset(3)), before);
        assert_eq!(reflected.watermark(Offset(6)), Some(watermark(0, 10, 109)));
    }

    #[test]
    fn a_topic_that_was_made_anew_starts_over() {
        let mut reflected = Reflected::new(Some(watermark(0, 10, 109)), Some(Offset(0)));
        reflected.receive(Offset(0), 5_000);
        assert_eq!(reflected.watermark(Offset(1)), Some(watermark(0, 1, 5_000)));
    }
}
