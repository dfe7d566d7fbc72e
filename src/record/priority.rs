//! What is bought first where not everything can be bought at once.

use super::Origin;

/// How urgent a row's vector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Something has just changed: searchers look for it now.
    Fresh,
    /// A row of a snapshot, or one that was read long after it changed: nobody has seen it yet, or
    /// it has been stale for long.
    Backfill,
}

/// Rows that changed longer ago than this, in milliseconds, are caught up with.
const LONG_AGO_MS: i64 = 60_000;

impl Priority {
    /// Of a row whose record was read `age_ms` milliseconds after the change.
    pub fn of(origin: Origin, age_ms: i64) -> Self {
        if origin == Origin::Read || age_ms > LONG_AGO_MS {
            Self::Backfill
        } else {
            Self::Fresh
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_and_what_is_caught_up_with_come_after_what_has_just_changed() {
        assert_eq!(Priority::of(Origin::Changed, 800), Priority::Fresh);
        // Clocks differ.
        assert_eq!(Priority::of(Origin::Created, -5_000), Priority::Fresh);
        assert_eq!(Priority::of(Origin::Changed, 3_600_000), Priority::Backfill);
        assert_eq!(Priority::of(Origin::Read, 0), Priority::Backfill);
        assert!(Priority::Fresh < Priority::Backfill);
    }
}
