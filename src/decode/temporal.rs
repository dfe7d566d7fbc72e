//! Dates and times: from the numbers that connectors write to ISO 8601.
//!
//! The calendar is the proleptic Gregorian one, as in PostgreSQL and in Java's `LocalDate`. What
//! ISO 8601 can't say is said as PostgreSQL prints it: `0044-03-15 BC`, `infinity`, `-infinity`.

use std::{borrow::Cow, fmt::Write};

use crate::record::Unit;

fn per_second(unit: Unit) -> i64 {
    match unit {
        Unit::Millis => 1_000,
        Unit::Micros => 1_000_000,
        Unit::Nanos => 1_000_000_000,
    }
}

fn digits(unit: Unit) -> usize {
    match unit {
        Unit::Millis => 3,
        Unit::Micros => 6,
        Unit::Nanos => 9,
    }
}

/// What PostgreSQL's infinite dates are as days since 1970: its driver counts from 2000 to the
/// ends of 32 bits, and moving the origin wraps around.
const DATE_INFINITY: i64 = i32::MAX.wrapping_add(DAYS_1970_TO_2000) as i64;
const DATE_MINUS_INFINITY: i64 = i32::MIN.wrapping_add(DAYS_1970_TO_2000) as i64;
const DAYS_1970_TO_2000: i32 = 10_957;

/// What PostgreSQL's infinite timestamps are, as Debezium documents it (PostgreSQL connector,
/// "Temporal types"): the driver's `DATE_POSITIVE_INFINITY` and `DATE_NEGATIVE_INFINITY`, whatever
/// the unit.
const TIMESTAMP_INFINITY: i64 = 9_223_372_036_825_200_000;
const TIMESTAMP_MINUS_INFINITY: i64 = -9_223_372_036_832_400_000;

/// The date so many days after 1970-01-01.
pub(super) fn date(days: i64) -> String {
    match days {
        DATE_INFINITY => "infinity".to_owned(),
        DATE_MINUS_INFINITY => "-infinity".to_owned(),
        _ => {
            let mut text = String::with_capacity(10);
            let before_christ = push_date(&mut text, days);
            if before_christ {
                text.push_str(" BC");
            }
            text
        }
    }
}

/// A time of day, or MySQL's span of up to ±838 hours: `09:30:00.5`.
pub(super) fn time(number: i64, unit: Unit) -> String {
    let mut text = String::with_capacity(15);
    if number < 0 {
        text.push('-');
    }
    push_time(&mut text, number.unsigned_abs(), unit);
    text
}

/// A date and a time without zone: `2026-11-20T10:00:00`.
pub(super) fn timestamp(number: i64, unit: Unit) -> String {
    match number {
        TIMESTAMP_INFINITY => return "infinity".to_owned(),
        TIMESTAMP_MINUS_INFINITY => return "-infinity".to_owned(),
        _ => {}
    }
    let per_day = 86_400 * per_second(unit);
    let mut text = String::with_capacity(26);
    let before_christ = push_date(&mut text, number.div_euclid(per_day));
    text.push('T');
    push_time(&mut text, number.rem_euclid(per_day).unsigned_abs(), unit);
    if before_christ {
        text.push_str(" BC");
    }
    text
}

/// A time that the connector writes as ISO 8601 (`time.precision.mode` is `isostring`). A column
/// without a zone gets a `Z` there, which it never had.
pub(super) fn without_zone(text: &str) -> &str {
    text.strip_suffix('Z').unwrap_or(text)
}

/// A date or timestamp that the connector writes so, in the form that it has from numbers: ISO 8601
/// counts a year 0, signs the years outside of 0 to 9999, and has no infinite dates.
pub(super) fn from_iso(text: &str) -> Cow<'_, str> {
    let text = without_zone(text);
    match text {
        // `DATE_INFINITY` and `DATE_MINUS_INFINITY` as Java's `LocalDate` prints them.
        "-5877611-06-21" => return "infinity".into(),
        "-5877611-06-22" => return "-infinity".into(),
        _ => {}
    }
    if let Some(after_9999) = text.strip_prefix('+') {
        return after_9999.into();
    }
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, text),
    };
    match unsigned.split_once('-') {
        Some((year, rest)) if negative || year == "0000" => match year.parse::<u32>() {
            Ok(year) => format!("{:04}-{rest} BC", u64::from(year) + 1).into(),
            Err(_) => text.into(),
        },
        _ => text.into(),
    }
}

/// The day's year, month and day, and whether the year is before Christ. After Howard Hinnant's
/// `civil_from_days`.
fn push_date(text: &mut String, days: i64) -> bool {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let before_christ = year <= 0;
    let year = if before_christ { 1 - year } else { year };
    write!(text, "{year:04}-{month:02}-{day:02}").expect("writing to a String cannot fail");
    before_christ
}

/// Hours, minutes, seconds, and the fraction without zeros at its end: so a value looks the same
/// in whatever unit it came.
fn push_time(text: &mut String, number: u64, unit: Unit) {
    let per_second = per_second(unit).unsigned_abs();
    let (seconds, fraction) = (number / per_second, number % per_second);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    write!(text, "{hours:02}:{minutes:02}:{seconds:02}").expect("writing to a String cannot fail");
    if fraction > 0 {
        write!(text, ".{fraction:0width$}", width = digits(unit))
            .expect("writing to a String cannot fail");
        text.truncate(text.trim_end_matches('0').len());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_become_dates() {
        for (days, text) in [
            (0, "1970-01-01"),
            (19_782, "2024-02-29"),
            (-1, "1969-12-31"),
            (-719_162, "0001-01-01"),
            (-719_163, "0001-12-31 BC"),
            (-735_160, "0044-03-15 BC"),
            (2_932_897, "10000-01-01"),
            (-2_147_472_692, "infinity"),
            (-2_147_472_691, "-infinity"),
        ] {
            assert_eq!(date(days), text, "{days}");
        }
    }

    #[test]
    fn a_moment_looks_the_same_in_every_unit() {
        for (number, unit) in [
            (1_795_168_800_500, Unit::Millis),
            (1_795_168_800_500_000, Unit::Micros),
            (1_795_168_800_500_000_000, Unit::Nanos),
        ] {
            assert_eq!(timestamp(number, unit), "2026-11-20T10:00:00.5");
        }
        assert_eq!(timestamp(-1, Unit::Micros), "1969-12-31T23:59:59.999999");
        assert_eq!(
            timestamp(9_223_372_036_825_200_000, Unit::Micros),
            "infinity"
        );
        assert_eq!(
            timestamp(-9_223_372_036_832_400_000, Unit::Millis),
            "-infinity"
        );
    }

    #[test]
    fn what_the_connector_wrote_in_iso_looks_as_if_it_were_made_of_numbers() {
        for (iso, text) in [
            ("2024-02-29Z", "2024-02-29"),
            ("0000-12-31Z", "0001-12-31 BC"),
            ("-0043-03-15Z", "0044-03-15 BC"),
            ("-0043-03-15T09:30:00Z", "0044-03-15T09:30:00 BC"),
            ("+10000-01-01Z", "10000-01-01"),
            ("-5877611-06-21Z", "infinity"),
            ("-5877611-06-22Z", "-infinity"),
            ("infinity", "infinity"),
            ("-infinity", "-infinity"),
            ("2026-11-20T10:00:00.5Z", "2026-11-20T10:00:00.5"),
            ("", ""),
        ] {
            assert_eq!(from_iso(iso), text, "{iso}");
        }
    }

    #[test]
    fn times_of_day_and_spans_of_many_hours_are_told() {
        assert_eq!(time(34_200_000_000, Unit::Micros), "09:30:00");
        assert_eq!(time(34_200_500, Unit::Millis), "09:30:00.5");
        assert_eq!(time(-3_020_399_000_000, Unit::Micros), "-838:59:59");
    }

    proptest! {
        #[test]
        fn no_number_makes_it_panic(number in any::<i64>()) {
            for unit in [Unit::Millis, Unit::Micros, Unit::Nanos] {
                timestamp(number, unit);
                time(number, unit);
            }
            date(number);
        }

        /// Against a calendar that counts one day at a time.
        #[test]
        fn the_day_after_is_the_next_day(days in -800_000_i64..3_000_000) {
            let parse = |text: String| {
                let (date, era) = text.split_once(' ').unwrap_or((&text, ""));
                let mut parts = date.split('-').map(|part| part.parse::<i64>().unwrap_or(-1));
                let (year, month, day) = (parts.next(), parts.next(), parts.next());
                let year = year.unwrap_or(-1);
                (if era.is_empty() { year } else { 1 - year }, month.unwrap_or(-1), day.unwrap_or(-1))
            };
            let (year, month, day) = parse(date(days));
            let leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
            let length = match month { 2 => 28 + i64::from(leap), 4 | 6 | 9 | 11 => 30, _ => 31 };
            let next = if day < length { (year, month, day + 1) }
                else if month < 12 { (year, month + 1, 1) }
                else { (year + 1, 1, 1) };
            prop_assert_eq!(parse(date(days + 1)), next);
        }
    }
}
