//! A schema's JSON, compiled to [`Types`] (Avro's specification 1.12, "Schema Declaration"; what
//! Kafka Connect adds to it, as its `AvroData` writes it: `connect.name`, `connect.parameters`).
//!
//! Lenient where leniency costs nothing: names may hold hyphens, as Debezium's do unless told
//! otherwise, and defaults and aliases are not looked at, because data is read with the schema it
//! was written with.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    decode::logical_name,
    record::{ColumnType, Unit, WriterSchema},
};

use super::types::{Field, Shape, TypeId, Types};

/// Types in types, at most.
const DEEPEST: usize = 64;

/// Types of a schema, at most: a table of 4,096 columns has an envelope of some 10,000.
const MOST_TYPES: usize = 65_536;

/// Why a schema can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SchemaError {
    #[error("it is no JSON: {0}")]
    NotJson(String),
    #[error("`{0}` is no type")]
    NotAType(String),
    #[error("a {of} has no `{missing}`")]
    Missing {
        of: &'static str,
        missing: &'static str,
    },
    #[error("it uses the name `{0}`, which nothing has")]
    UnknownName(String),
    #[error("its types lie more than {DEEPEST} deep")]
    TooDeep,
    #[error("it has more than {MOST_TYPES} types")]
    TooLarge,
}

/// The types of a schema, and which of them is the whole.
pub(super) fn compile(schema: &WriterSchema) -> Result<(Types, TypeId), SchemaError> {
    let mut compiler = Compiler::default();
    for reference in &schema.references {
        compiler.text(reference)?;
    }
    let root = compiler.text(&schema.text)?;
    Ok((compiler.types, root))
}

#[derive(Default)]
struct Compiler {
    types: Types,
    /// By full name.
    named: HashMap<String, TypeId>,
}

/// Where in a schema a type stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// The namespace of the named type around it.
    namespace: &'a str,
    depth: usize,
}

impl Compiler {
    fn text(&mut self, text: &str) -> Result<TypeId, SchemaError> {
        let json: Value =
            serde_json::from_str(text).map_err(|error| SchemaError::NotJson(error.to_string()))?;
        let outermost = Place {
            namespace: "",
            depth: 0,
        };
        self.schema(&json, outermost)
    }

    fn schema(&mut self, json: &Value, place: Place<'_>) -> Result<TypeId, SchemaError> {
        let inside = Place {
            depth: place.depth + 1,
            ..place
        };
        if inside.depth > DEEPEST {
            return Err(SchemaError::TooDeep);
        }
        if self.types.len() >= MOST_TYPES {
            return Err(SchemaError::TooLarge);
        }
        match json {
            Value::String(name) => match primitive(name) {
                Some(shape) => Ok(self.add(shape, &Map::new())),
                None => self.reference(name, place),
            },
            Value::Array(branches) => {
                let branches = branches
                    .iter()
                    .map(|branch| self.schema(branch, inside))
                    .collect::<Result<Arc<[_]>, _>>()?;
                let meaning = self
                    .types
                    .only(&branches)
                    .map_or(ColumnType::Plain, |only| {
                        self.types.get(only).meaning.clone()
                    });
                Ok(self.types.add(Shape::Union(branches), meaning))
            }
            Value::Object(object) => self.object(object, inside),
            other => Err(not_a_type(other)),
        }
    }

    fn object(
        &mut self,
        object: &Map<String, Value>,
        place: Place<'_>,
    ) -> Result<TypeId, SchemaError> {
        let kind = match object.get("type") {
            Some(Value::String(kind)) => kind,
            // `{"type": {"type": …}}`: the inner one is meant.
            Some(inner @ (Value::Object(_) | Value::Array(_))) => return self.schema(inner, place),
            _ => {
                return Err(SchemaError::Missing {
                    of: "type",
                    missing: "type",
                });
            }
        };
        match kind.as_str() {
            "record" | "error" => self.record(object, place),
            "enum" => {
                let name = full_name(object, place, "enum")?;
                let symbols = list(object, "enum", "symbols")?
                    .iter()
                    .map(|symbol| symbol.as_str().map(Into::into))
                    .collect::<Option<Arc<[Box<str>]>>>()
                    .ok_or(SchemaError::Missing {
                        of: "enum",
                        missing: "symbols",
                    })?;
                let id = self.add(Shape::Enum(symbols), object);
                self.named.insert(name, id);
                Ok(id)
            }
            "fixed" => {
                let name = full_name(object, place, "fixed")?;
                let size = object
                    .get("size")
                    .and_then(Value::as_u64)
                    .and_then(|size| usize::try_from(size).ok())
                    .ok_or(SchemaError::Missing {
                        of: "fixed",
                        missing: "size",
                    })?;
                let is_uuid = size == 16 && text(object, "logicalType") == Some("uuid");
                let shape = if is_uuid {
                    Shape::Uuid
                } else {
                    Shape::Fixed(size)
                };
                let id = self.add(shape, object);
                self.named.insert(name, id);
                Ok(id)
            }
            "array" => {
                let items = self.part(object, place, "array", "items")?;
                let meaning = match &self.types.get(items).meaning {
                    ColumnType::Plain => ColumnType::Plain,
                    meaning => ColumnType::Array(Box::new(meaning.clone())),
                };
                Ok(self.types.add(Shape::Array(items), meaning))
            }
            "map" => {
                let values = self.part(object, place, "map", "values")?;
                Ok(self.add(Shape::Map(values), object))
            }
            name => match primitive(name) {
                Some(shape) => Ok(self.add(shape, object)),
                None => self.reference(name, place),
            },
        }
    }

    fn record(
        &mut self,
        object: &Map<String, Value>,
        place: Place<'_>,
    ) -> Result<TypeId, SchemaError> {
        let name = full_name(object, place, "record")?;
        let fields = list(object, "record", "fields")?;
        // Announced before its fields are known, because they may be of its own type.
        let id = self.add(Shape::Null, object);
        self.named.insert(name.clone(), id);
        let place = Place {
            namespace: name.rsplit_once('.').map_or("", |(namespace, _)| namespace),
            ..place
        };
        let fields = fields
            .iter()
            .map(|field| {
                let field = field.as_object().ok_or_else(|| not_a_type(field))?;
                let name = text(field, "name").ok_or(SchemaError::Missing {
                    of: "field",
                    missing: "name",
                })?;
                Ok(Field {
                    name: name.into(),
                    of: self.part(field, place, "field", "type")?,
                })
            })
            .collect::<Result<Arc<[Field]>, SchemaError>>()?;
        self.types.complete(id, Shape::Record(fields));
        Ok(id)
    }

    fn part(
        &mut self,
        object: &Map<String, Value>,
        place: Place<'_>,
        of: &'static str,
        name: &'static str,
    ) -> Result<TypeId, SchemaError> {
        let part = object
            .get(name)
            .ok_or(SchemaError::Missing { of, missing: name })?;
        self.schema(part, place)
    }

    /// A name without a namespace is meant in the one around it, or in none.
    fn reference(&self, name: &str, place: Place<'_>) -> Result<TypeId, SchemaError> {
        let in_namespace = || self.named.get(&format!("{}.{name}", place.namespace));
        let found = if name.contains('.') || place.namespace.is_empty() {
            self.named.get(name)
        } else {
            in_namespace().or_else(|| self.named.get(name))
        };
        found
            .copied()
            .ok_or_else(|| SchemaError::UnknownName(name.chars().take(200).collect()))
    }

    fn add(&mut self, shape: Shape, object: &Map<String, Value>) -> TypeId {
        let meaning = meaning(&shape, object);
        self.types.add(shape, meaning)
    }
}

fn primitive(name: &str) -> Option<Shape> {
    Some(match name {
        "null" => Shape::Null,
        "boolean" => Shape::Boolean,
        "int" | "long" => Shape::Integer,
        "float" => Shape::Float,
        "double" => Shape::Double,
        "bytes" => Shape::Bytes,
        "string" => Shape::String,
        _ => return None,
    })
}

/// What a type is as a column: by Connect's name, else by Avro's logical type.
fn meaning(shape: &Shape, object: &Map<String, Value>) -> ColumnType {
    let scale_of = |object: &Map<String, Value>| match object.get("scale")? {
        Value::String(text) => text.parse().ok(),
        number => number.as_i64()?.try_into().ok(),
    };
    if let Some(name) = text(object, "connect.name") {
        let parameters = object.get("connect.parameters").and_then(Value::as_object);
        let scale = parameters.and_then(scale_of).or_else(|| scale_of(object));
        let by_name = logical_name::column_type(name, scale);
        if by_name != ColumnType::Plain {
            return by_name;
        }
    }
    let plain = match shape {
        Shape::Bytes | Shape::Fixed(_) => ColumnType::Bytes,
        _ => ColumnType::Plain,
    };
    match (text(object, "logicalType"), shape) {
        (Some("decimal"), Shape::Bytes | Shape::Fixed(_)) => ColumnType::Decimal {
            scale: scale_of(object).unwrap_or(0),
        },
        (Some(name), Shape::Integer) => match name {
            "date" => ColumnType::Date,
            "time-millis" => ColumnType::Time(Unit::Millis),
            "time-micros" => ColumnType::Time(Unit::Micros),
            "timestamp-millis" | "local-timestamp-millis" => ColumnType::Timestamp(Unit::Millis),
            "timestamp-micros" | "local-timestamp-micros" => ColumnType::Timestamp(Unit::Micros),
            "timestamp-nanos" | "local-timestamp-nanos" => ColumnType::Timestamp(Unit::Nanos),
            _ => plain,
        },
        _ => plain,
    }
}

/// The name by which others refer to a type. A name with dots says its namespace itself.
fn full_name(
    object: &Map<String, Value>,
    place: Place<'_>,
    of: &'static str,
) -> Result<String, SchemaError> {
    let name = text(object, "name").ok_or(SchemaError::Missing {
        of,
        missing: "name",
    })?;
    let namespace = text(object, "namespace").unwrap_or(place.namespace);
    Ok(if name.contains('.') || namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    })
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

fn list<'a>(
    object: &'a Map<String, Value>,
    of: &'static str,
    missing: &'static str,
) -> Result<&'a Vec<Value>, SchemaError> {
    object
        .get(missing)
        .and_then(Value::as_array)
        .ok_or(SchemaError::Missing { of, missing })
}

fn not_a_type(json: &Value) -> SchemaError {
    SchemaError::NotAType(json.to_string().chars().take(100).collect())
}
