//! What a catalogue will cost, by plain arithmetic: no server is asked, and nothing is guessed that
//! was not said.
//!
//! A month has 30 days. Money is tokens times price; what servers, networks and people cost is
//! not in it.

use std::{num::NonZeroU64, time::Duration};

use super::money::{Money, Price};

/// Days in a month.
pub const DAYS: f64 = 30.0;

/// By [Qdrant's rule](https://qdrant.tech/documentation/guides/capacity-planning/): half as much again as
/// the vectors for graph, bookkeeping and segments that are being made anew.
const OVERHEAD: f64 = 1.5;

/// Bytes of a number of a vector.
const NUMBER: f64 = 4.0;

/// What there is to be embedded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Workload {
    /// Rows in the table.
    pub items: f64,
    /// Changes of rows a day, each of which carries a whole row.
    pub changes_per_day: f64,
    /// Tokens of a row's text.
    pub tokens_per_item: f64,
    /// Vectors of a row: more than one where texts are split.
    pub vectors_per_item: f64,
    /// How much of the tokens of changes has to be bought, from 0 to 1: the rest are of texts that
    /// did not change, or that changed again at once.
    pub bought: f64,
    /// Bytes that a point keeps beside its vector.
    pub payload_bytes: f64,
}

/// What the provider allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests a minute; `None` for no limit.
    pub requests_per_minute: Option<NonZeroU64>,
    /// Tokens a minute; `None` for no limit.
    pub tokens_per_minute: Option<NonZeroU64>,
    /// Texts a request.
    pub batch_inputs: NonZeroU64,
}

/// What the cost is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baseline {
    /// Every change is embedded, as a connector without memory does.
    EveryChange,
    /// The whole table is embedded anew every night.
    NightlyRebuild,
    /// So much is paid a month today.
    Paid(Money),
}

/// What a month costs with one model, and what there is to do before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// If every change is embedded.
    pub without: Spending,
    /// If only texts are embedded that have to be.
    pub with: Spending,
    /// The first time, for all rows.
    pub backfill: Spending,
    /// How long that takes at the least, within the limits; `None` if there are none.
    pub backfill_time: Option<Duration>,
    /// Bytes that Qdrant needs in memory to keep all vectors there.
    pub memory_bytes: f64,
    /// Bytes that Qdrant needs on disk.
    pub disk_bytes: f64,
    /// What a month costs by the baseline.
    pub baseline: Money,
}

/// Tokens and what they cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spending {
    /// Tokens.
    pub tokens: u64,
    /// Money.
    pub money: Money,
}

impl Estimate {
    /// What is not spent a month, against the baseline; nothing if it costs more.
    pub fn saved(&self) -> Money {
        self.baseline.saturating_sub(self.with.money)
    }

    /// How many times what is spent comes back as what is saved; `None` where nothing is spent.
    pub fn roi(&self) -> Option<f64> {
        let spent = self.with.money.dollars();
        (spent > 0.0).then(|| (self.baseline.dollars() - spent) / spent)
    }
}

/// Computes what `workload` costs at `price`, with vectors of `dimensions` numbers.
pub fn estimate(
    workload: &Workload,
    price: Price,
    dimensions: u32,
    limits: &Limits,
    baseline: Baseline,
) -> Estimate {
    let spending = |tokens: f64| {
        let tokens = whole(tokens);
        Spending {
            tokens,
            money: price.of(tokens),
        }
    };
    let changed = workload.changes_per_day * workload.tokens_per_item * DAYS;
    let without = spending(changed);
    let backfill = spending(workload.items * workload.tokens_per_item);
    let texts = workload.items * workload.vectors_per_item;
    let vectors = texts * f64::from(dimensions) * NUMBER;
    Estimate {
        without,
        with: spending(changed * workload.bought.clamp(0.0, 1.0)),
        backfill,
        backfill_time: limits.time_for(texts, backfill.tokens),
        memory_bytes: vectors * OVERHEAD,
        disk_bytes: (vectors + workload.items * workload.payload_bytes) * OVERHEAD,
        baseline: match baseline {
            Baseline::EveryChange => without.money,
            Baseline::NightlyRebuild => {
                spending(workload.items * workload.tokens_per_item * DAYS).money
            }
            Baseline::Paid(money) => money,
        },
    }
}

impl Limits {
    /// How long so many texts take at the least.
    fn time_for(&self, texts: f64, tokens: u64) -> Option<Duration> {
        let requests = (texts / self.batch_inputs.get() as f64).ceil();
        let minutes =
            |amount: f64, limit: Option<NonZeroU64>| limit.map(|limit| amount / limit.get() as f64);
        let by_requests = minutes(requests, self.requests_per_minute);
        let by_tokens = minutes(tokens as f64, self.tokens_per_minute);
        let longest = by_requests.into_iter().chain(by_tokens).reduce(f64::max)?;
        // More than some millennia is no time to be shown.
        Some(Duration::from_secs_f64((longest * 60.0).min(1e11)))
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and NaN is 0"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "a test fails by panicking, and whole numbers are exact"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UNLIMITED: Limits = Limits {
        requests_per_minute: None,
        tokens_per_minute: None,
        batch_inputs: NonZeroU64::MIN,
    };

    fn workload(items_per_day: f64, tokens_per_item: f64) -> Workload {
        Workload {
            items: items_per_day,
            changes_per_day: items_per_day,
            tokens_per_item,
            vectors_per_item: 1.0,
            bought: 1.0,
            payload_bytes: 0.0,
        }
    }

    fn of(workload: &Workload, price: f64, baseline: Baseline) -> Estimate {
        let price = Price::per_million(price).unwrap();
        estimate(workload, price, 1536, &UNLIMITED, baseline)
    }

    #[test]
    fn a_month_is_thirty_times_a_days_tokens_times_the_price() {
        let rows = [
            (100.0, 200.0, 600_000, "$0.252", "$0.06"),
            (5_000.0, 250.0, 37_500_000, "$15.75", "$3.75"),
            (50_000.0, 300.0, 450_000_000, "$189.00", "$45.00"),
            (500_000.0, 350.0, 5_250_000_000, "$2,205.00", "$525.00"),
        ];
        for (items, tokens, month, at_42, at_10) in rows {
            let workload = workload(items, tokens);
            let dear = of(&workload, 0.42, Baseline::EveryChange);
            assert_eq!(dear.with.tokens, month);
            assert_eq!(dear.with.money.to_string(), at_42);
            let cheap = of(&workload, 0.10, Baseline::EveryChange);
            assert_eq!(cheap.with.money.to_string(), at_10);
        }
    }

    #[test]
    fn what_need_not_be_bought_is_saved() {
        let workload = Workload {
            bought: 0.25,
            ..workload(5_000.0, 250.0)
        };
        let estimate = of(&workload, 0.10, Baseline::EveryChange);
        assert_eq!(estimate.without.money.to_string(), "$3.75");
        assert_eq!(estimate.with.money.to_string(), "$0.938");
        assert_eq!(estimate.saved().to_string(), "$2.81");
        assert_eq!(estimate.roi(), Some(3.0));
    }

    #[test]
    fn the_baseline_is_what_one_would_do_otherwise() {
        let workload = Workload {
            items: 100_000.0,
            ..workload(5_000.0, 250.0)
        };
        let nightly = of(&workload, 0.10, Baseline::NightlyRebuild);
        assert_eq!(nightly.baseline.to_string(), "$75.00");
        assert_eq!(nightly.roi(), Some(19.0));
        let paid = Baseline::Paid(Money::from_dollars(1.0).unwrap());
        assert_eq!(of(&workload, 0.10, paid).saved(), Money::default());
        assert_eq!(of(&workload, 0.0, paid).roi(), None);
    }

    #[test]
    fn the_tighter_limit_decides_how_long_the_backfill_takes() {
        let limits = Limits {
            requests_per_minute: NonZeroU64::new(100),
            tokens_per_minute: NonZeroU64::new(1_000_000),
            batch_inputs: NonZeroU64::new(100).unwrap(),
        };
        let minutes = |items, tokens| {
            let workload = workload(items, tokens);
            let estimate = estimate(
                &workload,
                Price::default(),
                8,
                &limits,
                Baseline::EveryChange,
            );
            estimate.backfill_time.unwrap().as_secs() / 60
        };
        assert_eq!(minutes(1_000_000.0, 1.0), 100);
        assert_eq!(minutes(1_000_000.0, 200.0), 200);
        let free = of(&workload(1e6, 1.0), 0.0, Baseline::EveryChange);
        assert_eq!(free.backfill_time, None);
    }

    #[test]
    fn memory_and_disk_are_by_qdrants_rule() {
        let workload = Workload {
            payload_bytes: 1_000.0,
            ..workload(1_000_000.0, 1.0)
        };
        let estimate = estimate(
            &workload,
            Price::default(),
            1024,
            &UNLIMITED,
            Baseline::EveryChange,
        );
        assert_eq!(estimate.memory_bytes, 6_144_000_000.0);
        assert_eq!(estimate.disk_bytes, 7_644_000_000.0);
        let split = Workload {
            vectors_per_item: 2.5,
            ..workload
        };
        let estimate = of(&split, 0.0, Baseline::EveryChange);
        assert_eq!(estimate.memory_bytes, 2.5 * 9_216_000_000.0);
    }

    proptest! {
        #[test]
        fn with_never_costs_more_than_without(
            items in 0.0..1e9_f64, tokens in 0.0..1e5_f64, bought in 0.0..1.0_f64,
        ) {
            let workload = Workload { bought, ..workload(items, tokens) };
            let estimate = of(&workload, 0.13, Baseline::EveryChange);
            prop_assert!(estimate.with.tokens <= estimate.without.tokens);
            prop_assert!(estimate.with.money <= estimate.without.money);
        }
    }
}
