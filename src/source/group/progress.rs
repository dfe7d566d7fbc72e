//! How far a partition is, by what has settled and by what the client knows. Pure.

use rdkafka::statistics;

use crate::record::Offset;

/// How far a partition is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The lowest offset that has not settled; what was committed last as long as nothing has. `None` where
    /// neither is known.
    pub(super) settled: Option<i64>,
    /// The offset that the next record gets, if it is known.
    pub(super) end: Option<i64>,
    /// Records in between; `None` where the client does not know the partition.
    pub(super) left: Option<u64>,
}

impl Progress {
    /// Of a partition with this frontier, of which the client knows so much.
    pub(super) fn of(frontier: Option<Offset>, known: Option<&statistics::Partition>) -> Self {
        // The client says -1 or -1001 of what it does not know.
        let offset = |offset: i64| (offset >= 0).then_some(offset);
        let committed = known.and_then(|it| offset(it.committed_offset));
        let settled = frontier.map_or(committed, |offset| Some(offset.0));
        let end = known.and_then(|it| offset(it.ls_offset.max(it.hi_offset)));
        let left = known.map(|known| {
            // What retention has deleted is not left.
            let from = settled.unwrap_or(0).max(known.lo_offset);
            u64::try_from(end.unwrap_or(from) - from).unwrap_or(0)
        });
        Self { settled, end, left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(committed: i64, low: i64, high: i64) -> statistics::Partition {
        statistics::Partition {
            committed_offset: committed,
            lo_offset: low,
            hi_offset: high,
            ls_offset: high,
            ..statistics::Partition::default()
        }
    }

    #[test]
    fn what_is_left_lies_between_what_has_settled_and_the_end() {
        let left = |frontier, known| Progress::of(frontier, Some(&known)).left;
        assert_eq!(left(Some(Offset(7)), known(5, 0, 10)), Some(3));
        assert_eq!(left(None, known(5, 0, 10)), Some(5));
        assert_eq!(left(None, known(-1001, 4, 10)), Some(6));
        assert_eq!(left(Some(Offset(12)), known(5, 0, 10)), Some(0));
    }

    #[test]
    fn what_the_client_does_not_know_is_not_made_up() {
        let unknown = known(-1001, -1, -1001);
        let progress = Progress::of(None, Some(&unknown));
        assert_eq!((progress.settled, progress.end), (None, None));
        assert_eq!(progress.left, Some(0));
        let progress = Progress::of(Some(Offset(7)), None);
        assert_eq!((progress.settled, progress.left), (Some(7), None));
    }
}
