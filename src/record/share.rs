//! What of the work of a consumer group is one member's.

/// The part of all partitions that is assigned to this member, and so its part of whatever the group
/// has to divide. Each member knows its own; while every partition has one owner at most, they add up
/// to no more than the whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(f64);

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self(1.0);

    /// Of a member with `assigned` of `total` partitions. One without any counts as one with one: it
    /// has next to nothing to do, and may ask whether it could.
    pub fn of(assigned: usize, total: usize) -> Self {
        let total = total.max(assigned).max(1);
        Self(assigned.max(1) as f64 / total as f64)
    }

    /// The part as a number over 0, and 1 at most.
    pub fn ratio(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_member_alone_has_the_whole_and_one_without_partitions_a_little() {
        assert_eq!(Share::of(12, 12), Share::WHOLE);
        assert_eq!(Share::of(0, 0), Share::WHOLE);
        assert!((Share::of(3, 12).ratio() - 0.25).abs() < 1e-12);
        assert_eq!(Share::of(0, 12), Share::of(1, 12));
        // The topic has grown, and its size is known a moment later.
        assert_eq!(Share::of(12, 8), Share::WHOLE);
    }

    proptest! {
        #[test]
        fn members_with_partitions_share_no_more_than_the_whole(
            members in prop::collection::vec(1_usize..50, 1..8),
            unassigned in 0_usize..10,
        ) {
            let total = members.iter().sum::<usize>() + unassigned;
            let sum: f64 = members
                .iter()
                .map(|assigned| Share::of(*assigned, total).ratio())
                .sum();
            prop_assert!(sum <= 1.0 + 1e-9);
        }
    }
}
