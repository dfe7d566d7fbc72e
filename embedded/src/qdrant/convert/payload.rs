//! Payloads: JSON objects, whose whole numbers are kept apart from the others.

use std::collections::HashMap;

use qdrant_client::qdrant::{self as proto, value::Kind};
use qdrant_edge::{JsonPath, Payload};
use serde_json::{Map, Number, Value};
use tonic::Status;

/// The engine's form of a payload. NaN and infinities are refused: JSON has no such numbers.
pub(in crate::qdrant) fn from_proto(
    fields: HashMap<String, proto::Value>,
) -> Result<Payload, Status> {
    object(fields).map(Payload)
}

pub(in crate::qdrant) fn to_proto(payload: Payload) -> HashMap<String, proto::Value> {
    payload
        .0
        .into_iter()
        .map(|(key, value)| (key, value_to_proto(value)))
        .collect()
}

/// A path into a payload, such as `_vectide.epoch` or `tags[].name`.
pub(in crate::qdrant) fn path(text: &str) -> Result<JsonPath, Status> {
    text.parse()
        .map_err(|()| Status::invalid_argument(format!("Invalid json path: '{text}'")))
}

/// As [`path`], for many.
pub(in crate::qdrant) fn paths(texts: &[String]) -> Result<Vec<JsonPath>, Status> {
    texts.iter().map(|text| path(text)).collect()
}

fn object(fields: HashMap<String, proto::Value>) -> Result<Map<String, Value>, Status> {
    fields
        .into_iter()
        .map(|(key, value)| Ok((key, value_from_proto(value)?)))
        .collect()
}

fn value_from_proto(value: proto::Value) -> Result<Value, Status> {
    Ok(match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::IntegerValue(value)) => Value::Number(value.into()),
        Some(Kind::DoubleValue(value)) => Value::Number(
            Number::from_f64(value)
                .ok_or_else(|| Status::invalid_argument("cannot convert to json number"))?,
        ),
        Some(Kind::StringValue(value)) => Value::String(value),
        Some(Kind::ListValue(list)) => Value::Array(
            list.values
                .into_iter()
                .map(value_from_proto)
                .collect::<Result<_, _>>()?,
        ),
        Some(Kind::StructValue(value)) => Value::Object(object(value.fields)?),
    })
}

fn value_to_proto(value: Value) -> proto::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(value),
        Value::Number(number) => match number.as_i64() {
            Some(value) => Kind::IntegerValue(value),
            None => Kind::DoubleValue(number.as_f64().unwrap_or_default()),
        },
        Value::String(value) => Kind::StringValue(value),
        Value::Array(values) => Kind::ListValue(proto::ListValue {
            values: values.into_iter().map(value_to_proto).collect(),
        }),
        Value::Object(fields) => Kind::StructValue(proto::Struct {
            fields: fields
                .into_iter()
                .map(|(key, value)| (key, value_to_proto(value)))
                .collect(),
        }),
    };
    proto::Value { kind: Some(kind) }
}
