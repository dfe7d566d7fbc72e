//! Columns without types that look as if they were something else: JSON without schemas writes
//! decimals as base64, and times as numbers.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value as Json;

/// What the values of a column may be, as far as all that were seen agree. Pure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Suspect {
    values: u64,
    /// Base64, of which that many are short, and that many end in `=`.
    encoded: u64,
    short: u64,
    padded: u64,
    dates: u64,
    millis: u64,
    micros: u64,
    nanos: u64,
}

/// From 2000 to 2100, in seconds since 1970.
const TIMES: std::ops::RangeInclusive<i64> = 946_684_800..=4_102_444_800;

/// The longest decimal that is taken for one, in bytes.
const LONGEST: usize = 16;

impl Suspect {
    pub(super) fn add(&mut self, value: &Json) {
        match value {
            Json::Null => return,
            Json::String(text) => {
                let bytes = BASE64_STANDARD.decode(text).ok();
                if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
                    self.encoded += 1;
                    self.short += u64::from(bytes.len() <= LONGEST);
                    self.padded += u64::from(text.ends_with('='));
                }
            }
            Json::Number(number) => {
                if let Some(number) = number.as_i64() {
                    let is_time = |unit: i64| TIMES.contains(&(number / unit));
                    self.dates += u64::from(TIMES.contains(&number.saturating_mul(86_400)));
                    self.millis += u64::from(is_time(1_000));
                    self.micros += u64::from(is_time(1_000_000));
                    self.nanos += u64::from(is_time(1_000_000_000));
                }
            }
            _ => {}
        }
        self.values += 1;
    }

    /// The hint for `rows.types` that the column seems to need. Words such as `Tent` are base64,
    /// too, so at least one value must end in `=`; days since 1970 are ordinary numbers, so the
    /// column's name must speak of a date.
    pub(super) fn hint(&self, column: &str) -> Option<&'static str> {
        let all = |count| count == self.values && self.values > 0;
        if all(self.encoded) && self.padded > 0 {
            let may_be_decimal = all(self.short);
            Some(if may_be_decimal {
                "decimal(2)"
            } else {
                "bytes"
            })
        } else if all(self.millis) {
            Some("timestamp_millis")
        } else if all(self.micros) {
            Some("timestamp_micros")
        } else if all(self.nanos) {
            Some("timestamp_nanos")
        } else if all(self.dates) && speaks_of_a_date(column) {
            Some("date")
        } else {
            None
        }
    }
}

fn speaks_of_a_date(column: &str) -> bool {
    const WORDS: [&str; 9] = [
        "date", "day", "_on", "_at", "since", "until", "from", "released", "born",
    ];
    let column = column.to_lowercase();
    WORDS.iter().any(|word| column.contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hint(column: &str, values: &[Json]) -> Option<&'static str> {
        let mut suspect = Suspect::default();
        for value in values {
            suspect.add(value);
        }
        suspect.hint(column)
    }

    #[test]
    fn decimals_and_times_are_suspected_by_all_of_their_values() {
        for (column, values, expected) in [
            (
                "price",
                vec![json!("AfQ="), json!(null), json!("D0JA")],
                Some("decimal(2)"),
            ),
            ("price", vec![json!("AfQ="), json!("19.90")], None),
            (
                "image",
                vec![json!("AA=="), json!("a".repeat(40))],
                Some("bytes"),
            ),
            ("title", vec![json!("Tent"), json!("Lamp")], None),
            ("title", vec![json!("")], None),
            (
                "created_at",
                vec![json!(1_700_000_000_000_i64)],
                Some("timestamp_millis"),
            ),
            (
                "created_at",
                vec![json!(1_700_000_000_000_000_i64)],
                Some("timestamp_micros"),
            ),
            (
                "created_at",
                vec![json!(1_700_000_000_000_000_000_i64)],
                Some("timestamp_nanos"),
            ),
            (
                "created_at",
                vec![json!(1_700_000_000_000_i64), json!(5)],
                None,
            ),
            ("released_on", vec![json!(19_782)], Some("date")),
            ("stock", vec![json!(19_782)], None),
            ("stock", vec![json!(null)], None),
            ("stock", vec![], None),
        ] {
            assert_eq!(hint(column, &values), expected, "{column} {values:?}");
        }
    }
}
