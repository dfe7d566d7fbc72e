//! One value: built as a column, built as JSON, or skipped.

use serde_json::{Map, Value as Json};

use crate::{
    decode::{convert, decimal},
    record::{ColumnType, Placeholder, Value},
};

use super::{
    Broken,
    cursor::Cursor,
    types::{Field, Shape, TypeId, Types},
};

/// Reads a value as a column of that type.
pub(super) fn column(
    cursor: &mut Cursor<'_>,
    types: &Types,
    of: TypeId,
    column_type: &ColumnType,
    placeholder: &Placeholder,
) -> Result<Value, Broken> {
    Ok(match types.shape(of) {
        Shape::Null => Value::Null,
        Shape::Boolean => convert::from_bool(cursor.boolean()?),
        Shape::Integer => convert::from_int(column_type, cursor.long()?),
        Shape::Float => convert::from_float(shortest(cursor.float()?)),
        Shape::Double => convert::from_float(cursor.double()?),
        Shape::Bytes => convert::from_bytes(column_type, cursor.bytes()?, placeholder)?,
        Shape::Fixed(size) => convert::from_bytes(column_type, cursor.take(*size)?, placeholder)?,
        Shape::Uuid => Value::String(uuid(cursor)?.into()),
        Shape::String => convert::from_text(column_type, cursor.text()?, placeholder)?,
        Shape::Enum(symbols) => {
            convert::from_text(column_type, symbol(cursor, symbols)?, placeholder)?
        }
        Shape::Union(branches) => {
            let branch = branch(cursor, branches)?;
            let several = || types.only(branches).is_none();
            let of_branch = match column_type {
                // Each branch says itself what it is.
                ColumnType::Plain if several() => &types.get(branch).meaning,
                column_type => column_type,
            };
            cursor.enter()?;
            let value = column(cursor, types, branch, of_branch, placeholder)?;
            cursor.leave();
            value
        }
        Shape::Array(items) => match column_type {
            ColumnType::Array(element) => {
                // Told before its elements are converted: dates are numbers there.
                let mut ahead = cursor.clone();
                if placeholder.is_json(&json(&mut ahead, types, of)?) {
                    *cursor = ahead;
                    return Ok(Value::Unavailable);
                }
                return array(cursor, types, *items, element, placeholder);
            }
            _ => convert::json_value(json(cursor, types, of)?, placeholder),
        },
        Shape::Map(_) => convert::json_value(json(cursor, types, of)?, placeholder),
        Shape::Record(fields) => {
            if *column_type == ColumnType::VariableScaleDecimal
                && let Some((scale, value)) = scale_and_value(types, fields)
            {
                return variable_scale_decimal(cursor, scale < value);
            }
            convert::from_object(column_type, json(cursor, types, of)?, placeholder)?
        }
    })
}

/// An array whose elements have a type of their own.
fn array(
    cursor: &mut Cursor<'_>,
    types: &Types,
    items: TypeId,
    element: &ColumnType,
    placeholder: &Placeholder,
) -> Result<Value, Broken> {
    let mut elements = Vec::new();
    cursor.enter()?;
    while let Some(block) = cursor.block()? {
        for _ in 0..block.elements {
            let value = column(cursor, types, items, element, placeholder)?;
            elements.push(value.into_json());
        }
    }
    cursor.leave();
    Ok(convert::json_value(elements.into(), placeholder))
}

/// Where a record of `{scale, value}` has each, if it is one.
fn scale_and_value(types: &Types, fields: &[Field]) -> Option<(usize, usize)> {
    let [first, second] = fields else {
        return None;
    };
    let is = |field: &Field, name, of_shape: fn(&Shape) -> bool| {
        &*field.name == name && of_shape(types.shape(field.of))
    };
    let is_scale = |field| is(field, "scale", |shape| matches!(shape, Shape::Integer));
    let is_value = |field| is(field, "value", |shape| matches!(shape, Shape::Bytes));
    if is_scale(first) && is_value(second) {
        Some((0, 1))
    } else if is_value(first) && is_scale(second) {
        Some((1, 0))
    } else {
        None
    }
}

fn variable_scale_decimal(cursor: &mut Cursor<'_>, scale_first: bool) -> Result<Value, Broken> {
    let (scale, bytes) = if scale_first {
        let scale = cursor.long()?;
        (scale, cursor.bytes()?)
    } else {
        let bytes = cursor.bytes()?;
        (cursor.long()?, bytes)
    };
    i32::try_from(scale)
        .ok()
        .and_then(|scale| decimal::from_bytes(bytes, scale))
        .map(Value::Decimal)
        .ok_or(Broken::Decimal)
}

/// Reads a value as Kafka Connect's JSON converter would write it, logical names left aside.
pub(super) fn json(cursor: &mut Cursor<'_>, types: &Types, of: TypeId) -> Result<Json, Broken> {
    Ok(match types.shape(of) {
        Shape::Null => Json::Null,
        Shape::Boolean => cursor.boolean()?.into(),
        Shape::Integer => cursor.long()?.into(),
        Shape::Float => convert::from_float(shortest(cursor.float()?)).into_json(),
        Shape::Double => convert::from_float(cursor.double()?).into_json(),
        Shape::Bytes => convert::base64(cursor.bytes()?).into(),
        Shape::Fixed(size) => convert::base64(cursor.take(*size)?).into(),
        Shape::Uuid => uuid(cursor)?.into(),
        Shape::String => cursor.text()?.into(),
        Shape::Enum(symbols) => symbol(cursor, symbols)?.into(),
        Shape::Union(branches) => {
            let branch = branch(cursor, branches)?;
            cursor.enter()?;
            let value = json(cursor, types, branch)?;
            cursor.leave();
            value
        }
        Shape::Array(items) => {
            let mut elements = Vec::new();
            cursor.enter()?;
            while let Some(block) = cursor.block()? {
                for _ in 0..block.elements {
                    elements.push(json(cursor, types, *items)?);
                }
            }
            cursor.leave();
            elements.into()
        }
        Shape::Map(values) => {
            let mut entries = Map::new();
            cursor.enter()?;
            while let Some(block) = cursor.block()? {
                for _ in 0..block.elements {
                    let name = cursor.text()?.to_owned();
                    entries.insert(name, json(cursor, types, *values)?);
                }
            }
            cursor.leave();
            entries.into()
        }
        Shape::Record(fields) => {
            let mut entries = Map::new();
            cursor.enter()?;
            for field in fields.iter() {
                entries.insert(field.name.to_string(), json(cursor, types, field.of)?);
            }
            cursor.leave();
            entries.into()
        }
    })
}

/// Passes over a value.
pub(super) fn skip(cursor: &mut Cursor<'_>, types: &Types, of: TypeId) -> Result<(), Broken> {
    match types.shape(of) {
        Shape::Null => {}
        Shape::Boolean => {
            cursor.boolean()?;
        }
        Shape::Integer => {
            cursor.long()?;
        }
        Shape::Float => {
            cursor.float()?;
        }
        Shape::Double => {
            cursor.double()?;
        }
        Shape::Bytes | Shape::String => {
            cursor.bytes()?;
        }
        Shape::Fixed(size) => {
            cursor.take(*size)?;
        }
        Shape::Uuid => {
            cursor.take(16)?;
        }
        Shape::Enum(symbols) => {
            cursor.choice(symbols.len())?;
        }
        Shape::Union(branches) => {
            let branch = branch(cursor, branches)?;
            cursor.enter()?;
            skip(cursor, types, branch)?;
            cursor.leave();
        }
        Shape::Array(values) | Shape::Map(values) => {
            let has_names = matches!(types.shape(of), Shape::Map(_));
            cursor.enter()?;
            while let Some(block) = cursor.block()? {
                if let Some(bytes) = block.bytes {
                    cursor.take(bytes)?;
                    continue;
                }
                for _ in 0..block.elements {
                    if has_names {
                        cursor.bytes()?;
                    }
                    skip(cursor, types, *values)?;
                }
            }
            cursor.leave();
        }
        Shape::Record(fields) => {
            cursor.enter()?;
            for field in fields.iter() {
                skip(cursor, types, field.of)?;
            }
            cursor.leave();
        }
    }
    Ok(())
}

/// A number, also one written in text (Oracle's system change numbers); anything else is none.
pub(super) fn number(
    cursor: &mut Cursor<'_>,
    types: &Types,
    of: TypeId,
) -> Result<Option<i64>, Broken> {
    match types.shape(of) {
        Shape::Integer => cursor.long().map(Some),
        Shape::String => Ok(cursor.text()?.parse().ok()),
        Shape::Union(branches) => {
            let branch = branch(cursor, branches)?;
            number(cursor, types, branch)
        }
        _ => skip(cursor, types, of).map(|()| None),
    }
}

/// A text; anything else is none.
pub(super) fn text<'a>(
    cursor: &mut Cursor<'a>,
    types: &Types,
    of: TypeId,
) -> Result<Option<&'a str>, Broken> {
    match types.shape(of) {
        Shape::String => cursor.text().map(Some),
        Shape::Union(branches) => {
            let branch = branch(cursor, branches)?;
            text(cursor, types, branch)
        }
        _ => skip(cursor, types, of).map(|()| None),
    }
}

/// The branch of a union that follows.
pub(super) fn branch(cursor: &mut Cursor<'_>, branches: &[TypeId]) -> Result<TypeId, Broken> {
    let chosen = cursor.choice(branches.len())?;
    branches.get(chosen).copied().ok_or(Broken::Truncated)
}

fn symbol<'s>(cursor: &mut Cursor<'_>, symbols: &'s [Box<str>]) -> Result<&'s str, Broken> {
    let chosen = cursor.choice(symbols.len())?;
    symbols
        .get(chosen)
        .map(|symbol| &**symbol)
        .ok_or(Broken::Truncated)
}

fn uuid(cursor: &mut Cursor<'_>) -> Result<String, Broken> {
    let bytes = cursor.take(16)?;
    uuid::Uuid::from_slice(bytes)
        .map(|uuid| uuid.to_string())
        .map_err(|_| Broken::Truncated)
}

/// The 64-bit number that is written with the same digits: `4.7`, not `4.699999809265137`. So a
/// column of 32-bit numbers is the same from Avro as from JSON.
fn shortest(number: f32) -> f64 {
    if number.fract() == 0.0 || !number.is_finite() {
        return f64::from(number);
    }
    number
        .to_string()
        .parse()
        .unwrap_or_else(|_| f64::from(number))
}
