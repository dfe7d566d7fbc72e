//! The same change in Avro: a schema made of its JSON, and its encoding by it.

use serde_json::{Value, json};
use vectide::record::{SchemaId, SchemaLanguage, WriterSchema};

/// The id of the schema in the records.
pub(crate) const SCHEMA: SchemaId = SchemaId::Id(1);

/// A record's value in Confluent's wire format, and the schema it was written with.
pub(crate) fn from_json(value: &[u8]) -> (Box<[u8]>, WriterSchema) {
    let value: Value = serde_json::from_slice(value).unwrap();
    let mut data = vec![0, 0, 0, 0, 1];
    let schema = encode(&value, "shop.Envelope", &mut data);
    let schema = WriterSchema {
        language: SchemaLanguage::Avro,
        text: schema.to_string().into(),
        references: Vec::new(),
    };
    (data.into(), schema)
}

/// Appends the value's encoding and returns its schema. Everything but records is optional, as most
/// columns are.
fn encode(value: &Value, name: &str, data: &mut Vec<u8>) -> Value {
    let optional = |of: &str| json!(["null", of]);
    match value {
        Value::Null => {
            long(0, data);
            optional("string")
        }
        Value::Bool(value) => {
            long(1, data);
            data.push(u8::from(*value));
            optional("boolean")
        }
        Value::Number(number) => {
            long(1, data);
            long(number.as_i64().unwrap(), data);
            optional("long")
        }
        Value::String(text) => {
            long(1, data);
            long(i64::try_from(text.len()).unwrap(), data);
            data.extend(text.as_bytes());
            optional("string")
        }
        Value::Object(fields) => {
            let fields: Vec<Value> = fields
                .iter()
                .map(|(field, value)| {
                    let of = encode(value, &format!("{name}_{field}"), data);
                    json!({"name": field, "type": of})
                })
                .collect();
            json!({"type": "record", "name": name, "fields": fields})
        }
        Value::Array(_) => panic!("the demonstration's rows have no arrays"),
    }
}

fn long(number: i64, data: &mut Vec<u8>) {
    let mut zigzag = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while zigzag > 0x7f {
        data.push(u8::try_from(zigzag & 0x7f).unwrap() | 0x80);
        zigzag >>= 7;
    }
    data.push(u8::try_from(zigzag).unwrap());
}
