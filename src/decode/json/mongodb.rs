//! MongoDB's rows: documents as text, in MongoDB's extended JSON.
//!
//! Debezium's MongoDB connector writes `after` as a text. Of the extended types (specification
//! "MongoDB Extended JSON (v2)"), those that databases' columns have become plain values; others
//! are kept as the objects they are.

use std::sync::Arc;

use crate::record::{ColumnType, Row, Unit, Value};

use super::super::{convert, decimal, settings::RowSettings, temporal};

/// The row that a document's text holds.
pub(super) fn row(text: &str, settings: &RowSettings) -> Result<Row, serde_json::Error> {
    let document: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)?;
    let mut columns = Vec::with_capacity(document.len());
    for (name, json) in document {
        let column_type = settings.column_type(&name, || ColumnType::Plain);
        if column_type == ColumnType::Skipped {
            continue;
        }
        let value = match column_type {
            ColumnType::Geo => convert::from_object(&column_type, json, &settings.placeholder)
                .map_err(|mismatch| {
                    serde::de::Error::custom(format_args!("column `{name}`: {mismatch}"))
                })?,
            _ => value(json),
        };
        columns.push((Arc::from(name), value));
    }
    Ok(Row::new(columns))
}

fn value(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => convert::from_float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::String(text.into()),
        serde_json::Value::Array(values) => Value::from_json(
            values
                .into_iter()
                .map(|json| value(json).into_json())
                .collect(),
        ),
        serde_json::Value::Object(fields) => match extended(&fields) {
            Some(value) => value,
            None => Value::from_json(
                fields
                    .into_iter()
                    .map(|(name, json)| (name, value(json).into_json()))
                    .collect(),
            ),
        },
    }
}

/// The plain value of an object that stands for one.
fn extended(fields: &serde_json::Map<String, serde_json::Value>) -> Option<Value> {
    let mut entries = fields.iter();
    let ((name, json), None) = (entries.next()?, entries.next()) else {
        return None;
    };
    let text = json.as_str();
    match name.as_str() {
        "$oid" | "$symbol" => text.map(|text| Value::String(text.into())),
        "$numberInt" | "$numberLong" => text?.parse().ok().map(Value::Int),
        "$numberDouble" => text?.parse().ok().map(convert::from_float),
        "$numberDecimal" => match decimal::from_digits(text?) {
            Some(digits) => Some(Value::Decimal(digits)),
            None => text.map(|text| Value::String(text.into())),
        },
        "$date" => {
            let millis = match json {
                serde_json::Value::Number(number) => number.as_i64(),
                serde_json::Value::Object(long) => long.get("$numberLong")?.as_str()?.parse().ok(),
                // The relaxed form is ISO 8601 already.
                serde_json::Value::String(text) => {
                    return Some(Value::String(text.as_str().into()));
                }
                _ => None,
            }?;
            let moment = format!("{}Z", temporal::timestamp(millis, Unit::Millis));
            Some(Value::String(moment.into()))
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn extended_types_become_plain_values() {
        let document = r#"{"_id": {"$oid": "64b7f0c2a1b2c3d4e5f60718"}, "price": {"$numberDecimal": "19.90"}, "stock": {"$numberInt": "3"},
            "views": {"$numberLong": "9007199254740993"}, "made": {"$date": 1700000000000}, "tags": ["a", {"$numberInt": "2"}],
            "size": {"w": {"$numberDouble": "1.5"}}, "none": null, "weight": 2.5}"#;
        let row = row(document, &RowSettings::default()).unwrap();
        let text = |text: &str| Value::String(text.into());
        assert_eq!(row.get("_id"), Some(&text("64b7f0c2a1b2c3d4e5f60718")));
        assert_eq!(row.get("price"), Some(&Value::Decimal("19.90".into())));
        assert_eq!(row.get("stock"), Some(&Value::Int(3)));
        assert_eq!(row.get("views"), Some(&Value::Int(9_007_199_254_740_993)));
        assert_eq!(row.get("made"), Some(&text("2023-11-14T22:13:20Z")));
        assert_eq!(row.get("none"), Some(&Value::Null));
        assert_eq!(row.get("weight"), Some(&Value::Float(2.5)));
        let json = |json| Value::Json(Box::new(json));
        assert_eq!(row.get("tags"), Some(&json(serde_json::json!(["a", 2]))));
        assert_eq!(row.get("size"), Some(&json(serde_json::json!({"w": 1.5}))));
    }
}
