//! How long something took, of a histogram's buckets.

/// The observations that a histogram has counted, by bucket.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Buckets {
    /// The upper bound of each bucket, and how many observations are not above it.
    pub(super) cumulative: Vec<(f64, u64)>,
    /// All observations, those above the last bound, too.
    pub(super) count: u64,
}

impl Buckets {
    /// What was counted since `before`, of the same histogram.
    pub(super) fn since(&self, before: &Self) -> Self {
        let mut since = self.clone();
        for ((_, count), (_, earlier)) in since.cumulative.iter_mut().zip(&before.cumulative) {
            *count = count.saturating_sub(*earlier);
        }
        since.count = since.count.saturating_sub(before.count);
        since
    }

    /// The value that a share `quantile` (0 to 1) of the observations is not above, taken as spread evenly
    /// within a bucket, as Prometheus' `histogram_quantile` does. The last bound where it is above that;
    /// `None` without observations.
    pub(super) fn quantile(&self, quantile: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = quantile * self.count as f64;
        let mut below = (0.0, 0);
        for &(bound, count) in &self.cumulative {
            let within = count.saturating_sub(below.1);
            if count as f64 >= rank && within > 0 {
                let share = (rank - below.1 as f64) / within as f64;
                return Some(below.0 + (bound - below.0) * share);
            }
            below = (bound, count);
        }
        Some(below.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(cumulative: &[(f64, u64)], count: u64) -> Buckets {
        Buckets {
            cumulative: cumulative.to_vec(),
            count,
        }
    }

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let buckets = buckets(&[(1.0, 50), (2.0, 100)], 100);
        assert_eq!(buckets.quantile(0.5), Some(1.0));
        assert_eq!(buckets.quantile(0.75), Some(1.5));
        assert_eq!(buckets.quantile(1.0), Some(2.0));
    }

    #[test]
    fn what_is_above_every_bound_counts_as_the_last_one() {
        let buckets = buckets(&[(0.1, 1), (0.2, 1)], 4);
        assert_eq!(buckets.quantile(0.99), Some(0.2));
    }

    #[test]
    fn nothing_observed_has_no_quantile() {
        assert_eq!(buckets(&[(0.1, 0)], 0).quantile(0.5), None);
    }

    #[test]
    fn only_what_came_since_counts() {
        let before = buckets(&[(0.1, 90), (0.2, 100)], 100);
        let after = buckets(&[(0.1, 90), (0.2, 110)], 110);
        assert_eq!(after.since(&before), buckets(&[(0.1, 0), (0.2, 10)], 10));
    }
}
