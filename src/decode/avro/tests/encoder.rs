//! Random values with their schemas, and Avro's encoding of them, written for the tests alone.

use base64::{Engine, prelude::BASE64_STANDARD};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// A value that knows its schema.
#[derive(Debug, Clone)]
pub(super) enum Written {
    Null,
    Boolean(bool),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Bytes(Vec<u8>),
    Text(String),
    Fixed(Vec<u8>),
    Symbol(usize),
    /// Copies of one value, in blocks that say their size or don't.
    Array(Box<Written>, usize, bool),
    Map(Box<Written>, usize, bool),
    /// The value, and on which side of a null it stands.
    Optional(Box<Written>, bool, bool),
    Record(Vec<Written>),
}

pub(super) fn values() -> impl Strategy<Value = Written> {
    let leaf = prop_oneof![
        Just(Written::Null),
        any::<bool>().prop_map(Written::Boolean),
        any::<i32>().prop_map(Written::Int),
        any::<i64>().prop_map(Written::Long),
        (-1e6_f32..1e6).prop_map(Written::Float),
        (-1e300_f64..1e300).prop_map(Written::Double),
        any::<Vec<u8>>().prop_map(Written::Bytes),
        any::<String>().prop_map(Written::Text),
        any::<Vec<u8>>().prop_map(Written::Fixed),
        (0_usize..3).prop_map(Written::Symbol),
    ];
    leaf.prop_recursive(5, 24, 4, |inner| {
        let of = inner.clone().prop_map(Box::new);
        prop_oneof![
            (of.clone(), 0_usize..4, any::<bool>())
                .prop_map(|(of, count, sized)| Written::Array(of, count, sized)),
            (of.clone(), 0_usize..4, any::<bool>())
                .prop_map(|(of, count, sized)| Written::Map(of, count, sized)),
            (of, any::<bool>(), any::<bool>())
                .prop_map(|(of, first, null)| Written::Optional(of, first, null)),
            prop::collection::vec(inner, 0..5).prop_map(Written::Record),
        ]
    })
}

impl Written {
    pub(super) fn schema(&self) -> Json {
        self.schema_at("N")
    }

    /// Named types are named by their place, so that no two have one name.
    fn schema_at(&self, place: &str) -> Json {
        match self {
            Self::Null => json!("null"),
            Self::Boolean(_) => json!("boolean"),
            Self::Int(_) => json!({"type": "int"}),
            Self::Long(_) => json!("long"),
            Self::Float(_) => json!("float"),
            Self::Double(_) => json!("double"),
            Self::Bytes(_) => json!("bytes"),
            Self::Text(_) => json!({"type": {"type": "string"}}),
            Self::Fixed(bytes) => json!({"type": "fixed", "name": place, "size": bytes.len()}),
            Self::Symbol(_) => json!({"type": "enum", "name": place, "symbols": ["A", "B", "C"]}),
            Self::Array(of, ..) => {
                json!({"type": "array", "items": of.schema_at(&format!("{place}_"))})
            }
            Self::Map(of, ..) => {
                json!({"type": "map", "values": of.schema_at(&format!("{place}_"))})
            }
            Self::Optional(of, first, _) => {
                let of = of.schema_at(&format!("{place}_"));
                if *first {
                    json!([of, "null"])
                } else {
                    json!(["null", of])
                }
            }
            Self::Record(fields) => {
                let fields: Vec<Json> = fields
                    .iter()
                    .enumerate()
                    .map(|(number, field)| {
                        let of = field.schema_at(&format!("{place}{number}"));
                        json!({"name": format!("f{number}"), "type": of})
                    })
                    .collect();
                json!({"type": "record", "name": place, "fields": fields})
            }
        }
    }

    pub(super) fn json(&self) -> Json {
        match self {
            Self::Null | Self::Optional(_, _, true) => Json::Null,
            Self::Boolean(value) => json!(value),
            Self::Int(number) => json!(number),
            Self::Long(number) => json!(number),
            Self::Float(number) => json!(number.to_string().parse::<f64>().unwrap()),
            Self::Double(number) => json!(number),
            Self::Bytes(bytes) | Self::Fixed(bytes) => json!(BASE64_STANDARD.encode(bytes)),
            Self::Text(text) => json!(text),
            Self::Symbol(symbol) => json!(["A", "B", "C"][*symbol]),
            Self::Array(of, count, _) => vec![of.json(); *count].into(),
            Self::Map(of, count, _) => (0..*count)
                .map(|number| (number.to_string(), of.json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            Self::Optional(of, ..) => of.json(),
            Self::Record(fields) => fields
                .iter()
                .enumerate()
                .map(|(number, field)| (format!("f{number}"), field.json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => {}
            Self::Boolean(value) => out.push(u8::from(*value)),
            Self::Int(number) => out.extend(long(i64::from(*number))),
            Self::Long(number) => out.extend(long(*number)),
            Self::Float(number) => out.extend(number.to_le_bytes()),
            Self::Double(number) => out.extend(number.to_le_bytes()),
            Self::Bytes(value) => out.extend(bytes(value)),
            Self::Text(value) => out.extend(text(value)),
            Self::Fixed(bytes) => out.extend(bytes),
            Self::Symbol(symbol) => out.extend(long(i64::try_from(*symbol).unwrap())),
            Self::Array(of, count, sized) => blocks(out, *count, *sized, |_, out| of.encode(out)),
            Self::Map(of, count, sized) => blocks(out, *count, *sized, |number, out| {
                out.extend(text(&number.to_string()));
                of.encode(out);
            }),
            Self::Optional(of, first, null) => {
                out.extend(long(i64::from(first == null)));
                if !null {
                    of.encode(out);
                }
            }
            Self::Record(fields) => {
                for field in fields {
                    field.encode(out);
                }
            }
        }
    }
}

/// The first element alone, the rest together.
fn blocks(
    out: &mut Vec<u8>,
    count: usize,
    sized: bool,
    mut element: impl FnMut(usize, &mut Vec<u8>),
) {
    for numbers in [0..count.min(1), 1..count] {
        if numbers.is_empty() {
            continue;
        }
        let mut block = Vec::new();
        let elements = i64::try_from(numbers.len()).unwrap();
        numbers.for_each(|number| element(number, &mut block));
        if sized {
            out.extend(long(-elements));
            out.extend(long(i64::try_from(block.len()).unwrap()));
        } else {
            out.extend(long(elements));
        }
        out.extend(block);
    }
    out.extend(long(0));
}

pub(super) fn long(number: i64) -> Vec<u8> {
    let mut zigzag = ((number << 1) ^ (number >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while zigzag > 0x7f {
        bytes.push(u8::try_from(zigzag & 0x7f).unwrap() | 0x80);
        zigzag >>= 7;
    }
    bytes.push(u8::try_from(zigzag).unwrap());
    bytes
}

pub(super) fn bytes(value: &[u8]) -> Vec<u8> {
    let mut bytes = long(i64::try_from(value.len()).unwrap());
    bytes.extend(value);
    bytes
}

pub(super) fn text(value: &str) -> Vec<u8> {
    bytes(value.as_bytes())
}
