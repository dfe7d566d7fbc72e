//! Unavailable values: PostgreSQL does not repeat a large value that did not change (unchanged
//! TOAST), and the connector writes a placeholder for it, in a form that fits the column's type.
//!
//! The forms are those that Debezium's PostgreSQL connector documents for
//! `unavailable.value.placeholder`.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE},
};
use md5::{Digest, Md5};
use uuid::Uuid;

/// The placeholder, in each of its forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    forms: Arc<Forms>,
}

#[derive(Debug, PartialEq, Eq)]
struct Forms {
    bytes: Vec<u8>,
    /// As text; absent when the bytes are none.
    text: Option<String>,
    /// As bytes in JSON, by `binary.handling.mode`.
    base64: String,
    base64_url: String,
    hexadecimal: String,
    /// As an hstore that is written as JSON.
    hstore: String,
    /// As an element of an array of UUIDs.
    uuid: String,
}

/// A placeholder that starts with `hex:` has no hexadecimal digits behind it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what follows `hex:` must be hexadecimal digits, two for each byte")]
pub struct PlaceholderError;

impl Default for Placeholder {
    fn default() -> Self {
        Self::of_bytes(b"__debezium_unavailable_value".to_vec())
    }
}

/// From the connector's `unavailable.value.placeholder`: a text, or `hex:` and bytes.
impl FromStr for Placeholder {
    type Err = PlaceholderError;

    fn from_str(configured: &str) -> Result<Self, PlaceholderError> {
        match configured.strip_prefix("hex:") {
            None => Ok(Self::of_bytes(configured.as_bytes().to_vec())),
            Some(digits) => from_hex(digits).map(Self::of_bytes).ok_or(PlaceholderError),
        }
    }
}

/// As it is configured.
impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.forms.text {
            Some(text) => f.write_str(text),
            None => write!(f, "hex:{}", self.forms.hexadecimal),
        }
    }
}

impl Placeholder {
    fn of_bytes(bytes: Vec<u8>) -> Self {
        let hexadecimal = bytes.iter().fold(String::new(), |mut text, byte| {
            use std::fmt::Write;
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
            text
        });
        Self {
            forms: Arc::new(Forms {
                base64: BASE64_STANDARD.encode(&bytes),
                base64_url: BASE64_URL_SAFE.encode(&bytes),
                hexadecimal,
                uuid: java_uuid_from_bytes(&bytes).to_string(),
                hstore: String::from_utf8(bytes.clone()).map_or_else(
                    |_| String::new(),
                    |text| serde_json::json!({ &text: text }).to_string(),
                ),
                text: String::from_utf8(bytes.clone()).ok(),
                bytes,
            }),
        }
    }

    /// Whether a column's text is the placeholder: of a text, or of bytes as text.
    pub(crate) fn is_text(&self, text: &str) -> bool {
        // Cheap enough to be asked of every text: lengths differ nearly always.
        self.forms.text.as_deref() == Some(text)
            || self.forms.base64 == text
            || self.forms.base64_url == text
            || self.forms.hexadecimal == text
            || self.forms.hstore == text
    }

    /// Whether a column's bytes are the placeholder.
    pub(crate) fn is_bytes(&self, bytes: &[u8]) -> bool {
        self.forms.bytes == bytes
    }

    /// Whether an array or an object is the form that the placeholder takes for its type: one
    /// element in arrays of text, bytes, JSON and UUIDs; its bytes in arrays of numbers; one entry
    /// of an hstore.
    pub(crate) fn is_json(&self, json: &serde_json::Value) -> bool {
        match json {
            serde_json::Value::Array(values) => match values.as_slice() {
                [serde_json::Value::String(text)] => self.is_text(text) || *text == self.forms.uuid,
                numbers => {
                    !numbers.is_empty()
                        && numbers.len() == self.forms.bytes.len()
                        && numbers
                            .iter()
                            .zip(&self.forms.bytes)
                            // Java's bytes have a sign.
                            .all(|(number, byte)| {
                                number.as_i64() == Some(i64::from(byte.cast_signed()))
                            })
                }
            },
            serde_json::Value::Object(fields) => {
                (fields.len() == 1 && fields.keys().all(|name| self.is_text(name)))
                    || is_geometry(fields)
            }
            _ => false,
        }
    }
}

/// Geometries have placeholders of their own, which can't be configured: the constants of
/// Debezium's `UnchangedToastedPlaceholder`, places that are none on earth.
fn is_geometry(fields: &serde_json::Map<String, serde_json::Value>) -> bool {
    const GEOMETRY: &str = "AQEAACDmEAAAAAAA/IPXl8EAAAD8g9eXwQ==";
    const GEOGRAPHY: &str = "AQEAACDmEAAADCHn/f9/ZkAYQs77/39WQA==";
    const NOWHERE: f64 = -99_999_999.0;
    let is_nowhere = |name: &str| {
        fields
            .get(name)
            .and_then(serde_json::Value::as_f64)
            .is_some_and(|number| (number - NOWHERE).abs() < 0.5)
    };
    match fields.get("wkb").and_then(serde_json::Value::as_str) {
        Some(GEOMETRY | GEOGRAPHY) => true,
        _ => is_nowhere("x") && is_nowhere("y"),
    }
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    if digits.is_empty() || !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect()
}

/// Java's `UUID.nameUUIDFromBytes`, which the connector uses: version 3 without a name space.
fn java_uuid_from_bytes(bytes: &[u8]) -> Uuid {
    uuid::Builder::from_md5_bytes(Md5::digest(bytes).into()).into_uuid()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_default_has_the_documented_forms() {
        let placeholder = Placeholder::default();
        let numbers: Vec<u8> = b"__debezium_unavailable_value".to_vec();
        assert!(placeholder.is_text("__debezium_unavailable_value"));
        assert!(placeholder.is_text("X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="));
        let hstore = r#"{"__debezium_unavailable_value":"__debezium_unavailable_value"}"#;
        assert!(placeholder.is_text(hstore));
        assert!(!placeholder.is_text(""));
        assert!(placeholder.is_bytes(&numbers));
        for form in [
            serde_json::json!(["__debezium_unavailable_value"]),
            serde_json::json!(["X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="]),
            serde_json::json!(["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]),
            serde_json::json!(numbers),
            serde_json::json!({"__debezium_unavailable_value": "__debezium_unavailable_value"}),
            serde_json::json!({"wkb": "AQEAACDmEAAAAAAA/IPXl8EAAAD8g9eXwQ==", "srid": 4326}),
            serde_json::json!({"x": -99_999_999.0, "y": -99_999_999.0, "wkb": "", "srid": null}),
        ] {
            assert!(placeholder.is_json(&form), "{form}");
        }
    }

    #[test]
    fn what_only_mentions_it_or_is_empty_is_a_value() {
        let placeholder = Placeholder::default();
        assert!(!placeholder.is_text("a __debezium_unavailable_value b"));
        for value in [
            serde_json::json!([]),
            serde_json::json!({}),
            serde_json::json!(["__debezium_unavailable_value", "b"]),
        ] {
            assert!(!placeholder.is_json(&value), "{value}");
        }
    }

    #[test]
    fn another_one_may_be_configured_as_text_or_as_bytes() {
        let text = "~n/a~".parse::<Placeholder>().unwrap();
        assert!(text.is_text("~n/a~"));
        assert!(!text.is_text("__debezium_unavailable_value"));
        let bytes = "hex:00ff".parse::<Placeholder>().unwrap();
        assert!(bytes.is_bytes(&[0, 0xff]));
        assert!(bytes.is_text("AP8="));
        assert!(bytes.is_json(&serde_json::json!([0, -1])));
        assert_eq!("hex:0".parse::<Placeholder>(), Err(PlaceholderError));
        assert_eq!("hex:xy".parse::<Placeholder>(), Err(PlaceholderError));
    }
}
