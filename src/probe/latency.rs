//! How long answers took.

use std::time::Duration;

/// Latencies, from the shortest to the longest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Latencies(Vec<Duration>);

impl FromIterator<Duration> for Latencies {
    fn from_iter<I: IntoIterator<Item = Duration>>(latencies: I) -> Self {
        let mut sorted: Vec<Duration> = latencies.into_iter().collect();
        sorted.sort_unstable();
        Self(sorted)
    }
}

impl Latencies {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Their arithmetic mean; `None` without any.
    pub fn mean(&self) -> Option<Duration> {
        let count = u32::try_from(self.0.len()).ok()?;
        self.0.iter().sum::<Duration>().checked_div(count)
    }

    /// The shortest of them that `percent` of 100 do not exceed: one that was measured, and none between
    /// two (the "nearest rank"). `None` without any.
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let rank = (percent / 100.0 * self.0.len() as f64).ceil();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to the ranks there are"
        )]
        let index = (rank.clamp(1.0, self.0.len().max(1) as f64) as usize) - 1;
        self.0.get(index).copied()
    }

    /// The longest; `None` without any.
    pub fn max(&self) -> Option<Duration> {
        self.0.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn milliseconds(latencies: impl IntoIterator<Item = u64>) -> Latencies {
        latencies.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn a_percentile_is_one_of_the_latencies() {
        let latencies = milliseconds((1..=100).rev());
        let at = |percent| latencies.percentile(percent).map(|it| it.as_millis());
        assert_eq!(at(50.0), Some(50));
        assert_eq!(at(99.0), Some(99));
        assert_eq!(at(99.1), Some(100));
        assert_eq!((at(0.0), at(100.0)), (Some(1), Some(100)));
        assert_eq!(latencies.mean(), Some(Duration::from_micros(50_500)));
        assert_eq!(latencies.max(), Some(Duration::from_millis(100)));
    }

    #[test]
    fn of_nothing_there_is_no_figure() {
        let none = Latencies::default();
        assert_eq!(
            (none.mean(), none.percentile(50.0), none.max()),
            (None, None, None)
        );
    }

    proptest! {
        #[test]
        fn as_many_do_not_exceed_it_as_a_percentile_says(
            latencies in prop::collection::vec(0_u64..1000, 1..200),
            percent in 0.0..=100.0_f64,
        ) {
            let found = milliseconds(latencies.clone()).percentile(percent);
            let found = found.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
            let share = |below: &dyn Fn(u64) -> bool| {
                latencies.iter().filter(|it| below(**it)).count() as f64 / latencies.len() as f64
            };
            prop_assert!(share(&|it| it <= found) * 100.0 >= percent - 1e-9);
            // No shorter one would do.
            prop_assert!(percent == 0.0 || share(&|it| it < found) * 100.0 < percent + 1e-9);
        }
    }
}
