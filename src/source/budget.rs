//! The memory budget of records in flight.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use prometheus::IntGauge;

use crate::record::RawRecord;

/// Below this share of the limit paused partitions are resumed: pausing throws away what the
/// client has fetched ahead, so it must not flap.
const RESUME_SHARE: f64 = 0.7;

/// Bytes of records in flight, over all partitions: charged when a record is polled, refunded when
/// it settles. A clone counts into the same budget.
#[derive(Debug, Clone)]
pub struct Budget {
    used: Arc<AtomicU64>,
    limit: u64,
    vector: u64,
    gauge: IntGauge,
}

impl Budget {
    /// A budget of `limit` bytes, shown in `gauge`, for records whose vectors have `dimensions`.
    pub fn new(limit: u64, dimensions: u32, gauge: IntGauge) -> Self {
        Self {
            used: Arc::default(),
            limit,
            vector: 4 * u64::from(dimensions),
            gauge,
        }
    }

    /// What a record costs while it is in flight: its own memory, and that of a vector, which most
    /// records never get, but a backlog in front of a silent index does.
    pub fn cost(&self, record: &RawRecord) -> u64 {
        record.charge() + self.vector
    }

    /// Gives back what records cost that will not be processed.
    pub fn refund_all(&self, records: &[RawRecord]) {
        self.refund(records.iter().map(|record| self.cost(record)).sum());
    }

    /// Takes bytes; the budget may be overdrawn by what was already fetched.
    pub fn charge(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        self.gauge.add(signed(bytes));
    }

    /// Gives bytes back.
    pub fn refund(&self, bytes: u64) {
        if bytes > 0 {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
            self.gauge.sub(signed(bytes));
        }
    }

    /// How many bytes there are, used or not.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes in flight.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether to pause, given whether it is paused now.
    pub fn wants_pause(&self, paused: bool) -> bool {
        let used = self.used();
        if paused {
            used as f64 > self.limit as f64 * RESUME_SHARE
        } else {
            used > self.limit
        }
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn it_pauses_over_the_limit_and_resumes_well_below() {
        let budget = Budget::new(100, 0, IntGauge::new("b", "b").unwrap());
        budget.charge(100);
        assert!(!budget.wants_pause(false));
        budget.charge(1);
        assert!(budget.wants_pause(false));
        budget.refund(20);
        assert!(budget.wants_pause(true), "81 is not well below 100");
        budget.refund(11);
        assert!(!budget.wants_pause(true));
    }
}
