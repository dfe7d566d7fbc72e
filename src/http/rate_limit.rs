//! What a provider says of its rate limits beside each answer.

use std::time::Duration;

use reqwest::header::HeaderMap;

/// The limits on requests and on tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RateLimits {
    pub(crate) requests: LimitStatus,
    pub(crate) tokens: LimitStatus,
}

/// One limit, as far as it is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LimitStatus {
    /// How many a minute.
    pub(crate) limit: Option<u64>,
    /// How many of them are left.
    pub(crate) remaining: Option<u64>,
    /// How long until all of them are.
    pub(crate) reset: Option<Duration>,
}

/// Reads `x-ratelimit-limit-requests`, `-remaining-requests`, `-reset-requests` and the same of
/// tokens, as OpenAI documents them
/// (<https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers>). What is not a
/// number that makes sense counts as not told: some gateways write -1 for what they don't know.
pub(crate) fn rate_limits(headers: &HeaderMap) -> RateLimits {
    let text = |name: &str, unit: &str| {
        let value = headers.get(format!("x-ratelimit-{name}-{unit}"))?;
        value.to_str().ok().map(str::trim)
    };
    let status = |unit| LimitStatus {
        limit: text("limit", unit)
            .and_then(|text| text.parse().ok())
            .filter(|limit| *limit > 0),
        remaining: text("remaining", unit).and_then(|text| text.parse().ok()),
        reset: text("reset", unit).and_then(span),
    };
    RateLimits {
        requests: status("requests"),
        tokens: status("tokens"),
    }
}

/// The longest wait that is taken from a provider's word.
const LONGEST: Duration = Duration::from_hours(1);

/// A time as Go writes it (`6m0s`, `1.5s`, `12ms`), or in seconds without a unit, as Azure does.
fn span(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        return seconds_of(seconds);
    }
    let mut total = 0.0;
    let mut rest = text;
    loop {
        let digits = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
        let (number, unit) = rest.split_at(digits);
        let number: f64 = number.parse().ok()?;
        // The longer name first: `ms` begins with `m`.
        let (seconds, length) = [
            ("ms", 1e-3),
            ("us", 1e-6),
            ("µs", 1e-6),
            ("ns", 1e-9),
            ("h", 3600.0),
            ("m", 60.0),
            ("s", 1.0),
        ]
        .into_iter()
        .find(|(name, _)| unit.starts_with(name))
        .map(|(name, seconds)| (number * seconds, name.len()))?;
        total += seconds;
        rest = unit.get(length..)?;
        if rest.is_empty() {
            return seconds_of(total);
        }
    }
}

fn seconds_of(seconds: f64) -> Option<Duration> {
    let span = Duration::try_from_secs_f64(seconds).ok()?;
    Some(span.min(LONGEST))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;
    use reqwest::header::HeaderName;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn read(headers: &[(&'static str, &str)]) -> RateLimits {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        rate_limits(&headers.collect())
    }

    #[test]
    fn what_openai_documents_is_read() {
        let limits = read(&[
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-limit-tokens", "150000"),
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ]);
        let expected = RateLimits {
            requests: LimitStatus {
                limit: Some(60),
                remaining: Some(59),
                reset: Some(SECOND),
            },
            tokens: LimitStatus {
                limit: Some(150_000),
                remaining: Some(149_984),
                reset: Some(360 * SECOND),
            },
        };
        assert_eq!(limits, expected);
        assert_eq!(read(&[]), RateLimits::default());
    }

    #[test]
    fn what_makes_no_sense_is_not_told() {
        let limits = read(&[
            ("x-ratelimit-limit-requests", "-1"),
            ("x-ratelimit-limit-tokens", "0"),
            ("x-ratelimit-remaining-tokens", "-1"),
            ("x-ratelimit-reset-tokens", "soon"),
        ]);
        assert_eq!(limits, RateLimits::default());
    }

    #[test]
    fn times_are_written_with_units_or_in_seconds() {
        let millis = |millis| Some(Duration::from_millis(millis));
        for (text, expected) in [
            ("12ms", millis(12)),
            ("1.5s", millis(1_500)),
            ("1m30s", millis(90_000)),
            ("1h", millis(3_600_000)),
            ("26h", millis(3_600_000)),
            ("34", millis(34_000)),
            ("0", millis(0)),
            ("5", millis(5_000)),
            ("5x", None),
            ("s", None),
            ("", None),
            ("-3", None),
            ("1m2", None),
        ] {
            assert_eq!(span(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_time_is_too_odd_to_read(text in "[0-9.hmsµn-]{0,12}|\\PC{0,12}") {
            prop_assert!(span(&text).is_none_or(|span| span <= LONGEST));
        }
    }
}
