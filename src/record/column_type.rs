//! What a column's value is, beyond how it is encoded: told by a record's schema, or by a hint in
//! the configuration.

use std::{fmt, str::FromStr};

/// The unit of a number that stands for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Thousandths of a second.
    Millis,
    /// Millionths of a second.
    Micros,
    /// Billionths of a second.
    Nanos,
}

/// What a column's value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnType {
    /// As it stands: the schema gives it no other meaning.
    Plain,
    /// As it stands, for lack of a schema: so a text that looks like an encoded number is refused
    /// rather than taken for a text.
    Untyped,
    /// An unscaled integer, big-endian two's complement, with so many digits behind the point.
    Decimal {
        /// Digits behind the point; may be negative.
        scale: i32,
    },
    /// A decimal written in digits (`decimal.handling.mode` is `string`) or as a number (`double`).
    Digits,
    /// An object of scale and unscaled integer.
    VariableScaleDecimal,
    /// Days since 1970-01-01.
    Date,
    /// Time of day since midnight.
    Time(Unit),
    /// Since 1970, without a zone.
    Timestamp(Unit),
    /// JSON written as text.
    Json,
    /// Bytes.
    Bytes,
    /// Bits, lowest byte first.
    Bits,
    /// MySQL's SET: its members, joined by commas.
    Set,
    /// A point, to be stored as Qdrant's `{"lon": …, "lat": …}`. Only by hint.
    Geo,
    /// An array of such values.
    Array(Box<ColumnType>),
    /// Nothing needs it: it is skipped.
    Skipped,
}

/// A type that the configuration gives a column, as `rows.types.price = "decimal(2)"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeHint(ColumnType);

/// The names of all hints that are one word.
const WORDS: [(&str, ColumnType); 15] = [
    ("text", ColumnType::Plain),
    ("decimal", ColumnType::Digits),
    ("date", ColumnType::Date),
    ("time_millis", ColumnType::Time(Unit::Millis)),
    ("time_micros", ColumnType::Time(Unit::Micros)),
    ("time_nanos", ColumnType::Time(Unit::Nanos)),
    ("timestamp_millis", ColumnType::Timestamp(Unit::Millis)),
    ("timestamp_micros", ColumnType::Timestamp(Unit::Micros)),
    ("timestamp_nanos", ColumnType::Timestamp(Unit::Nanos)),
    ("json", ColumnType::Json),
    ("bytes", ColumnType::Bytes),
    ("bits", ColumnType::Bits),
    ("set", ColumnType::Set),
    ("geo", ColumnType::Geo),
    ("variable_decimal", ColumnType::VariableScaleDecimal),
];

/// No type is called so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no type: write text, decimal, decimal(2), variable_decimal, date, time_millis, time_micros, time_nanos, timestamp_millis, timestamp_micros, timestamp_nanos, json, bytes, bits, set or geo, with [] behind it for an array"
)]
pub struct NoSuchType(String);

impl TypeHint {
    /// What it says.
    pub fn column_type(&self) -> &ColumnType {
        &self.0
    }
}

impl FromStr for TypeHint {
    type Err = NoSuchType;

    fn from_str(text: &str) -> Result<Self, NoSuchType> {
        parse(text)
            .map(Self)
            .ok_or_else(|| NoSuchType(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<ColumnType> {
    if let Some(element) = text.strip_suffix("[]") {
        // Connectors write no arrays of arrays.
        let element = parse(element).filter(|element| !matches!(element, ColumnType::Array(_)))?;
        return Some(ColumnType::Array(Box::new(element)));
    }
    if let Some((_, word)) = WORDS.iter().find(|(name, _)| *name == text) {
        return Some(word.clone());
    }
    let scale = text.strip_prefix("decimal(")?.strip_suffix(')')?;
    let scale: i32 = scale.trim().parse().ok()?;
    (-1_000..=1_000)
        .contains(&scale)
        .then_some(ColumnType::Decimal { scale })
}

impl fmt::Display for TypeHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// As a hint would name it.
impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decimal { scale } => write!(f, "decimal({scale})"),
            Self::Array(element) => write!(f, "{element}[]"),
            Self::Untyped => f.write_str("untyped"),
            Self::Skipped => f.write_str("skipped"),
            word => f.write_str(
                WORDS
                    .iter()
                    .find(|(_, named)| named == word)
                    .map_or("text", |(name, _)| name),
            ),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_written_as_it_is_read() {
        for text in WORDS.iter().map(|(name, _)| *name).chain([
            "decimal(2)",
            "decimal(-3)",
            "date[]",
            "decimal(4)[]",
        ]) {
            let hint: TypeHint = text.parse().unwrap();
            assert_eq!(hint.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_type_is_refused_with_those_that_are() {
        for text in [
            "",
            "money",
            "decimal()",
            "decimal(x)",
            "decimal(99999)",
            "date[][]",
        ] {
            let error = text.parse::<TypeHint>().unwrap_err();
            assert!(error.to_string().contains("decimal(2)"), "{text}");
        }
    }
}
