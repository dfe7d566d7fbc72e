//! Record keys: from Kafka Connect's JSON to the canonical form.

use std::{borrow::Cow, fmt};

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use crate::{error::Failure, record::RowKey};

type Fields<'a> = SmallVec<[(Cow<'a, str>, &'a RawValue); 4]>;

/// The canonical form of a record's key; see [`RowKey`].
pub(super) fn canonical(bytes: &[u8]) -> Result<RowKey, Failure> {
    let text = std::str::from_utf8(bytes).map_err(|error| undecodable(&error))?;
    let mut canonical = String::with_capacity(24);
    canonical.push('[');
    if text.trim_start().starts_with('{') {
        let mut fields = read_fields(text)?;
        if let Some(payload) = payload_of(&fields) {
            if !payload.get().starts_with('{') {
                return single(payload);
            }
            fields = read_fields(payload.get())?;
        }
        for (index, (_, value)) in fields.iter().enumerate() {
            if index > 0 {
                canonical.push(',');
            }
            push_canonical(&mut canonical, value)?;
        }
        if fields.is_empty() {
            return Err(Failure::record("no_key", "the record's key has no columns"));
        }
        canonical.push(']');
        return Ok(RowKey::from_canonical(canonical));
    }
    single(serde_json::from_str(text).map_err(|error| undecodable(&error))?)
}

/// A key that is one bare value.
fn single(value: &RawValue) -> Result<RowKey, Failure> {
    let mut canonical = String::from("[");
    push_canonical(&mut canonical, value)?;
    canonical.push(']');
    Ok(RowKey::from_canonical(canonical))
}

/// The payload, if these are the two fields that the converter writes around a key with schema.
fn payload_of<'a>(fields: &Fields<'a>) -> Option<&'a RawValue> {
    let [(first, schema), (second, payload)] = fields.as_slice() else {
        return None;
    };
    let is_schema = schema.get().starts_with('{') || schema.get() == "null";
    (first == "schema" && second == "payload" && is_schema).then_some(*payload)
}

/// Writes a value so that equal values are equal texts, whatever their spelling in JSON.
fn push_canonical(out: &mut String, value: &RawValue) -> Result<(), Failure> {
    let raw = value.get();
    let plain_integer = raw
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-');
    if plain_integer {
        out.push_str(raw);
        return Ok(());
    }
    if raw == "null" {
        return Err(Failure::record(
            "null_key",
            "a column of the record's key is null; a key can't be",
        ));
    }
    let value: serde_json::Value =
        serde_json::from_str(raw).map_err(|error| undecodable(&error))?;
    out.push_str(&value.to_string());
    Ok(())
}

fn undecodable(error: &dyn fmt::Display) -> Failure {
    Failure::record(
        "undecodable_key",
        format!("the record's key is not JSON: {error}"),
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
                fields.push((name.0, map.next_value()?));
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

/// A name borrowed from the record unless it holds escapes.
pub(super) struct BorrowedName<'a>(pub(super) Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for BorrowedName<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl<'de> Visitor<'de> for NameVisitor {
            type Value = BorrowedName<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(BorrowedName(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(BorrowedName(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(NameVisitor)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn key(text: &str) -> String {
        canonical(text.as_bytes()).unwrap().as_str().to_owned()
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
    fn what_is_no_key_is_a_fault_of_the_record() {
        for (text, reason) in [
            ("", "undecodable_key"),
            ("{\"id\":", "undecodable_key"),
            ("{\"id\":1} x", "undecodable_key"),
            ("{\"id\":null}", "null_key"),
            ("null", "null_key"),
            ("{}", "no_key"),
        ] {
            assert_eq!(
                canonical(text.as_bytes()).unwrap_err().reason,
                reason,
                "{text}"
            );
        }
    }
}
