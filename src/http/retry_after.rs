//! How long a provider wishes us to wait.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, HeaderName, RETRY_AFTER};

/// Milliseconds to wait; OpenAI and Azure send it beside `Retry-After`, whose unit is a second.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// The longest wait that is taken from a provider's word. After it we simply ask again.
const LONGEST: Duration = Duration::from_hours(1);

/// How long a response asks us to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date
/// (RFC 9110, section 10.2.3). A date in the past means no wait.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
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

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn asked(name: HeaderName, value: &str, now: SystemTime) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        retry_after(&headers, now)
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
