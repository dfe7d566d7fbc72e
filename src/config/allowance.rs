//! How much may be spent, as people write it: `"$20"`, `"400M tokens"`.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::cost::Money;

/// An amount of money or of tokens, more than nothing. Reads `"$20"`, `"20 USD"`, `"5000000
/// tokens"`, `"400M tokens"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// US dollars.
    Money(Money),
    /// Tokens.
    Tokens(u64),
}

/// The text is no allowance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllowanceError {
    /// Nothing may be spent, or less.
    #[error("must be more than nothing; leave it out for no budget")]
    Nothing,
    /// Not an amount.
    #[error("{0:?} is no amount such as \"$20\" or \"400M tokens\"")]
    NoAmount(String),
}

impl FromStr for Allowance {
    type Err = AllowanceError;

    fn from_str(text: &str) -> Result<Self, AllowanceError> {
        let no_amount = || AllowanceError::NoAmount(text.to_owned());
        let trimmed = text.trim();
        let (number, is_money) = if let Some(number) = strip_suffix(trimmed, "tokens") {
            (number, false)
        } else if let Some(number) = strip_suffix(trimmed, "usd") {
            (number, true)
        } else {
            (trimmed, trimmed.contains('$'))
        };
        let number = number.replacen('$', "", 1);
        let number = number.trim();
        if is_money {
            let dollars: f64 = number.parse().map_err(|_| no_amount())?;
            if dollars <= 0.0 {
                return Err(AllowanceError::Nothing);
            }
            let money = Money::from_dollars(dollars).ok_or_else(no_amount)?;
            return Ok(Self::Money(money));
        }
        if number.len() == trimmed.len() {
            // A bare number could be either.
            return Err(no_amount());
        }
        let (digits, factor) = match number.char_indices().next_back() {
            Some((at, 'k' | 'K')) => (&number[..at], 1e3),
            Some((at, 'M' | 'm')) => (&number[..at], 1e6),
            Some((at, 'G' | 'B')) => (&number[..at], 1e9),
            _ => (number, 1.0),
        };
        let tokens = digits.trim().parse::<f64>().map_err(|_| no_amount())? * factor;
        if tokens < 1.0 {
            return Err(AllowanceError::Nothing);
        }
        if !(1.0..1e18).contains(&tokens) {
            return Err(no_amount());
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be in range"
        )]
        Ok(Self::Tokens(tokens.round() as u64))
    }
}

/// Without regard to case.
fn strip_suffix<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(suffix.len())?;
    let (rest, end) = text.split_at_checked(at)?;
    end.eq_ignore_ascii_case(suffix).then_some(rest)
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Money(money) => write!(f, "${}", money.dollars()),
            Self::Tokens(tokens) => write!(f, "{tokens} tokens"),
        }
    }
}

impl Serialize for Allowance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Allowance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Allowance {
    fn schema_name() -> Cow<'static, str> {
        "Allowance".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "allowance" })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn money(dollars: f64) -> Allowance {
        Allowance::Money(Money::from_dollars(dollars).unwrap())
    }

    #[test]
    fn an_allowance_is_money_or_tokens() {
        for (text, allowance) in [
            ("$20", money(20.0)),
            ("$0.50", money(0.5)),
            ("12.5 USD", money(12.5)),
            ("400M tokens", Allowance::Tokens(400_000_000)),
            ("2.5k tokens", Allowance::Tokens(2_500)),
            ("7 Tokens", Allowance::Tokens(7)),
        ] {
            assert_eq!(text.parse(), Ok(allowance), "{text}");
            assert_eq!(allowance.to_string().parse(), Ok(allowance), "{text}");
        }
    }

    #[test]
    fn nothing_and_less_is_no_allowance() {
        for text in ["$0", "-$5", "$-5", "0 tokens", "-3 tokens", "0.2 tokens"] {
            assert_eq!(
                text.parse::<Allowance>(),
                Err(AllowanceError::Nothing),
                "{text}"
            );
        }
        for text in [
            "",
            "20",
            "tokens",
            "$",
            "$ten",
            "NaN tokens",
            "1e99 tokens",
            "ü",
        ] {
            let error = text.parse::<Allowance>();
            assert!(
                matches!(error, Err(AllowanceError::NoAmount(_))),
                "{text}: {error:?}"
            );
        }
    }
}
