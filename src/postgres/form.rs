//! What the decoder makes of a value of PostgreSQL's: by the type, and by one of the ways in which
//! connectors and converters write it.
//!
//! All read what the server prints, under the session's settings (ISO dates, UTC, ISO 8601 intervals,
//! bytes in hex). What a form can't write is `None`.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE},
};
use serde_json::{Value as Json, json};

use crate::record::{Unit, Value};

use super::{
    array,
    catalogue::Type,
    moment::{self, Interval},
};

/// One way in which a column's values come out of the decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// Text, as it is printed.
    Text,
    Integer,
    Boolean,
    /// A number of 64 bits.
    Double,
    /// A number of 32 bits, widened.
    Single,
    /// An exact decimal, its scale kept.
    Digits,
    /// An exact decimal without zeros at the end of its fraction.
    TrimmedDigits,
    /// The same as text.
    TrimmedText,
    /// Money as an exact decimal.
    Money,
    /// Money as a number.
    MoneyNumber,
    /// Days since 1970.
    Days,
    /// ISO 8601, cut to the unit.
    Timestamp(Unit),
    /// A number since 1970.
    SinceEpoch(Unit),
    /// With so many digits behind the point and a `Z`; `None` is as many as needed.
    Zoned(Option<usize>),
    /// A time of day, cut to the unit.
    Time(Unit),
    /// A number since midnight.
    SinceMidnight(Unit),
    /// A time of day in UTC.
    ZonedTime,
    /// ISO 8601 with all its parts.
    IntervalText,
    /// Microseconds, a month taken for a twelfth of 365.25 days.
    IntervalMicros,
    Base64,
    UrlSafeBase64,
    Hex,
    /// Bits as a number.
    Bits,
    /// One bit as a truth value.
    Bit,
    Json,
    /// Keys and values.
    Hstore,
    /// `x`, `y` and well-known binary.
    Point,
    /// Longitude and latitude.
    Geo,
    /// PostGIS's: well-known binary and the reference system.
    Geometry,
    Array(Box<Self>),
}

/// All forms that values of a type are known to take.
pub(super) fn forms_of(of: &Type) -> Vec<Form> {
    if let Some(element) = &of.element {
        let element = Type {
            name: element.clone(),
            element: None,
            has_modifier: of.has_modifier,
        };
        let forms = forms_of(&element).into_iter();
        return forms.map(|form| Form::Array(form.into())).collect();
    }
    let units = [Unit::Micros, Unit::Millis];
    match &*of.name {
        "int2" | "int4" | "int8" | "oid" => vec![Form::Integer],
        "bool" => vec![Form::Boolean],
        "float4" => vec![Form::Double, Form::Single],
        "float8" => vec![Form::Double],
        // The connector writes all of a fixed scale.
        "numeric" if of.has_modifier => vec![Form::Digits, Form::Double, Form::Text],
        "numeric" => vec![
            Form::Digits,
            Form::TrimmedDigits,
            Form::Double,
            Form::Text,
            Form::TrimmedText,
        ],
        "money" => vec![Form::Money, Form::MoneyNumber],
        "date" => vec![Form::Text, Form::Days],
        "timestamp" => units
            .map(Form::Timestamp)
            .into_iter()
            .chain([Unit::Millis, Unit::Micros, Unit::Nanos].map(Form::SinceEpoch))
            .collect(),
        "timestamptz" => vec![
            Form::Zoned(Some(6)),
            Form::Zoned(None),
            Form::Zoned(Some(3)),
        ],
        "time" => units
            .map(Form::Time)
            .into_iter()
            .chain([Unit::Millis, Unit::Micros, Unit::Nanos].map(Form::SinceMidnight))
            .collect(),
        "timetz" => vec![Form::ZonedTime],
        "interval" => vec![Form::IntervalMicros, Form::IntervalText],
        "bytea" => vec![Form::Base64, Form::UrlSafeBase64, Form::Hex],
        "bit" | "varbit" => vec![Form::Bits, Form::Bit],
        "json" | "jsonb" => vec![Form::Json, Form::Text],
        "hstore" => vec![Form::Hstore],
        "point" => vec![Form::Point, Form::Geo],
        "geometry" | "geography" => vec![Form::Geometry],
        // Where it is configured to be read so.
        "text" | "varchar" => vec![Form::Text, Form::Json, Form::Digits],
        // Enums, uuids, addresses, ranges, XML, and what is unknown: as text or not at all.
        _ => vec![Form::Text],
    }
}

impl Form {
    /// The value that is printed so.
    pub(super) fn read(&self, printed: &str) -> Option<Value> {
        let value = match self {
            Self::Text => text(printed),
            Self::Integer => Value::Int(printed.parse().ok()?),
            Self::Boolean => Value::Bool(boolean(printed)?),
            Self::Double => float(printed, printed.parse().ok()?),
            Self::Single => float(printed, printed.parse::<f32>().ok()?.into()),
            Self::Digits => digits(printed)?,
            Self::TrimmedDigits => digits(&trimmed(printed))?,
            Self::TrimmedText => text(trimmed(printed)),
            Self::Money => digits(&amount(printed))?,
            Self::MoneyNumber => float(printed, amount(printed).parse().ok()?),
            Self::Days => Value::Int(moment::days(printed)?),
            Self::Timestamp(unit) => text(moment::timestamp(printed, *unit)?),
            Self::SinceEpoch(unit) => Value::Int(moment::since_epoch(printed, *unit)?),
            Self::Zoned(places) => text(moment::zoned(printed, *places)?),
            Self::Time(unit) => text(moment::time(printed, *unit)?),
            Self::SinceMidnight(unit) => Value::Int(moment::since_midnight(printed, *unit)?),
            Self::ZonedTime => text(moment::zoned_time(printed)?),
            Self::IntervalText => text(Interval::parse(printed)?.iso()),
            Self::IntervalMicros => Value::Int(Interval::parse(printed)?.micros()?),
            Self::Base64 => text(BASE64_STANDARD.encode(bytes(printed)?)),
            Self::UrlSafeBase64 => text(BASE64_URL_SAFE.encode(bytes(printed)?)),
            Self::Hex => {
                bytes(printed)?;
                text(printed.strip_prefix("\\x")?)
            }
            Self::Bits => bits(printed)?,
            Self::Bit => Value::Bool(match printed {
                "1" => true,
                "0" => false,
                _ => return None,
            }),
            Self::Json => match serde_json::from_str(printed).ok()? {
                Json::Null => Value::Null,
                json => Value::from_json(json),
            },
            Self::Hstore => Value::from_json(array::hstore(printed)?),
            Self::Point => point(printed)?,
            Self::Geo => {
                let (x, y) = coordinates(printed)?;
                Value::from_json(json!({"lon": x, "lat": y}))
            }
            Self::Geometry => geometry(printed)?,
            Self::Array(element) => {
                let elements = array::elements(printed)?.into_iter();
                let elements: Option<Vec<Json>> = elements
                    .map(|printed| match printed {
                        None => Some(Json::Null),
                        Some(printed) => element.read(&printed).map(Value::into_json),
                    })
                    .collect();
                Value::from_json(elements?.into())
            }
        };
        Some(value)
    }
}

fn text(text: impl Into<Box<str>>) -> Value {
    Value::String(text.into())
}

fn boolean(printed: &str) -> Option<bool> {
    match printed {
        "t" => Some(true),
        "f" => Some(false),
        _ => None,
    }
}

/// What is no number is text, as the decoder has it.
fn float(printed: &str, number: f64) -> Value {
    if number.is_finite() {
        Value::Float(number)
    } else {
        text(printed)
    }
}

fn digits(printed: &str) -> Option<Value> {
    if matches!(printed, "NaN" | "Infinity" | "-Infinity") {
        return Some(text(printed));
    }
    let unsigned = printed.strip_prefix('-').unwrap_or(printed);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_decimal = !whole.is_empty() && is_number(whole) && is_number(fraction);
    is_decimal.then(|| Value::Decimal(printed.into()))
}

fn trimmed(printed: &str) -> String {
    if printed.contains('.') {
        let trimmed = printed.trim_end_matches('0');
        trimmed.trim_end_matches('.').to_owned()
    } else {
        printed.to_owned()
    }
}

/// Of money as the C locale prints it: `-$1,234.50`.
fn amount(printed: &str) -> String {
    printed.replace(['$', ','], "")
}

fn bytes(printed: &str) -> Option<Vec<u8>> {
    unhex(printed.strip_prefix("\\x")?)
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|it| it.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    digits.collect()
}

/// A number, or, over 63 bits, their digits.
fn bits(printed: &str) -> Option<Value> {
    if printed.is_empty() || !printed.bytes().all(|bit| matches!(bit, b'0' | b'1')) {
        return None;
    }
    let significant = printed.trim_start_matches('0');
    Some(match i64::from_str_radix(significant, 2) {
        Ok(number) => Value::Int(number),
        Err(_) if significant.is_empty() => Value::Int(0),
        Err(_) => text(significant),
    })
}

fn coordinates(printed: &str) -> Option<(f64, f64)> {
    let (x, y) = printed
        .strip_prefix('(')?
        .strip_suffix(')')?
        .split_once(',')?;
    Some((x.parse().ok()?, y.parse().ok()?))
}

fn point(printed: &str) -> Option<Value> {
    let (x, y) = coordinates(printed)?;
    let mut wkb = vec![1, 1, 0, 0, 0];
    wkb.extend(x.to_le_bytes());
    wkb.extend(y.to_le_bytes());
    let wkb = BASE64_STANDARD.encode(wkb);
    Some(Value::from_json(
        json!({"x": x, "y": y, "wkb": wkb, "srid": null}),
    ))
}

/// PostGIS prints extended well-known binary in hex; in little-endian order, as it does everywhere
/// but on machines of the other order.
fn geometry(printed: &str) -> Option<Value> {
    const HAS_SRID: u32 = 0x2000_0000;
    let wkb = unhex(printed)?;
    let kind: [u8; 4] = wkb.get(1..5)?.try_into().ok()?;
    let srid = (u32::from_le_bytes(kind) & HAS_SRID != 0)
        .then(|| wkb.get(5..9)?.try_into().ok().map(u32::from_le_bytes))
        .flatten();
    (wkb.first() == Some(&1))
        .then(|| Value::from_json(json!({"wkb": BASE64_STANDARD.encode(&wkb), "srid": srid})))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn all(of: &str, printed: &str) -> Vec<Option<Value>> {
        let of = Type {
            name: of.trim_end_matches("[]").into(),
            element: of.strip_suffix("[]").map(Into::into),
            has_modifier: false,
        };
        let forms = forms_of(&of).into_iter();
        forms.map(|form| form.read(printed)).collect()
    }

    #[test]
    fn every_type_has_the_forms_in_which_connectors_write_it() {
        let decimal = |digits: &str| Some(Value::Decimal(digits.into()));
        let some = |value: &str| Some(text(value));
        for (of, printed, expected) in [
            ("int8", "-7", vec![Some(Value::Int(-7))]),
            ("bool", "t", vec![Some(Value::Bool(true))]),
            (
                "float4",
                "0.1",
                vec![Some(Value::Float(0.1)), Some(Value::Float(0.1_f32.into()))],
            ),
            ("float8", "NaN", vec![some("NaN")]),
            (
                "numeric",
                "62.3750",
                vec![
                    decimal("62.3750"),
                    decimal("62.375"),
                    Some(Value::Float(62.375)),
                    some("62.3750"),
                    some("62.375"),
                ],
            ),
            (
                "money",
                "-$1,234.50",
                vec![decimal("-1234.50"), Some(Value::Float(-1234.5))],
            ),
            (
                "date",
                "2024-02-29",
                vec![some("2024-02-29"), Some(Value::Int(19_782))],
            ),
            (
                "bytea",
                "\\xfbff",
                vec![some("+/8="), some("-_8="), some("fbff")],
            ),
            (
                "bit",
                "1",
                vec![Some(Value::Int(1)), Some(Value::Bool(true))],
            ),
            ("varbit", "00010110", vec![Some(Value::Int(22)), None]),
            ("uuid", "b68a35a7", vec![some("b68a35a7")]),
            (
                "int4[]",
                "{1,NULL,3}",
                vec![Some(Value::from_json(json!([1, null, 3])))],
            ),
            (
                "hstore",
                "\"a\"=>\"1\", \"b\"=>NULL",
                vec![Some(Value::from_json(json!({"a": "1", "b": null})))],
            ),
        ] {
            assert_eq!(all(of, printed), expected, "{of} {printed}");
        }
    }

    #[test]
    fn what_a_form_can_not_write_is_none() {
        for (of, printed) in [
            ("int4", "x"),
            ("bytea", "\\xf"),
            ("point", "(1,2"),
            ("int4[]", "[0:1]={1,2}"),
            ("int4[]", "{{1},{2}}"),
            ("geometry", "00"),
            ("timestamptz", "infinity"),
            ("interval", "1 day"),
        ] {
            assert!(
                all(of, printed).iter().all(Option::is_none),
                "{of} {printed}"
            );
        }
    }

    #[test]
    fn a_point_is_its_coordinates_and_well_known_binary() {
        let [whole, place] = all("point", "(106.7,10.8)").try_into().unwrap();
        let Some(Value::Json(whole)) = whole else {
            unreachable!("a point is an object")
        };
        assert_eq!(whole["x"], 106.7);
        assert_eq!(whole["wkb"].as_str().map(str::len), Some(28));
        assert_eq!(
            place,
            Some(Value::from_json(json!({"lon": 106.7, "lat": 10.8})))
        );
    }
}
