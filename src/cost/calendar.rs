//! Days and months, in UTC: costs are counted, and budgets begin anew, at its midnight.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const SECONDS: u64 = 86_400;

/// The last day that can be written with a year of four digits: 9999-12-31.
const LAST: u32 = 2_932_896;

/// A day of UTC, from 1970-01-01 to 9999-12-31; shown as `2026-12-31`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

/// A month of UTC; shown as `2026-12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    first: Day,
}

/// A text is no day or month.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}")]
pub struct CalendarError {
    text: String,
    what: &'static str,
}

impl Day {
    /// The day that `time` is in.
    pub fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let days = since.as_secs() / SECONDS;
        Self(u32::try_from(days).unwrap_or(LAST).min(LAST))
    }

    /// Today.
    pub fn today() -> Self {
        Self::of(SystemTime::now())
    }

    /// The day so many days after 1970-01-01.
    pub fn from_number(days: i64) -> Option<Self> {
        let days = u32::try_from(days).ok()?;
        (days <= LAST).then_some(Self(days))
    }

    /// Days since 1970-01-01.
    pub fn number(self) -> i64 {
        i64::from(self.0)
    }

    /// When it begins.
    pub fn begins(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(u64::from(self.0) * SECONDS)
    }

    /// The day after.
    #[must_use]
    pub fn next(self) -> Self {
        Self((self.0 + 1).min(LAST))
    }

    /// The day so many days before.
    #[must_use]
    pub fn before(self, days: u64) -> Self {
        Self(
            self.0
                .saturating_sub(u32::try_from(days).unwrap_or(u32::MAX)),
        )
    }

    /// The month that it is in.
    pub fn month(self) -> Month {
        let text = self.to_string();
        let of_month = text.get(8..).and_then(|day| day.parse().ok()).unwrap_or(1);
        Month {
            first: self.before(u64::saturating_sub(of_month, 1)),
        }
    }
}

impl Month {
    /// Its first day.
    pub fn first(self) -> Day {
        self.first
    }

    /// The month after.
    #[must_use]
    pub fn next(self) -> Self {
        // No month has more than 31 days, or fewer than 4.
        Day((self.first.0 + 31).min(LAST)).month()
    }

    /// Whether a day is in it.
    pub fn contains(self, day: Day) -> bool {
        day.month() == self
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = humantime::format_rfc3339_seconds(self.begins()).to_string();
        f.write_str(text.split('T').next().unwrap_or_default())
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.first.to_string();
        f.write_str(text.get(..7).unwrap_or_default())
    }
}

impl FromStr for Day {
    type Err = CalendarError;

    fn from_str(text: &str) -> Result<Self, CalendarError> {
        let time = humantime::parse_rfc3339(&format!("{}T00:00:00Z", text.trim()));
        time.map(Self::of).map_err(|_| CalendarError {
            text: text.to_owned(),
            what: "day such as 2026-12-31",
        })
    }
}

impl FromStr for Month {
    type Err = CalendarError;

    fn from_str(text: &str) -> Result<Self, CalendarError> {
        let first = format!("{}-01", text.trim()).parse::<Day>();
        first.map(Day::month).map_err(|_| CalendarError {
            text: text.to_owned(),
            what: "month such as 2026-12",
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_ends_at_midnight_of_utc() {
        let begins = day("2026-12-31").begins();
        assert_eq!(Day::of(begins), day("2026-12-31"));
        assert_eq!(Day::of(begins - Duration::from_nanos(1)), day("2026-12-30"));
        assert_eq!(day("2026-12-31").next(), day("2027-01-01"));
    }

    #[test]
    fn months_have_their_own_lengths() {
        let month: Month = "2028-02".parse().unwrap();
        assert_eq!(month.to_string(), "2028-02");
        assert_eq!(month.next().first(), day("2028-03-01"));
        assert!(month.contains(day("2028-02-29")));
        assert!(!month.contains(day("2028-03-01")));
        assert_eq!(day("2026-12-31").month().next().to_string(), "2027-01");
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in ["", "2026-13-01", "2026-02-30", "31.12.2026", "1969-12-31"] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
        assert!("2026".parse::<Month>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(days in 0..=LAST) {
            let day = Day(days);
            prop_assert_eq!(day.to_string().parse::<Day>().unwrap(), day);
            let month = day.month();
            prop_assert!(month.first() <= day && month.contains(day));
            prop_assert_eq!(month.to_string().parse::<Month>().unwrap(), month);
        }
    }
}
