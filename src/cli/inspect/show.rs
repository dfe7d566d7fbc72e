//! How values, times and figures look to people.

use std::{
    fmt::{Display, Write as _},
    time::{Duration, UNIX_EPOCH},
};

use crate::record::Value;

/// More characters of a value than this are cut, unless asked for.
const SHOWN: usize = 100;

/// Whether long values are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Length {
    Cut,
    Full,
}

impl Length {
    /// A text on one line, cut where it is long.
    pub(in crate::cli) fn line(self, text: &str) -> String {
        let mut line = String::new();
        for (count, letter) in text.chars().enumerate() {
            if self == Self::Cut && count == SHOWN {
                let more = text.chars().count() - SHOWN;
                let _ = write!(line, "… ({more} more)");
                break;
            }
            // A terminal would obey them.
            if letter.is_control() {
                line.extend(letter.escape_default());
            } else {
                line.push(letter);
            }
        }
        line
    }

    /// A column's value, as it would be written in JSON.
    pub(in crate::cli) fn value(self, value: &Value) -> String {
        match value {
            Value::Null => "null".to_owned(),
            Value::Unavailable => "unavailable".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Float(value) => value.to_string(),
            Value::Decimal(digits) => self.line(digits),
            Value::String(text) => self.line(&serde_json::json!(text).to_string()),
            Value::Json(json) => self.line(&json.to_string()),
        }
    }
}

/// Milliseconds since 1970, as UTC; the number itself, if it is no time.
pub(in crate::cli) fn time(milliseconds: i64) -> String {
    /// The year 9999, which is as far as RFC 3339 goes.
    const LAST: u64 = 253_402_300_799_999;
    match u64::try_from(milliseconds) {
        Ok(milliseconds) if milliseconds <= LAST => {
            let time = UNIX_EPOCH + Duration::from_millis(milliseconds);
            humantime::format_rfc3339_millis(time).to_string()
        }
        _ => format!("{milliseconds} ms"),
    }
}

/// `3 create, 1 delete`.
pub(in crate::cli) fn counts<'a, T: Display + 'a>(
    counts: impl IntoIterator<Item = (&'a T, &'a u64)>,
) -> String {
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    counts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_unless_asked_for_and_control_characters_are_harmless() {
        let long = "ä".repeat(SHOWN + 7);
        assert_eq!(
            Length::Cut.line(&long),
            format!("{}… (7 more)", "ä".repeat(SHOWN))
        );
        assert_eq!(Length::Full.line(&long), long);
        assert_eq!(Length::Cut.line("a\u{1b}[2J\nb"), "a\\u{1b}[2J\\nb");
    }

    #[test]
    fn a_decimal_keeps_its_digits_and_a_text_its_quotes() {
        assert_eq!(Length::Cut.value(&Value::Decimal("19.90".into())), "19.90");
        assert_eq!(
            Length::Cut.value(&Value::String("a \"b\"".into())),
            r#""a \"b\"""#
        );
    }

    #[test]
    fn times_are_utc_and_what_is_no_time_is_a_number() {
        assert_eq!(time(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(time(-1), "-1 ms");
        assert_eq!(time(i64::MAX), format!("{} ms", i64::MAX));
    }
}
