//! The figures that providers are compared by.

use crate::cost::{Money, Price};

use super::{Latencies, Measured};

/// What one provider's requests come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Requests that were sent and came to an end: with vectors, or with a failure.
    pub requests: u64,
    /// How long those took that were answered with vectors.
    pub latencies: Latencies,
    /// The share of requests that were answered with vectors; `None` without any request.
    pub success: Option<f64>,
    /// Texts a second that got a vector.
    pub texts_per_second: Option<f64>,
    /// Their tokens a second.
    pub tokens_per_second: Option<f64>,
    /// What their tokens cost, where the price is known.
    pub cost: Option<Money>,
}

impl Figures {
    /// Of what was measured, at this price.
    pub fn of(measured: &Measured, price: Option<Price>) -> Self {
        let answered = measured.answered.len() as u64;
        let requests = answered + measured.failures();
        let seconds = measured.elapsed.as_secs_f64();
        let a_second = |count: u64| (seconds > 0.0).then(|| count as f64 / seconds);
        Self {
            requests,
            latencies: measured.answered.iter().map(|it| it.latency).collect(),
            success: (requests > 0).then(|| answered as f64 / requests as f64),
            texts_per_second: a_second(measured.texts),
            tokens_per_second: a_second(measured.tokens),
            cost: price.map(|price| price.of(measured.tokens)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{error::Failure, probe::Answered, record::Vector};

    #[test]
    fn failures_count_against_the_success_and_not_into_the_latency() {
        let mut measured = Measured::new(0);
        let vector: Vector = [1.0].into_iter().collect();
        for (at, latency) in [(0, 100), (100, 300), (400, 200)] {
            let [at, latency] = [at, latency].map(Duration::from_millis);
            measured.answered(
                Answered { at, latency },
                [(0, vector.clone())],
                Some(500),
                0,
            );
        }
        measured.failed(Failure::transient("timeout", "took too long"));
        measured.elapsed = Duration::from_secs(2);
        let figures = Figures::of(&measured, Some(Price::per_million(0.42).unwrap()));
        assert_eq!((figures.requests, figures.success), (4, Some(0.75)));
        assert_eq!(figures.latencies.mean(), Some(Duration::from_millis(200)));
        assert_eq!(figures.tokens_per_second, Some(750.0));
        assert_eq!(figures.texts_per_second, Some(1.5));
        assert_eq!(figures.cost.unwrap().to_string(), "$0.00063");
    }

    #[test]
    fn nothing_measured_is_no_success_and_no_failure() {
        let figures = Figures::of(&Measured::new(0), None);
        assert_eq!((figures.success, figures.tokens_per_second), (None, None));
        assert_eq!(figures.cost, None);
    }
}
