//! Columns' values as Qdrant's payload values.

use qdrant_client::qdrant::{
    self, ListValue, NullValue, Struct, point_id::PointIdOptions, value::Kind,
};

use crate::record::{PointId, Value, exact_number};

/// A point's id on the wire.
pub fn point_id(point: PointId) -> qdrant::PointId {
    qdrant::PointId {
        point_id_options: Some(match point {
            PointId::Uuid(id) => PointIdOptions::Uuid(id.to_string()),
            PointId::Integer(id) => PointIdOptions::Num(id),
        }),
    }
}

/// A point's id from the wire; `None` for one that is neither a number nor a UUID.
pub(super) fn record_id(id: &qdrant::PointId) -> Option<PointId> {
    Some(match id.point_id_options.as_ref()? {
        PointIdOptions::Uuid(id) => PointId::Uuid(id.parse().ok()?),
        PointIdOptions::Num(id) => PointId::Integer(*id),
    })
}

/// The same as it is shown.
pub(super) fn shown_id(id: &qdrant::PointId) -> String {
    match &id.point_id_options {
        Some(PointIdOptions::Uuid(id)) => id.clone(),
        Some(PointIdOptions::Num(id)) => id.to_string(),
        None => String::new(),
    }
}

/// A column's value in a payload.
///
/// A decimal of up to 15 digits becomes a number, which filters can compare; a longer one, which
/// a number would round, becomes a string of all its digits. So does what is nested too deeply in
/// JSON: the text of it.
pub fn value(value: &Value) -> qdrant::Value {
    wrap(match value {
        // A document has no unavailable value: see `DocumentBuilder::build`.
        Value::Null | Value::Unavailable => Kind::NullValue(NullValue::NullValue.into()),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Int(value) => Kind::IntegerValue(*value),
        Value::Float(value) => Kind::DoubleValue(*value),
        Value::Decimal(digits) => decimal(digits),
        Value::String(text) => Kind::StringValue(text.to_string()),
        Value::Json(json) => return json_value(json, 0),
    })
}

/// A payload value as a column's value: the reverse of [`value`], but that a decimal comes back as
/// the number or the text it was stored as.
pub(super) fn column(field: qdrant::Value) -> Value {
    match field.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::IntegerValue(value)) => Value::Int(value),
        Some(Kind::DoubleValue(value)) => Value::Float(value),
        Some(Kind::StringValue(text)) => Value::String(text.into()),
        Some(kind @ (Kind::ListValue(_) | Kind::StructValue(_))) => {
            Value::from_json(json(wrap(kind)))
        }
    }
}

fn json(value: qdrant::Value) -> serde_json::Value {
    match value.kind {
        Some(Kind::ListValue(list)) => list.values.into_iter().map(json).collect(),
        Some(Kind::StructValue(object)) => object
            .fields
            .into_iter()
            .map(|(name, field)| (name, json(field)))
            .collect(),
        kind => column(qdrant::Value { kind }).into_json(),
    }
}

pub(super) fn text(text: impl Into<String>) -> qdrant::Value {
    wrap(Kind::StringValue(text.into()))
}

pub(super) fn integer(value: i64) -> qdrant::Value {
    wrap(Kind::IntegerValue(value))
}

pub(super) fn wrap(kind: Kind) -> qdrant::Value {
    qdrant::Value { kind: Some(kind) }
}

fn decimal(digits: &str) -> Kind {
    match exact_number(digits) {
        Some(number) => Kind::DoubleValue(number),
        None => Kind::StringValue(digits.to_owned()),
    }
}

/// JSON that is nested deeper goes in as its text from there on. A payload value is three messages
/// a level on the wire, and servers refuse to read more than 100 in one another, whatever else is
/// in the call (protobuf's default limit on recursion).
pub(super) const DEEPEST: usize = 24;

fn json_value(json: &serde_json::Value, depth: usize) -> qdrant::Value {
    wrap(match json {
        serde_json::Value::Null => Kind::NullValue(NullValue::NullValue.into()),
        serde_json::Value::Bool(value) => Kind::BoolValue(*value),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(integer) => Kind::IntegerValue(integer),
            None => Kind::DoubleValue(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Kind::StringValue(text.clone()),
        nested if depth == DEEPEST => Kind::StringValue(nested.to_string()),
        serde_json::Value::Array(values) => Kind::ListValue(ListValue {
            values: values
                .iter()
                .map(|value| json_value(value, depth + 1))
                .collect(),
        }),
        serde_json::Value::Object(fields) => Kind::StructValue(Struct {
            fields: fields
                .iter()
                .map(|(name, value)| (name.clone(), json_value(value, depth + 1)))
                .collect(),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_decimal(digits: &str) -> Option<Kind> {
        value(&Value::Decimal(digits.into())).kind
    }

    #[test]
    fn a_short_decimal_is_a_number_and_a_long_one_keeps_its_digits() {
        assert_eq!(of_decimal("19.90"), Some(Kind::DoubleValue(19.9)));
        assert_eq!(of_decimal("-0.01"), Some(Kind::DoubleValue(-0.01)));
        assert_eq!(of_decimal("0.00"), Some(Kind::DoubleValue(0.0)));
        let long = "12345678901234567.89";
        assert_eq!(of_decimal(long), Some(Kind::StringValue(long.into())));
    }

    #[test]
    fn what_was_stored_is_read_back_as_it_was() {
        for stored in [
            Value::Null,
            Value::Bool(true),
            Value::Int(-3),
            Value::Float(0.5),
            Value::String("Tent".into()),
            Value::Json(Box::new(
                serde_json::json!({"a": [1, 2.5, null, "x"], "b": {}}),
            )),
        ] {
            assert_eq!(column(value(&stored)), stored);
        }
    }

    #[test]
    fn what_is_nested_too_deeply_is_its_text() {
        let nested =
            |depth| (0..depth).fold(serde_json::json!(1), |json, _| serde_json::json!([json]));
        let deepest = Value::Json(Box::new(nested(DEEPEST)));
        assert_eq!(column(value(&deepest)), deepest);
        let Value::Json(mut stored) = column(value(&Value::Json(Box::new(nested(DEEPEST + 2)))))
        else {
            unreachable!("it is an array still")
        };
        while let Some(inner) = stored.get_mut(0).map(serde_json::Value::take) {
            *stored = inner;
        }
        assert_eq!(*stored, serde_json::json!("[[1]]"));
    }

    #[test]
    fn objects_and_arrays_keep_their_shape() {
        let json = serde_json::json!({"a": [1, 2.5, null, "x"]});
        let Some(Kind::StructValue(object)) = value(&Value::Json(Box::new(json))).kind else {
            unreachable!("an object becomes a struct")
        };
        let kinds = object.fields.get("a").and_then(|list| match &list.kind {
            Some(Kind::ListValue(list)) => Some(list.values.len()),
            _ => None,
        });
        assert_eq!(kinds, Some(4));
    }
}
