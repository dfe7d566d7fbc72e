//! Dates, times and intervals: from how PostgreSQL prints them to how the decoder has them.

use std::fmt::Write as _;

use crate::record::Unit;

const MICROS_OF_A_SECOND: i64 = 1_000_000;
const MICROS_OF_A_DAY: i64 = 86_400 * MICROS_OF_A_SECOND;

/// A date's number of days since 1970.
pub(super) fn days(printed: &str) -> Option<i64> {
    let (date, is_before_christ) = era(printed);
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let year = if is_before_christ { 1 - year } else { year };
    // After Howard Hinnant's `days_from_civil`.
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    Some(year.div_euclid(400) * 146_097 + days - 719_468)
}

/// ISO 8601 without a zone, cut to the unit; what ISO 8601 can't say stays as it is printed.
pub(super) fn timestamp(printed: &str, unit: Unit) -> Option<String> {
    if matches!(printed, "infinity" | "-infinity") {
        return Some(printed.to_owned());
    }
    let (moment, is_before_christ) = era(printed);
    let (date, time) = moment.split_once(' ')?;
    let time = self::time(time, unit)?;
    let era = if is_before_christ { " BC" } else { "" };
    Some(format!("{date}T{time}{era}"))
}

/// So many units since 1970.
pub(super) fn since_epoch(printed: &str, unit: Unit) -> Option<i64> {
    let (moment, is_before_christ) = era(printed);
    let (date, time) = moment.split_once(' ')?;
    let date = if is_before_christ {
        format!("{date} BC")
    } else {
        date.to_owned()
    };
    let micros = days(&date)?.checked_mul(MICROS_OF_A_DAY)?;
    of_micros(micros.checked_add(micros_of_day(time)?)?, unit)
}

/// A time in UTC with `places` digits behind the point, or as many as it needs. Of infinite ones,
/// and of those before Christ, there are too many spellings.
pub(super) fn zoned(printed: &str, places: Option<usize>) -> Option<String> {
    let (date, time) = printed.strip_suffix("+00")?.split_once(' ')?;
    if date.len() != 10 {
        return None;
    }
    let micros = micros_of_day(time)?;
    let (whole, fraction) = (time.get(..8)?, micros % MICROS_OF_A_SECOND);
    let mut digits = format!(".{fraction:06}");
    match places {
        Some(places) => digits.truncate(places + 1),
        None => digits.truncate(digits.trim_end_matches(['0', '.']).len()),
    }
    Some(format!("{date}T{whole}{digits}Z"))
}

/// A time of day, cut to the unit.
pub(super) fn time(printed: &str, unit: Unit) -> Option<String> {
    let micros = micros_of_day(printed)?;
    let fraction = micros % MICROS_OF_A_SECOND;
    let fraction = match unit {
        Unit::Millis => fraction / 1_000 * 1_000,
        Unit::Micros | Unit::Nanos => fraction,
    };
    Some(clock(micros / MICROS_OF_A_SECOND, fraction))
}

/// So many units since midnight.
pub(super) fn since_midnight(printed: &str, unit: Unit) -> Option<i64> {
    of_micros(micros_of_day(printed)?, unit)
}

/// A time of day with a zone, in UTC.
pub(super) fn zoned_time(printed: &str) -> Option<String> {
    let at = printed.rfind(['+', '-'])?;
    let (time, offset) = printed.split_at(at);
    let (sign, offset) = offset.split_at(1);
    let mut seconds = 0;
    for (part, worth) in offset.split(':').zip([3_600, 60, 1]) {
        seconds += part.parse::<i64>().ok()? * worth;
    }
    let offset = seconds * MICROS_OF_A_SECOND * if sign == "-" { 1 } else { -1 };
    let micros = (micros_of_day(time)? + offset).rem_euclid(MICROS_OF_A_DAY);
    let time = clock(micros / MICROS_OF_A_SECOND, micros % MICROS_OF_A_SECOND);
    Some(format!("{time}Z"))
}

/// Hours, minutes and seconds, with the microseconds as far as they aren't zeros.
fn clock(seconds: i64, micros: i64) -> String {
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    let mut text = format!("{hours:02}:{minutes:02}:{:02}", seconds % 60);
    if micros > 0 {
        write!(text, ".{micros:06}").expect("writing to a String cannot fail");
        text.truncate(text.trim_end_matches('0').len());
    }
    text
}

fn era(printed: &str) -> (&str, bool) {
    match printed.strip_suffix(" BC") {
        Some(before) => (before, true),
        None => (printed, false),
    }
}

fn of_micros(micros: i64, unit: Unit) -> Option<i64> {
    match unit {
        Unit::Millis => Some(micros.div_euclid(1_000)),
        Unit::Micros => Some(micros),
        Unit::Nanos => micros.checked_mul(1_000),
    }
}

/// Of `HH:MM:SS`, maybe with a fraction of up to six digits.
fn micros_of_day(time: &str) -> Option<i64> {
    let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = whole.split(':').map(|part| part.parse::<i64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || fraction.len() > 6 {
        return None;
    }
    let fraction: i64 = format!("{fraction:0<6}").parse().ok()?;
    Some(((hours * 60 + minutes) * 60 + seconds) * MICROS_OF_A_SECOND + fraction)
}

/// An interval: the parts that PostgreSQL keeps apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Interval {
    years: i64,
    months: i64,
    days: i64,
    hours: i64,
    minutes: i64,
    micros: i64,
}

impl Interval {
    /// As `IntervalStyle` `iso_8601` prints it: `P1Y2M3DT4H5M6.7S`.
    pub(super) fn parse(printed: &str) -> Option<Self> {
        let mut interval = Self::default();
        let mut rest = printed.strip_prefix('P')?;
        let mut is_time = false;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('T') {
                (is_time, rest) = (true, after);
                continue;
            }
            let end = rest.find(|char: char| char.is_ascii_alphabetic())?;
            let (number, after) = rest.split_at(end);
            let (unit, after) = after.split_at(1);
            if (is_time, unit) == (true, "S") {
                interval.micros = micros(number)?;
            } else {
                let number = number.parse().ok()?;
                *match (is_time, unit) {
                    (false, "Y") => &mut interval.years,
                    (false, "M") => &mut interval.months,
                    (false, "D") => &mut interval.days,
                    (true, "H") => &mut interval.hours,
                    (true, "M") => &mut interval.minutes,
                    _ => return None,
                } = number;
            }
            rest = after;
        }
        Some(interval)
    }

    /// As Debezium writes it where `interval.handling.mode` is `string`.
    pub(super) fn iso(&self) -> String {
        let Self {
            years,
            months,
            days,
            hours,
            minutes,
            micros,
        } = self;
        let (sign, micros) = (if *micros < 0 { "-" } else { "" }, micros.unsigned_abs());
        let mut seconds = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        seconds.truncate(seconds.trim_end_matches('0').trim_end_matches('.').len());
        format!("P{years}Y{months}M{days}DT{hours}H{minutes}M{sign}{seconds}S")
    }

    /// As Debezium writes it where the mode is `numeric`: a month is a twelfth of 365.25 days.
    pub(super) fn micros(&self) -> Option<i64> {
        // 30.4375 days are a whole number of microseconds.
        const MICROS_OF_A_MONTH: i64 = 2_629_800 * MICROS_OF_A_SECOND;
        let months = self.years.checked_mul(12)?.checked_add(self.months)?;
        let minutes = self.hours.checked_mul(60)?.checked_add(self.minutes)?;
        let parts = [
            months.checked_mul(MICROS_OF_A_MONTH)?,
            self.days.checked_mul(MICROS_OF_A_DAY)?,
            minutes.checked_mul(60 * MICROS_OF_A_SECOND)?,
            self.micros,
        ];
        parts.into_iter().try_fold(0_i64, i64::checked_add)
    }
}

/// Seconds with a fraction, in microseconds.
fn micros(seconds: &str) -> Option<i64> {
    let (sign, seconds) = match seconds.strip_prefix('-') {
        Some(seconds) => (-1, seconds),
        None => (1, seconds),
    };
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    if fraction.len() > 6 {
        return None;
    }
    let (whole, fraction): (i64, i64) =
        (whole.parse().ok()?, format!("{fraction:0<6}").parse().ok()?);
    Some(
        sign * whole
            .checked_mul(MICROS_OF_A_SECOND)?
            .checked_add(fraction)?,
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn dates_are_counted_from_1970() {
        for (printed, expected) in [
            ("1970-01-01", 0),
            ("2024-02-29", 19_782),
            ("1969-12-31", -1),
            ("0001-12-31 BC", -719_163),
            ("0044-03-15 BC", -735_160),
            ("10000-01-01", 2_932_897),
        ] {
            assert_eq!(days(printed), Some(expected), "{printed}");
        }
        assert_eq!(days("infinity"), None);
    }

    #[test]
    fn times_are_cut_to_their_unit_and_have_no_zeros_at_the_end() {
        let printed = "2026-01-02 03:04:05.678900";
        let micros = timestamp(printed, Unit::Micros).unwrap();
        assert_eq!(micros, "2026-01-02T03:04:05.6789");
        let millis = timestamp(printed, Unit::Millis).unwrap();
        assert_eq!(millis, "2026-01-02T03:04:05.678");
        let ancient = timestamp("0044-03-15 12:00:00 BC", Unit::Micros).unwrap();
        assert_eq!(ancient, "0044-03-15T12:00:00 BC");
        assert_eq!(
            since_epoch("1970-01-02 00:00:01.5", Unit::Millis),
            Some(86_401_500)
        );
        assert_eq!(
            since_midnight("00:00:01.5", Unit::Nanos),
            Some(1_500_000_000)
        );
    }

    #[test]
    fn a_time_with_a_zone_is_in_utc() {
        let printed = "2026-01-03 00:00:00.00002+00";
        let zoned = |places| zoned(printed, places).unwrap();
        assert_eq!(zoned(Some(6)), "2026-01-03T00:00:00.000020Z");
        assert_eq!(zoned(Some(3)), "2026-01-03T00:00:00.000Z");
        assert_eq!(zoned(None), "2026-01-03T00:00:00.00002Z");
        assert_eq!(zoned_time("01:30:00+02").unwrap(), "23:30:00Z");
        assert_eq!(zoned_time("01:30:00.5-05:30").unwrap(), "07:00:00.5Z");
    }

    #[test]
    fn an_interval_is_its_parts_or_its_length() {
        let interval = Interval::parse("P1Y2M3DT4H5M6.78S").unwrap();
        assert_eq!(interval.iso(), "P1Y2M3DT4H5M6.78S");
        // Debezium's documentation has 1 month as 2629800000000.
        assert_eq!(
            Interval::parse("P1M").unwrap().micros(),
            Some(2_629_800_000_000)
        );
        let negative = Interval::parse("PT-0.5S").unwrap();
        assert_eq!(negative.micros(), Some(-500_000));
        assert_eq!(negative.iso(), "P0Y0M0DT0H0M-0.5S");
        assert_eq!(Interval::parse("1 day"), None);
    }
}
