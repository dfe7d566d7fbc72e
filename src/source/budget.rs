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
    /// What of that is of parked rows.
    parked: Arc<AtomicU64>,
    limit: u64,
    vector: u64,
    chunks: Option<Chunks>,
    gauge: IntGauge,
}

/// Into how many chunks texts are split.
#[derive(Debug, Clone, Copy)]
struct Chunks {
    longest: u32,
    most: u32,
}

impl Chunks {
    /// How many chunks a text can have that is no longer than so many bytes. Hardly any token is less
    /// than a byte, and most are four: so there are hardly ever more.
    fn of(self, bytes: u64) -> u64 {
        let chunks = bytes / u64::from(self.longest.max(1)) + 1;
        chunks.min(self.most.into())
    }
}

impl Budget {
    /// A budget of `limit` bytes, shown in `gauge`, for records whose vectors have `dimensions`.
    pub fn new(limit: u64, dimensions: u32, gauge: IntGauge) -> Self {
        Self {
            used: Arc::default(),
            parked: Arc::default(),
            limit,
            vector: 4 * u64::from(dimensions),
            chunks: None,
            gauge,
        }
    }

    /// The same, for records whose texts are split into chunks of `longest` tokens, `most` at most.
    #[must_use]
    pub fn with_chunks(self, longest: u32, most: u32) -> Self {
        let chunks = Some(Chunks { longest, most });
        Self { chunks, ..self }
    }

    /// What a record costs while it is in flight: its own memory, and that of a vector, or of its
    /// chunks' vectors, which most records never get, but a backlog in front of a silent index does.
    pub fn cost(&self, record: &RawRecord) -> u64 {
        self.cost_with(record, 0)
    }

    /// What a parked row costs while it is worked off, of whose point such a record was made: its
    /// text is not in it.
    pub fn cost_of_parked(&self, record: &RawRecord, text: &str) -> u64 {
        self.cost_with(record, text.len() as u64)
    }

    fn cost_with(&self, record: &RawRecord, text: u64) -> u64 {
        let value = record.value.as_ref().map_or(0, |value| value.len() as u64);
        let vectors = self.chunks.map_or(1, |chunks| chunks.of(value + text));
        record.charge() + text + vectors * self.vector
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

    /// Takes bytes for a parked row that is worked off.
    pub fn charge_parked(&self, bytes: u64) {
        self.parked.fetch_add(bytes, Ordering::Relaxed);
        self.charge(bytes);
    }

    /// Gives them back.
    pub fn refund_parked(&self, bytes: u64) {
        self.parked.fetch_sub(bytes, Ordering::Relaxed);
        self.refund(bytes);
    }

    /// Whether so much is in flight that what waits for vectors is in the way: half of the budget.
    pub fn is_scarce(&self) -> bool {
        self.used() > self.limit / 2
    }

    /// Whether another parked row may be taken in hand: they get a quarter of the budget, so that no
    /// partition is paused because of them, and nothing where it is scarce.
    pub fn has_room_for_parked(&self) -> bool {
        !self.is_scarce() && self.parked.load(Ordering::Relaxed) <= self.limit / 4
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
    use crate::record::Offset;

    fn record(bytes: usize) -> RawRecord {
        RawRecord {
            topic: "t".into(),
            partition: 0,
            offset: Offset(0),
            timestamp_ms: None,
            key: None,
            value: Some(vec![0; bytes].into()),
            headers: Vec::new(),
        }
    }

    #[test]
    fn a_record_costs_as_many_vectors_as_its_text_can_have_chunks() {
        let dense = Budget::new(100, 8, IntGauge::new("b", "b").unwrap());
        let chunked = dense.clone().with_chunks(512, 16);
        let vectors = |budget: &Budget, bytes: usize| {
            let record = record(bytes);
            (budget.cost(&record) - record.charge()) / (8 * 4)
        };
        assert_eq!(
            [100, 2_000, 100_000].map(|it| vectors(&dense, it)),
            [1, 1, 1]
        );
        assert_eq!(
            [100, 2_000, 100_000].map(|it| vectors(&chunked, it)),
            [1, 4, 16]
        );
    }

    #[test]
    fn a_parked_row_costs_its_text_beside_what_its_point_says() {
        let chunked = Budget::new(100, 8, IntGauge::new("b", "b").unwrap()).with_chunks(512, 16);
        let (record, text) = (record(100), "x".repeat(1_000));
        assert_eq!(
            chunked.cost_of_parked(&record, &text) - chunked.cost(&record),
            1_000 + 2 * 8 * 4,
            "the text, and the vectors of two chunks more"
        );
    }

    #[test]
    fn parked_rows_get_a_quarter_whatever_else_is_in_flight_and_nothing_where_it_is_scarce() {
        let budget = Budget::new(100, 0, IntGauge::new("b", "b").unwrap());
        budget.charge(30);
        budget.charge_parked(20);
        assert!(
            budget.has_room_for_parked(),
            "half is used, but not by them"
        );
        budget.charge(1);
        assert!(budget.is_scarce() && !budget.has_room_for_parked());
        budget.refund(31);
        budget.charge_parked(6);
        assert!(
            !budget.has_room_for_parked(),
            "they have more than a quarter"
        );
        budget.refund_parked(26);
        assert!(budget.has_room_for_parked());
        assert_eq!(budget.used(), 0);
    }

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
