//! What measuring may cost: a ceiling for all providers together, that is never passed knowingly.

use std::sync::{Mutex, PoisonError};

use crate::cost::{Money, Price};

/// The most that may be spent. What is not set is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ceiling {
    /// Tokens, of all providers.
    pub tokens: Option<u64>,
    /// Money, at providers whose price is known.
    pub money: Option<Money>,
}

/// What has been spent, and is about to be, below a ceiling.
#[derive(Debug)]
pub struct Purse {
    ceiling: Ceiling,
    spent: Mutex<Spent>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    tokens: u64,
    money: Money,
}

impl Purse {
    /// Nothing spent yet.
    pub fn new(ceiling: Ceiling) -> Self {
        Self {
            ceiling,
            spent: Mutex::default(),
        }
    }

    /// Sets aside what a request of about so many tokens will cost, if it is there.
    pub(super) fn reserve(&self, price: Option<Price>, tokens: u64) -> Option<Reserved> {
        let money = price.map_or(Money::NOTHING, |price| price.of(tokens));
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let after = Spent {
            tokens: spent.tokens + tokens,
            money: spent.money + money,
        };
        let is_too_much = self.ceiling.tokens.is_some_and(|most| after.tokens > most)
            || self.ceiling.money.is_some_and(|most| after.money > most);
        if is_too_much {
            return None;
        }
        *spent = after;
        Some(Reserved { tokens, price })
    }

    /// Puts in the place of what was set aside what it came to.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "settling uses the reservation up"
    )]
    pub(super) fn settle(&self, reserved: Reserved, tokens: u64) {
        let Reserved {
            tokens: estimate,
            price,
        } = reserved;
        let cost = |tokens| price.map_or(Money::NOTHING, |price| price.of(tokens));
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.tokens = spent.tokens.saturating_sub(estimate) + tokens;
        spent.money = spent.money - cost(estimate) + cost(tokens);
    }
}

/// What is set aside for a request that is under way.
#[derive(Debug)]
#[must_use = "what is not settled counts as spent"]
pub(super) struct Reserved {
    tokens: u64,
    price: Option<Price>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn dollar_a_million() -> Price {
        Price::per_million(1.0).unwrap()
    }

    #[test]
    fn what_is_under_way_counts_as_spent() {
        let purse = Purse::new(Ceiling {
            tokens: Some(100),
            money: None,
        });
        let first = purse.reserve(None, 60).unwrap();
        assert!(purse.reserve(None, 60).is_none());
        purse.settle(first, 0);
        assert!(purse.reserve(None, 60).is_some());
    }

    #[test]
    fn money_is_counted_as_it_was_charged() {
        let purse = Purse::new(Ceiling {
            tokens: None,
            money: Money::from_dollars(0.000_1),
        });
        let first = purse.reserve(Some(dollar_a_million()), 40).unwrap();
        purse.settle(first, 90);
        assert!(purse.reserve(Some(dollar_a_million()), 11).is_none());
        assert!(purse.reserve(Some(dollar_a_million()), 10).is_some());
    }
}
