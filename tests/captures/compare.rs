//! Whether a payload's value is a table's, by the type of the column: strictly, so that a number
//! that arrives as text is a difference, too.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use qdrant_client::qdrant::{self, value::Kind};
use serde_json::Value;

/// What a column holds, as far as its form in the payload goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    /// An integer.
    Int,
    /// Text, uuid, enum.
    Text,
    /// A truth value.
    Bool,
    /// An exact decimal: a number where it survives that, else the text of all its digits.
    Decimal,
    /// A floating-point number, or the text of one that is none.
    Float,
    /// An array or an object.
    Json,
    /// Bytes, in base64.
    Bytes,
    /// A day: `2024-02-29`.
    Date,
    /// A time of day: `09:30:00.5`.
    Time,
    /// A time without a zone: `2026-11-20T10:00:00`.
    Local,
    /// A moment: `2026-11-20T10:00:00Z`.
    Instant,
    /// A MySQL set: an array of its members.
    Set,
    /// A bit field: an integer.
    Bits,
}

/// What is wrong with `actual`, given what the dump says as JSON text; `None` when nothing is.
pub(crate) fn difference(
    column_type: Type,
    expected: &str,
    actual: Option<&qdrant::Value>,
) -> Option<String> {
    let wanted = wanted(column_type, expected);
    let actual = actual.and_then(|value| value.kind.as_ref());
    let equal = match (&wanted, actual) {
        // A column added later is absent from rows that no record has touched since.
        (Wanted::Null, None | Some(Kind::NullValue(_))) => true,
        (Wanted::Int(wanted), Some(Kind::IntegerValue(actual))) => wanted == actual,
        (Wanted::Bool(wanted), Some(Kind::BoolValue(actual))) => wanted == actual,
        (Wanted::Text(wanted), Some(Kind::StringValue(actual))) => wanted == actual,
        (Wanted::Double(wanted), Some(Kind::DoubleValue(actual))) => {
            wanted.to_bits() == actual.to_bits()
        }
        (Wanted::Decimal(wanted), Some(Kind::DoubleValue(actual))) => {
            significant(wanted) <= 15 && *wanted == plain(&actual.to_string())
        }
        (Wanted::Decimal(wanted), Some(Kind::StringValue(actual))) => {
            significant(wanted) > 15 && *wanted == plain(actual)
        }
        (Wanted::Json(wanted), Some(kind)) => *wanted == json(kind),
        _ => false,
    };
    (!equal).then(|| {
        let shown = |text: String| text.chars().take(200).collect::<String>();
        let (wanted, actual) = (shown(format!("{wanted:?}")), shown(format!("{actual:?}")));
        format!("{column_type:?}: wanted {wanted}, found {actual}")
    })
}

#[derive(Debug)]
enum Wanted {
    Null,
    Int(i64),
    Bool(bool),
    Text(String),
    Double(f64),
    /// In plain notation, without zeros that say nothing.
    Decimal(String),
    Json(Value),
}

fn wanted(column_type: Type, expected: &str) -> Wanted {
    let parsed: Value = serde_json::from_str(expected).unwrap();
    let text = || parsed.as_str().unwrap().to_owned();
    match column_type {
        _ if parsed.is_null() => Wanted::Null,
        Type::Int => Wanted::Int(expected.parse().unwrap()),
        Type::Bool => Wanted::Bool(parsed.as_bool().unwrap()),
        Type::Text | Type::Date => Wanted::Text(text()),
        Type::Decimal => Wanted::Decimal(plain(expected.trim_matches('"'))),
        Type::Float => parsed
            .as_f64()
            .map_or_else(|| Wanted::Text(text()), Wanted::Double),
        Type::Json => Wanted::Json(parsed),
        Type::Bytes => Wanted::Text(BASE64_STANDARD.encode(hex(&text()))),
        Type::Bits => {
            let bytes = hex(&text());
            Wanted::Int(
                bytes
                    .iter()
                    .fold(0, |bits, byte| bits << 8 | i64::from(*byte)),
            )
        }
        Type::Set => Wanted::Json(
            text()
                .split(',')
                .filter(|member| !member.is_empty())
                .collect(),
        ),
        Type::Time => Wanted::Text(short(&text(), |text| {
            if text.find(':') == Some(1) {
                format!("0{text}")
            } else {
                text
            }
        })),
        Type::Local => Wanted::Text(short(&text(), |text| text.replacen(' ', "T", 1))),
        Type::Instant => Wanted::Text(short(&text(), |text| {
            let text = text.replacen(' ', "T", 1);
            if text.contains('T') {
                format!("{text}Z")
            } else {
                text
            }
        })),
    }
}

/// A time without the zone and the zeros behind its last digit that counts, then changed by `form`.
fn short(text: &str, form: impl Fn(String) -> String) -> String {
    let text = text.trim_end_matches("+00:00").trim_end_matches('Z');
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    };
    form(text.to_owned())
}

/// Bytes of `\x0001` or `0x0001`.
fn hex(text: &str) -> Vec<u8> {
    let digits = &text[2..];
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

/// A decimal in plain notation, without zeros that say nothing.
fn plain(text: &str) -> String {
    assert!(!text.contains(['e', 'E']), "{text} has lost its digits");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let digits = digits.trim_start_matches('0');
    let digits = if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    };
    match digits {
        "" => "0".to_owned(),
        _ if digits.starts_with('.') => format!("{sign}0{digits}"),
        _ => format!("{sign}{digits}"),
    }
}

fn significant(plain: &str) -> usize {
    let digits = plain.trim_start_matches(['-', '0', '.']);
    digits.bytes().filter(u8::is_ascii_digit).count()
}

fn json(kind: &Kind) -> Value {
    let of = |value: &qdrant::Value| value.kind.as_ref().map_or(Value::Null, json);
    match kind {
        Kind::NullValue(_) => Value::Null,
        Kind::BoolValue(value) => (*value).into(),
        Kind::IntegerValue(value) => (*value).into(),
        Kind::DoubleValue(value) => (*value).into(),
        Kind::StringValue(value) => value.as_str().into(),
        Kind::ListValue(list) => list.values.iter().map(of).collect(),
        Kind::StructValue(object) => object
            .fields
            .iter()
            .map(|(name, value)| (name.clone(), of(value)))
            .collect(),
    }
}

#[test]
fn a_comparison_tells_numbers_from_text_and_digits_from_zeros() {
    let of = |kind| qdrant::Value { kind: Some(kind) };
    let number = of(Kind::DoubleValue(19.9));
    let text = of(Kind::StringValue("19.90".to_owned()));
    let long = of(Kind::StringValue("1234567890123456.50".to_owned()));
    let equal = |column_type, expected, actual| difference(column_type, expected, actual).is_none();
    assert!(equal(Type::Decimal, "19.90", Some(&number)));
    assert!(equal(Type::Decimal, "\"19.9\"", Some(&number)));
    assert!(!equal(Type::Decimal, "19.91", Some(&number)));
    assert!(
        !equal(Type::Decimal, "19.90", Some(&text)),
        "a number has to be one"
    );
    assert!(equal(Type::Decimal, "\"1234567890123456.5\"", Some(&long)));
    assert!(!equal(
        Type::Decimal,
        "\"1234567890123456.51\"",
        Some(&long)
    ));
    assert!(!equal(Type::Decimal, "null", Some(&number)));
    assert!(equal(Type::Decimal, "null", None));
    assert!(!equal(Type::Text, "\"x\"", None));
    for (column_type, expected, found) in [
        (Type::Time, "\"9:30:00.500000\"", "09:30:00.5"),
        (Type::Time, "\"09:30:00\"", "09:30:00"),
        (
            Type::Local,
            "\"2026-11-01 08:15:30.123000\"",
            "2026-11-01T08:15:30.123",
        ),
        (
            Type::Instant,
            "\"2026-11-04T08:15:30.123456+00:00\"",
            "2026-11-04T08:15:30.123456Z",
        ),
        (Type::Instant, "\"infinity\"", "infinity"),
        (Type::Bytes, "\"\\\\x0001\"", "AAE="),
        (Type::Float, "\"NaN\"", "NaN"),
    ] {
        let found = of(Kind::StringValue(found.to_owned()));
        assert_eq!(difference(column_type, expected, Some(&found)), None);
    }
    let bits = of(Kind::IntegerValue(22));
    assert!(equal(Type::Bits, "\"0x16\"", Some(&bits)));
}
