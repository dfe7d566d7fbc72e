//! Points in Qdrant's protocol, written straight from what they are made of.
//!
//! A new row is mostly its vector, thousands of bytes that need no conversion, and two dozen payload
//! fields. To build the generated messages first, with a string and a hash table's entry for each
//! field, takes longer than all else that is done for the row. So the messages
//! [`PointStruct`](qdrant_client::qdrant::PointStruct) and what it holds are written here, in
//! protobuf's own terms; everything that is not made for each row uses the generated ones.

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use crate::record::{PointId, PointVector, Value, Vector, exact_number};

use super::value::DEEPEST;

/// The numbers of the fields in `points.proto` and `json_with_int.proto`, by the messages they are in.
mod tag {
    pub(super) mod point {
        pub(in super::super) const ID: u32 = 1;
        pub(in super::super) const PAYLOAD: u32 = 3;
        pub(in super::super) const VECTORS: u32 = 4;
    }
    pub(super) mod id {
        pub(in super::super) const NUMBER: u32 = 1;
        pub(in super::super) const UUID: u32 = 2;
    }
    /// Protobuf's form of a map: a list of these.
    pub(super) mod entry {
        pub(in super::super) const NAME: u32 = 1;
        pub(in super::super) const VALUE: u32 = 2;
    }
    pub(super) mod value {
        pub(in super::super) const NULL: u32 = 1;
        pub(in super::super) const DOUBLE: u32 = 2;
        pub(in super::super) const INTEGER: u32 = 3;
        pub(in super::super) const STRING: u32 = 4;
        pub(in super::super) const BOOL: u32 = 5;
        pub(in super::super) const STRUCT: u32 = 6;
        pub(in super::super) const LIST: u32 = 7;
    }
    pub(super) const STRUCT_FIELDS: u32 = 1;
    pub(super) const LIST_VALUES: u32 = 1;
    /// In `Vectors`: by their names.
    pub(super) const NAMED: u32 = 2;
    pub(super) const NAMED_VECTORS: u32 = 1;
    /// In `Vector`.
    pub(super) const DENSE: u32 = 101;
    pub(super) const MULTI: u32 = 103;
    pub(super) const DENSE_DATA: u32 = 1;
    pub(super) const MULTI_VECTORS: u32 = 1;
}

/// What vectors a point is written with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Vectors<'a> {
    /// None: no vector search returns it.
    None,
    /// One, by this name.
    One(&'a str, &'a PointVector),
    /// Those that were read, as they were: a `VectorsOutput`, whose fields have the same numbers and
    /// types as those of `Vectors`.
    AsRead(&'a [u8]),
}

/// Appends a point as an element of a list that has this number in its message.
pub(super) fn point(
    buffer: &mut Vec<u8>,
    list: u32,
    id: PointId,
    payload: impl FnOnce(&mut Fields<'_>),
    vectors: Vectors<'_>,
) {
    nested(buffer, list, |buffer| {
        nested(buffer, tag::point::ID, |buffer| point_id(buffer, id));
        payload(&mut Fields {
            buffer,
            map: tag::point::PAYLOAD,
        });
        nested(buffer, tag::point::VECTORS, |buffer| match vectors {
            Vectors::None | Vectors::AsRead([]) => nested(buffer, tag::NAMED, |_| ()),
            Vectors::One(name, vector) => nested(buffer, tag::NAMED, |buffer| {
                nested(buffer, tag::NAMED_VECTORS, |buffer| {
                    bytes(buffer, tag::entry::NAME, name.as_bytes());
                    nested(buffer, tag::entry::VALUE, |buffer| match vector {
                        PointVector::Dense(vector) => dense(buffer, tag::DENSE, vector),
                        PointVector::Multi(vectors) => nested(buffer, tag::MULTI, |buffer| {
                            for vector in vectors {
                                dense(buffer, tag::MULTI_VECTORS, vector);
                            }
                        }),
                    });
                });
            }),
            Vectors::AsRead(vectors) => buffer.extend_from_slice(vectors),
        });
    });
}

/// The fields of an object that is being written.
pub(super) struct Fields<'a> {
    buffer: &'a mut Vec<u8>,
    /// The number of the map in the message.
    map: u32,
}

impl<'a> Fields<'a> {
    /// Those of a map that has this number in its message.
    pub(super) fn of_map(buffer: &'a mut Vec<u8>, map: u32) -> Self {
        Self { buffer, map }
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.entry(name, |buffer| {
            bytes(buffer, tag::value::STRING, text.as_bytes());
        });
    }

    pub(super) fn integer(&mut self, name: &str, integer: i64) {
        self.entry(name, |buffer| {
            varint(buffer, tag::value::INTEGER, integer.cast_unsigned());
        });
    }

    /// A column's value, in the form that [`value::value`](super::value::value) gives it.
    pub(super) fn column(&mut self, name: &str, column: &Value) {
        self.entry(name, |buffer| value(buffer, column));
    }

    pub(super) fn object(&mut self, name: &str, fields: impl FnOnce(&mut Fields<'_>)) {
        self.entry(name, |buffer| object(buffer, fields));
    }

    fn entry(&mut self, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
        nested(self.buffer, self.map, |buffer| {
            bytes(buffer, tag::entry::NAME, name.as_bytes());
            nested(buffer, tag::entry::VALUE, value);
        });
    }
}

fn point_id(buffer: &mut Vec<u8>, id: PointId) {
    match id {
        PointId::Integer(id) => varint(buffer, tag::id::NUMBER, id),
        PointId::Uuid(id) => {
            let mut text = uuid::Uuid::encode_buffer();
            let text = id.hyphenated().encode_lower(&mut text);
            bytes(buffer, tag::id::UUID, text.as_bytes());
        }
    }
}

/// A `DenseVector` that has this number in its message.
fn dense(buffer: &mut Vec<u8>, tag: u32, vector: &Vector) {
    nested(buffer, tag, |buffer| {
        bytes(buffer, tag::DENSE_DATA, vector.as_le_bytes());
    });
}

fn value(buffer: &mut Vec<u8>, column: &Value) {
    match column {
        Value::Null | Value::Unavailable => null(buffer),
        Value::Bool(is) => varint(buffer, tag::value::BOOL, u64::from(*is)),
        Value::Int(integer) => varint(buffer, tag::value::INTEGER, integer.cast_unsigned()),
        Value::Float(number) => double(buffer, *number),
        Value::Decimal(digits) => match exact_number(digits) {
            Some(number) => double(buffer, number),
            None => bytes(buffer, tag::value::STRING, digits.as_bytes()),
        },
        Value::String(text) => bytes(buffer, tag::value::STRING, text.as_bytes()),
        Value::Json(nested) => json(buffer, nested, 0),
    }
}

fn json(buffer: &mut Vec<u8>, column: &serde_json::Value, depth: usize) {
    match column {
        serde_json::Value::Null => null(buffer),
        serde_json::Value::Bool(is) => varint(buffer, tag::value::BOOL, u64::from(*is)),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(integer) => varint(buffer, tag::value::INTEGER, integer.cast_unsigned()),
            None => double(buffer, number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => bytes(buffer, tag::value::STRING, text.as_bytes()),
        deeper if depth == DEEPEST => {
            bytes(buffer, tag::value::STRING, deeper.to_string().as_bytes());
        }
        serde_json::Value::Array(values) => nested(buffer, tag::value::LIST, |buffer| {
            for value in values {
                nested(buffer, tag::LIST_VALUES, |buffer| {
                    json(buffer, value, depth + 1);
                });
            }
        }),
        serde_json::Value::Object(members) => object(buffer, |fields| {
            for (name, value) in members {
                fields.entry(name, |buffer| json(buffer, value, depth + 1));
            }
        }),
    }
}

fn object(buffer: &mut Vec<u8>, fields: impl FnOnce(&mut Fields<'_>)) {
    nested(buffer, tag::value::STRUCT, |buffer| {
        fields(&mut Fields {
            buffer,
            map: tag::STRUCT_FIELDS,
        });
    });
}

fn null(buffer: &mut Vec<u8>) {
    varint(buffer, tag::value::NULL, 0);
}

pub(super) fn varint(buffer: &mut Vec<u8>, tag: u32, number: u64) {
    encode_key(tag, WireType::Varint, buffer);
    encode_varint(number, buffer);
}

fn double(buffer: &mut Vec<u8>, number: f64) {
    encode_key(tag::value::DOUBLE, WireType::SixtyFourBit, buffer);
    buffer.extend_from_slice(&number.to_le_bytes());
}

/// Text and packed numbers alike.
pub(super) fn bytes(buffer: &mut Vec<u8>, tag: u32, bytes: &[u8]) {
    head(buffer, tag, bytes.len());
    buffer.extend_from_slice(bytes);
}

/// What goes before so many bytes of text, packed numbers, or a message.
pub(super) fn head(buffer: &mut Vec<u8>, tag: u32, length: usize) {
    encode_key(tag, WireType::LengthDelimited, buffer);
    encode_varint(length as u64, buffer);
}

/// A message that `write` appends. Its length goes before it, but is known only after.
fn nested(buffer: &mut Vec<u8>, tag: u32, write: impl FnOnce(&mut Vec<u8>)) {
    encode_key(tag, WireType::LengthDelimited, buffer);
    let start = buffer.len();
    write(buffer);
    let length = (buffer.len() - start) as u64;
    encode_varint(length, buffer);
    if let Some(message) = buffer.get_mut(start..) {
        message.rotate_right(encoded_len_varint(length));
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
