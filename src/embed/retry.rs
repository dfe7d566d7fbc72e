//! How long to wait before trying again: our own patience, and the provider's wish.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, HeaderName, RETRY_AFTER};

/// Milliseconds to wait; OpenAI and Azure send it beside `Retry-After`, whose unit is a second.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// The longest wait that is taken from a provider's word. After it we simply ask again.
const LONGEST: Duration = Duration::from_hours(1);

/// Exponential backoff: `initial`, twice that, four times that … but never more than `max`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    initial: Duration,
    max: Duration,
}

impl Backoff {
    pub(super) fn new(initial: Duration, max: Duration) -> Self {
        Self { initial, max }
    }

    /// How long to wait after failure number `failures` (the first is 1). `random` lies in 0..1
    /// and takes away up to half of the wait, so that those who failed together don't return
    /// together.
    pub(super) fn delay(&self, failures: u32, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let nominal = self.initial.saturating_mul(1 << doublings).min(self.max);
        nominal.mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0)
    }
}

/// How long a response asks us to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date
/// (RFC 9110, section 10.2.3). A date in the past means no wait.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let seconds = |text: &str, unit: f64| {
        let number: f64 = text.parse().ok()?;
        Duration::try_from_secs_f64(number * unit).ok()
    };
    let asked = text(RETRY_AFTER_MS)
        .and_then(|text| seconds(text, 1e-3))
        .or_else(|| {
            let text = text(RETRY_AFTER)?;
            seconds(text, 1.0).or_else(|| {
                let date = httpdate::parse_http_date(text).ok()?;
                Some(date.duration_since(now).unwrap_or_default())
            })
        })?;
    Some(asked.min(LONGEST))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn asked(name: HeaderName, value: &str, now: SystemTime) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        retry_after(&headers, now)
    }

    #[test]
    fn the_wait_doubles_up_to_its_maximum() {
        let backoff = Backoff::new(SECOND, 10 * SECOND);
        let waits: Vec<u64> = (1..=6).map(|n| backoff.delay(n, 0.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
        assert_eq!(backoff.delay(u32::MAX, 0.0), 10 * SECOND);
    }

    proptest! {
        #[test]
        fn jitter_takes_away_at_most_half(failures in 1_u32.., random in 0.0..1.0_f64) {
            let backoff = Backoff::new(SECOND, 60 * SECOND);
            let nominal = backoff.delay(failures, 0.0);
            let wait = backoff.delay(failures, random);
            prop_assert!(wait <= nominal && wait * 2 >= nominal, "{wait:?} of {nominal:?}");
        }
    }

    #[test]
    fn a_provider_may_ask_in_seconds_milliseconds_or_by_date() {
        let now = httpdate::parse_http_date("Fri, 31 Jul 2026 23:59:00 GMT").unwrap();
        assert_eq!(asked(RETRY_AFTER, "7", now), Some(7 * SECOND));
        assert_eq!(asked(RETRY_AFTER, "0.25", now), Some(SECOND / 4));
        assert_eq!(
            asked(RETRY_AFTER_MS, "120", now),
            Some(Duration::from_millis(120))
        );
        let date = "Sat, 01 Aug 2026 00:00:30 GMT";
        assert_eq!(asked(RETRY_AFTER, date, now), Some(90 * SECOND));
        assert_eq!(
            asked(RETRY_AFTER, date, now + 100 * SECOND),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn milliseconds_win_over_seconds() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "1".parse().unwrap());
        headers.insert(RETRY_AFTER_MS, "200".parse().unwrap());
        assert_eq!(
            retry_after(&headers, SystemTime::UNIX_EPOCH),
            Some(Duration::from_millis(200))
        );
    }

    #[test]
    fn nonsense_is_no_wish_and_a_year_is_an_hour() {
        let now = SystemTime::UNIX_EPOCH;
        for nonsense in ["soon", "", "-3", "NaN", "inf"] {
            assert_eq!(asked(RETRY_AFTER, nonsense, now), None, "{nonsense}");
        }
        assert_eq!(asked(RETRY_AFTER, "31536000", now), Some(LONGEST));
        assert_eq!(asked(RETRY_AFTER, "1e18", now), Some(LONGEST));
    }
}
