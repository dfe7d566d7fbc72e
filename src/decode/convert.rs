//! From what an encoding holds to a [`Value`], by the column's type. JSON and Avro share it, so a
//! column comes out the same from both.

use std::fmt::Write;

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{
    error::quoted,
    record::{ColumnType, Placeholder, Value},
};

use super::{decimal, geometry, temporal};

/// The value is none of the column's type; the text says what was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mismatch {
    /// It can't be read as that type.
    #[error("{} is no {expected}", quoted(found))]
    NotOfType {
        /// The beginning of what was found.
        found: String,
        /// The type, as a hint names it.
        expected: String,
    },
    /// It looks like an encoded number, and nothing says what it is.
    #[error(
        "{} looks like a decimal or bytes in base64, and records without schemas don't say which: set rows.types for this column, such as \"decimal(2)\", \"bytes\" or \"text\"",
        quoted(_0)
    )]
    NeedsType(String),
}

impl Mismatch {
    fn not_of_type(found: &str, expected: &ColumnType) -> Self {
        Self::NotOfType {
            found: found.chars().take(40).collect(),
            expected: expected.to_string(),
        }
    }
}

/// Any value that is nothing but a truth value.
pub(super) fn from_bool(value: bool) -> Value {
    Value::Bool(value)
}

/// A whole number.
pub(super) fn from_int(column_type: &ColumnType, number: i64) -> Value {
    match column_type {
        ColumnType::Date => text(temporal::date(number)),
        ColumnType::Time(unit) => text(temporal::time(number, *unit)),
        ColumnType::Timestamp(unit) => text(temporal::timestamp(number, *unit)),
        ColumnType::Digits => Value::Decimal(number.to_string().into()),
        _ => Value::Int(number),
    }
}

/// A floating-point number; what is none becomes text, because neither JSON nor Qdrant's filters
/// have it: `NaN`, `Infinity`, `-Infinity`, as connectors write them in JSON.
pub(super) fn from_float(number: f64) -> Value {
    if number.is_nan() {
        text("NaN")
    } else if number.is_infinite() {
        text(if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        })
    } else {
        Value::Float(number)
    }
}

/// A text.
pub(super) fn from_text(
    column_type: &ColumnType,
    value: &str,
    placeholder: &Placeholder,
) -> Result<Value, Mismatch> {
    if placeholder.is_text(value) {
        return Ok(Value::Unavailable);
    }
    let mismatch = || Mismatch::not_of_type(value, column_type);
    match column_type {
        ColumnType::Decimal { scale } => decimal::from_base64(value, *scale)
            .map(Value::Decimal)
            .ok_or_else(mismatch),
        ColumnType::Digits => match decimal::from_digits(value) {
            Some(digits) => Ok(Value::Decimal(digits)),
            // PostgreSQL's numeric has them, too.
            None if matches!(value, "NaN" | "Infinity" | "-Infinity") => Ok(text(value)),
            None => Err(mismatch()),
        },
        ColumnType::Time(_) => Ok(text(temporal::without_zone(value))),
        ColumnType::Date | ColumnType::Timestamp(_) => Ok(text(temporal::from_iso(value))),
        ColumnType::Json => match serde_json::from_str(value) {
            Ok(json) => Ok(json_value(json, placeholder)),
            Err(_) => Err(mismatch()),
        },
        ColumnType::Bits => BASE64_STANDARD
            .decode(value)
            .map(|bytes| bits(&bytes))
            .map_err(|_| mismatch()),
        ColumnType::Set => Ok(set(value)),
        ColumnType::Geo => BASE64_STANDARD
            .decode(value)
            .ok()
            .and_then(|wkb| geometry::point(&wkb))
            .ok_or_else(mismatch),
        ColumnType::Untyped if looks_encoded(value) => Err(Mismatch::NeedsType(value.to_owned())),
        _ => Ok(text(value)),
    }
}

/// A text in a column in which another looked like an encoded number: now it can't be told what
/// is text and what is not.
pub(super) fn from_text_of_encoded(
    value: &str,
    placeholder: &Placeholder,
) -> Result<Value, Mismatch> {
    if placeholder.is_text(value) {
        return Ok(Value::Unavailable);
    }
    Err(Mismatch::NeedsType(value.chars().take(40).collect()))
}

/// Bytes.
pub(super) fn from_bytes(
    column_type: &ColumnType,
    bytes: &[u8],
    placeholder: &Placeholder,
) -> Result<Value, Mismatch> {
    if placeholder.is_bytes(bytes) {
        return Ok(Value::Unavailable);
    }
    let mismatch = || Mismatch::not_of_type(&BASE64_STANDARD.encode(bytes), column_type);
    match column_type {
        ColumnType::Decimal { scale } => decimal::from_bytes(bytes, *scale)
            .map(Value::Decimal)
            .ok_or_else(mismatch),
        ColumnType::Bits => Ok(bits(bytes)),
        ColumnType::Geo => geometry::point(bytes).ok_or_else(mismatch),
        _ => Ok(text(base64(bytes))),
    }
}

/// Bytes as JSON has them.
pub(super) fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// An object or array whose parts have been converted already.
pub(super) fn json_value(json: serde_json::Value, placeholder: &Placeholder) -> Value {
    if placeholder.is_json(&json) {
        return Value::Unavailable;
    }
    match json {
        serde_json::Value::Null => Value::Null,
        json => Value::from_json(json),
    }
}

/// An array, whose elements may have a type of their own. The placeholder is told before they are
/// converted: in an array of dates it is an array of numbers.
pub(super) fn from_array(
    column_type: &ColumnType,
    array: serde_json::Value,
    placeholder: &Placeholder,
) -> Result<Value, Mismatch> {
    let (ColumnType::Array(element), serde_json::Value::Array(values)) = (column_type, &array)
    else {
        return Ok(json_value(array, placeholder));
    };
    if placeholder.is_json(&array) {
        return Ok(Value::Unavailable);
    }
    let converted: Result<Vec<_>, Mismatch> = values
        .iter()
        .map(|value| Ok(from_json(element, value, placeholder)?.into_json()))
        .collect();
    Ok(json_value(converted?.into(), placeholder))
}

fn from_json(
    column_type: &ColumnType,
    json: &serde_json::Value,
    placeholder: &Placeholder,
) -> Result<Value, Mismatch> {
    match json {
        serde_json::Value::Null => Ok(Value::Null),
        serde_json::Value::Bool(value) => Ok(from_bool(*value)),
        serde_json::Value::Number(number) => Ok(match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => from_int(column_type, number),
            (None, Some(float)) if number.is_f64() => from_float(float),
            _ => Value::Decimal(number.to_string().into()),
        }),
        serde_json::Value::String(text) => from_text(column_type, text, placeholder),
        serde_json::Value::Array(_) => from_array(column_type, json.clone(), placeholder),
        serde_json::Value::Object(_) => from_object(column_type, json.clone(), placeholder),
    }
}

/// An object, by a type that is one: a decimal with its own scale, a point.
pub(super) fn from_object(
    column_type: &ColumnType,
    json: serde_json::Value,
    placeholder: &Placeholder,
) -> Result<Value, Mismatch> {
    if placeholder.is_json(&json) {
        return Ok(Value::Unavailable);
    }
    let converted = match column_type {
        ColumnType::VariableScaleDecimal => variable_scale_decimal(&json),
        // Its shape says what it is, also without schemas: nothing else has exactly these fields.
        ColumnType::Untyped | ColumnType::Digits => match variable_scale_decimal(&json) {
            Some(decimal) => Some(decimal),
            None => return Ok(json_value(json, placeholder)),
        },
        ColumnType::Geo => geometry::point_of_object(&json),
        _ => return Ok(json_value(json, placeholder)),
    };
    converted.ok_or_else(|| Mismatch::not_of_type(&json.to_string(), column_type))
}

fn variable_scale_decimal(json: &serde_json::Value) -> Option<Value> {
    let fields = json.as_object().filter(|fields| fields.len() == 2)?;
    let scale = fields.get("scale")?.as_i64()?.try_into().ok()?;
    let digits = decimal::from_base64(fields.get("value")?.as_str()?, scale)?;
    Some(Value::Decimal(digits))
}

/// MySQL's BIT and PostgreSQL's bit strings, lowest byte first: a number, or, over 63 bits, their
/// digits.
fn bits(bytes: &[u8]) -> Value {
    let significant = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at + 1);
    let mut number = 0_u64;
    for byte in bytes.iter().take(significant).rev() {
        number = number
            .checked_mul(256)
            .map_or(u64::MAX, |shifted| shifted | u64::from(*byte));
    }
    match i64::try_from(number) {
        Ok(number) if significant <= 8 => Value::Int(number),
        _ => {
            let mut digits = String::with_capacity(bytes.len() * 8);
            for byte in bytes.iter().rev() {
                write!(digits, "{byte:08b}").expect("writing to a String cannot fail");
            }
            text(digits.trim_start_matches('0'))
        }
    }
}

fn set(value: &str) -> Value {
    let members = value
        .split(',')
        .filter(|member| !member.is_empty())
        .map(|member| serde_json::Value::String(member.to_owned()))
        .collect();
    Value::Json(Box::new(serde_json::Value::Array(members)))
}

/// Whether a text looks like the base64 of a short number: padded, and nothing but base64. A name
/// hardly ever ends in `=`.
fn looks_encoded(value: &str) -> bool {
    const LONGEST: usize = 24;
    value.ends_with('=')
        && value.len() <= LONGEST
        && value.len().is_multiple_of(4)
        && BASE64_STANDARD.decode(value).is_ok()
}

fn text(value: impl Into<Box<str>>) -> Value {
    Value::String(value.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn converted(hint: &str, value: &str) -> Result<Value, Mismatch> {
        let hint: crate::record::TypeHint = hint.parse().unwrap();
        from_text(hint.column_type(), value, &Placeholder::default())
    }

    #[test]
    fn texts_become_what_the_type_says() {
        for (hint, value, expected) in [
            ("decimal(2)", "Iyc=", Value::Decimal("89.99".into())),
            ("decimal", "19.90", Value::Decimal("19.90".into())),
            ("decimal", "NaN", text("NaN")),
            ("date", "2024-02-29Z", text("2024-02-29")),
            (
                "timestamp_micros",
                "2026-11-20T10:00:00Z",
                text("2026-11-20T10:00:00"),
            ),
            ("bits", "Fg==", Value::Int(22)),
            ("text", "Fg==", text("Fg==")),
        ] {
            assert_eq!(converted(hint, value).unwrap(), expected, "{hint} {value}");
        }
        assert_eq!(
            converted("set", "new,eco").unwrap(),
            Value::Json(Box::new(serde_json::json!(["new", "eco"])))
        );
        assert_eq!(
            converted("json", "{\"a\": 1}").unwrap(),
            Value::Json(Box::new(serde_json::json!({"a": 1})))
        );
    }

    #[test]
    fn what_is_not_of_its_type_is_refused_with_both() {
        for (hint, value) in [
            ("decimal(2)", "19.90"),
            ("decimal", "Iyc="),
            ("json", "{"),
            ("geo", "x"),
        ] {
            let message = converted(hint, value).unwrap_err().to_string();
            assert!(
                message.contains(value) && message.contains(hint),
                "{message}"
            );
        }
    }

    #[test]
    fn without_a_type_an_encoded_number_is_refused_and_a_text_is_not() {
        let untyped = |value| from_text(&ColumnType::Untyped, value, &Placeholder::default());
        assert_eq!(untyped("Iyc="), Err(Mismatch::NeedsType("Iyc=".to_owned())));
        for value in ["Tent", "a = b", "2 + 2 =", "====", "="] {
            assert_eq!(untyped(value).unwrap(), text(value));
        }
    }

    #[test]
    fn bits_are_a_number_as_long_as_they_fit() {
        assert_eq!(bits(&[]), Value::Int(0));
        assert_eq!(bits(&[0x16]), Value::Int(22));
        assert_eq!(bits(&[1, 2, 0, 0, 0, 0, 0, 0, 0]), Value::Int(513));
        assert_eq!(bits(&[0xff; 8]), text("1".repeat(64)));
    }

    #[test]
    fn numbers_that_are_none_become_text() {
        assert_eq!(from_float(f64::NAN), text("NaN"));
        assert_eq!(from_float(f64::NEG_INFINITY), text("-Infinity"));
        assert_eq!(from_float(0.5), Value::Float(0.5));
    }

    #[test]
    fn a_decimal_with_its_own_scale_is_known_by_its_shape() {
        let object = serde_json::json!({"scale": 4, "value": "ESoL"});
        let value = from_object(&ColumnType::Untyped, object, &Placeholder::default());
        assert_eq!(value.unwrap(), Value::Decimal("112.4875".into()));
        let other = serde_json::json!({"scale": "4", "value": "ESoL"});
        let value = from_object(&ColumnType::Untyped, other.clone(), &Placeholder::default());
        assert_eq!(value.unwrap(), Value::Json(Box::new(other)));
    }
}
