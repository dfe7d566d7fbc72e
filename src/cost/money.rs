//! Money, exactly: sums of many small amounts are not rounded.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign, Sub},
    str::FromStr,
};

/// Millionths of a millionth of a dollar in a dollar.
const PICO: u128 = 1_000_000_000_000;

/// An amount of US dollars, in millionths of a millionth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(u128);

/// What one token costs. A price of a dollar for a million tokens is a millionth of a dollar each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(u64);

/// A number is no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Nobody is paid for buying.
    #[error("a price must not be negative")]
    Negative,
    /// Not a number, or one by which nobody sells embeddings.
    #[error("a price is a number of dollars for a million tokens, from 0 to 1,000,000")]
    NoPrice,
}

impl Money {
    /// No money.
    pub const NOTHING: Self = Self(0);

    /// So many millionths of a millionth of a dollar.
    pub const fn from_pico(pico: u128) -> Self {
        Self(pico)
    }

    /// In millionths of a millionth of a dollar.
    pub const fn pico(self) -> u128 {
        self.0
    }

    /// So many dollars; `None` where that is no amount.
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        let is_amount = dollars.is_finite() && (0.0..=1e15).contains(&dollars);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be in range"
        )]
        is_amount.then(|| Self((dollars * PICO as f64).round() as u128))
    }

    /// In dollars, as near as a floating-point number comes.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / PICO as f64
    }

    /// What is left when `other` is taken away; nothing, if that is more.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// So many times as much.
    #[must_use]
    pub fn times(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(u128::from(factor)))
    }
}

impl Price {
    /// From dollars for a million tokens.
    pub fn per_million(dollars: f64) -> Result<Self, PriceError> {
        if dollars < 0.0 {
            return Err(PriceError::Negative);
        }
        if !(0.0..=1e6).contains(&dollars) {
            return Err(PriceError::NoPrice);
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be in range"
        )]
        Ok(Self((dollars * 1e6).round() as u64))
    }

    /// In dollars for a million tokens.
    pub fn dollars_per_million(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// What so many tokens cost.
    pub fn of(self, tokens: u64) -> Money {
        Money(u128::from(self.0) * u128::from(tokens))
    }
}

impl FromStr for Price {
    type Err = PriceError;

    fn from_str(text: &str) -> Result<Self, PriceError> {
        let number = text.trim().trim_start_matches('$');
        Self::per_million(number.parse().map_err(|_| PriceError::NoPrice)?)
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Money {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Money {
    /// `$2,205.00`; below a dollar as many digits as it takes to see it: `$0.252`, `$0.0000043`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dollars = self.dollars();
        if self.0 == 0 || dollars >= 1.0 {
            let cents = self.0.saturating_add(PICO / 200) / (PICO / 100);
            return write!(f, "${}.{:02}", grouped(cents / 100), cents % 100);
        }
        // Three digits that count, wherever they begin.
        let zeros = (-dollars.log10()).floor().clamp(0.0, 12.0);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 12"
        )]
        let decimals = zeros as usize + 3;
        let digits = format!("{dollars:.decimals$}");
        let trimmed = digits.trim_end_matches('0');
        let whole = digits.get(..4).unwrap_or(&digits);
        f.write_str("$")?;
        f.write_str(if trimmed.len() < whole.len() {
            whole
        } else {
            trimmed
        })
    }
}

/// `1,234,567`.
pub(crate) fn grouped(number: impl fmt::Display) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(dollars: f64) -> String {
        Money::from_dollars(dollars).unwrap().to_string()
    }

    #[test]
    fn amounts_are_shown_as_people_write_them() {
        assert_eq!(shown(0.0), "$0.00");
        assert_eq!(shown(2205.0), "$2,205.00");
        assert_eq!(shown(1_234_567.895), "$1,234,567.90");
        assert_eq!(shown(15.75), "$15.75");
        assert_eq!(shown(0.252), "$0.252");
        assert_eq!(shown(0.5), "$0.50");
        assert_eq!(shown(0.06), "$0.06");
        assert_eq!(shown(0.000_004_3), "$0.0000043");
    }

    #[test]
    fn a_price_is_exact_to_the_token() {
        let price = Price::per_million(0.02).unwrap();
        assert_eq!(price.of(1_000_000), Money::from_dollars(0.02).unwrap());
        assert_eq!(price.of(1).pico(), 20_000);
        assert!((price.dollars_per_million() - 0.02).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_price_says_why() {
        assert_eq!(Price::per_million(-0.01), Err(PriceError::Negative));
        for number in [f64::NAN, f64::INFINITY, 1e7] {
            assert_eq!(Price::per_million(number), Err(PriceError::NoPrice));
        }
        assert_eq!("cheap".parse::<Price>(), Err(PriceError::NoPrice));
        assert_eq!("$0.42".parse(), Price::per_million(0.42));
    }

    proptest! {
        #[test]
        fn many_small_amounts_are_one_large(tokens in prop::collection::vec(0_u64..1_000_000, 0..50)) {
            let price = Price::per_million(0.13).unwrap();
            let apart: Money = tokens.iter().map(|tokens| price.of(*tokens)).sum();
            prop_assert_eq!(apart, price.of(tokens.iter().sum()));
        }

        #[test]
        fn every_amount_can_be_shown(pico: u64) {
            prop_assert!(Money::from_pico(u128::from(pico)).to_string().starts_with('$'));
        }
    }
}
