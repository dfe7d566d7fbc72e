//! Record keys in JSON: `{"id": 17}`, the same with its schema, or one bare value.

use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use crate::{
    error::Failure,
    record::{ColumnType, RowKey, Value},
};

use super::{
    super::{
        convert,
        key::{KeyBuilder, null_key},
        settings::RowSettings,
    },
    BorrowedName, complaint,
    schema::SchemaCache,
};

/// More columns than any database's keys can have are refused.
const MOST_COLUMNS: usize = 256;

type Fields<'a> = SmallVec<[(BorrowedName<'a>, &'a RawValue); 4]>;

/// The canonical form of a record's key; see [`RowKey`].
pub(super) fn canonical(
    bytes: &[u8],
    schemas: &mut SchemaCache,
    settings: &RowSettings,
) -> Result<RowKey, Failure> {
    let text = std::str::from_utf8(bytes).map_err(|error| undecodable(&error))?;
    let mut key = KeyBuilder::new();
    if !text.trim_start().starts_with('{') {
        let value: &RawValue = serde_json::from_str(text).map_err(|error| undecodable(&error))?;
        push(&mut key, value, &ColumnType::Plain, settings)?;
        return key.finish();
    }
    let mut fields = read_fields(text)?;
    let mut has_schema = false;
    if let Some((schema, payload)) = schema_and_payload(&fields) {
        has_schema = schema.get() != "null";
        if has_schema {
            schemas.load(schema).map_err(|error| undecodable(&error))?;
        }
        if !payload.get().starts_with('{') {
            push(&mut key, payload, &ColumnType::Plain, settings)?;
            return key.finish();
        }
        fields = read_fields(payload.get())?;
    }
    for (BorrowedName(name), value) in &fields {
        // Dates and times stay the numbers they are: their form must not depend on a schema.
        let column_type = match settings.hint(name) {
            Some(hint) => hint.clone(),
            None if has_schema => schemas.column_type(name),
            None => ColumnType::Plain,
        };
        push(&mut key, value, &column_type, settings)?;
    }
    key.finish()
}

/// Schema and payload, if these are the two fields that the converter writes around a key.
fn schema_and_payload<'a>(fields: &Fields<'a>) -> Option<(&'a RawValue, &'a RawValue)> {
    let [(first, schema), (second, payload)] = fields.as_slice() else {
        return None;
    };
    let is_schema = schema.get().starts_with('{') || schema.get() == "null";
    (first.0 == "schema" && second.0 == "payload" && is_schema).then_some((*schema, *payload))
}

/// Adds a value so that equal values are equal texts, whatever their spelling in JSON.
fn push(
    key: &mut KeyBuilder,
    value: &RawValue,
    column_type: &ColumnType,
    settings: &RowSettings,
) -> Result<(), Failure> {
    let raw = value.get();
    if raw
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-')
    {
        key.push_digits(raw);
        return Ok(());
    }
    let json: serde_json::Value = serde_json::from_str(raw).map_err(|error| undecodable(&error))?;
    let value = match (column_type, json) {
        (_, serde_json::Value::Null) => return Err(null_key()),
        (ColumnType::Decimal { .. }, serde_json::Value::String(text)) => {
            convert::from_text(column_type, &text, &settings.placeholder)
                .map_err(|mismatch| undecodable(&mismatch))?
        }
        // A decimal with its own scale is known by its shape, so that it is one key with and
        // without schema.
        (_, json @ serde_json::Value::Object(_)) => {
            convert::from_object(&ColumnType::Untyped, json, &settings.placeholder)
                .map_err(|mismatch| undecodable(&mismatch))?
        }
        (_, json) => Value::Json(Box::new(json)),
    };
    key.push(&value)
}

fn undecodable(error: &dyn fmt::Display) -> Failure {
    Failure::record(
        "undecodable_key",
        format!("the record's key can't be read: {}", complaint(error)),
    )
}

fn read_fields(text: &str) -> Result<Fields<'_>, Failure> {
    struct FieldsVisitor;

    impl<'de> Visitor<'de> for FieldsVisitor {
        type Value = Fields<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut fields = SmallVec::new();
            while let Some(name) = map.next_key::<BorrowedName<'de>>()? {
                if fields.len() >= MOST_COLUMNS {
                    return Err(A::Error::custom(format_args!(
                        "it has more than {MOST_COLUMNS} columns"
                    )));
                }
                // Of two values of one column neither may decide which row it is.
                if fields
                    .iter()
                    .any(|(BorrowedName(known), _)| *known == name.0)
                {
                    return Err(A::Error::custom(format_args!(
                        "it has the column `{}` twice",
                        name.0.escape_debug()
                    )));
                }
                fields.push((name, map.next_value()?));
            }
            Ok(fields)
        }
    }

    let mut json = serde_json::Deserializer::from_str(text);
    let fields = json
        .deserialize_map(FieldsVisitor)
        .map_err(|error| undecodable(&error))?;
    json.end().map_err(|error| undecodable(&error))?;
    Ok(fields)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn canonical_of(text: &str) -> Result<RowKey, Failure> {
        canonical(
            text.as_bytes(),
            &mut SchemaCache::default(),
            &RowSettings::default(),
        )
    }

    fn key(text: &str) -> String {
        canonical_of(text).unwrap().as_str().to_owned()
    }

    #[test]
    fn the_same_key_with_and_without_schema_is_one_key() {
        let with_schema = r#"{"schema":{"type":"struct","fields":[]},"payload":{"id":17}}"#;
        assert_eq!(key(r#"{"id":17}"#), "[17]");
        assert_eq!(key(with_schema), "[17]");
        assert_eq!(key("17"), "[17]");
    }

    #[test]
    fn composite_keys_keep_their_types_apart() {
        assert_eq!(key(r#"{"a":1,"b":"23"}"#), r#"[1,"23"]"#);
        assert_eq!(key(r#"{"a":"12","b":3}"#), r#"["12",3]"#);
    }

    #[test]
    fn the_spelling_of_a_string_does_not_matter() {
        assert_eq!(key("{\"a\":\"\\u0041\"}"), key(r#"{ "a" : "A" }"#));
    }

    #[test]
    fn a_table_may_have_key_columns_named_schema_and_payload() {
        assert_eq!(key(r#"{"schema":"eu","payload":4}"#), r#"["eu",4]"#);
    }

    #[test]
    fn a_decimal_in_a_key_is_its_digits() {
        let with_schema = r#"{"schema":{"type":"struct","fields":[{"type":"bytes","field":"n","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}}]},"payload":{"n":"AfQ="}}"#;
        assert_eq!(key(with_schema), r#"["5.00"]"#);
        assert_eq!(key(r#"{"id":{"scale":0,"value":"Ew=="}}"#), r#"["19"]"#);
    }

    #[test]
    fn what_is_no_key_is_a_fault_of_the_record() {
        for (text, reason) in [
            ("", "undecodable_key"),
            ("{\"id\":", "undecodable_key"),
            ("{\"id\":1} x", "undecodable_key"),
            ("{\"id\":null}", "null_key"),
            ("null", "null_key"),
            ("{}", "no_key"),
            ("{\"id\":1,\"id\":1}", "undecodable_key"),
        ] {
            assert_eq!(canonical_of(text).unwrap_err().reason, reason, "{text}");
        }
    }
}
