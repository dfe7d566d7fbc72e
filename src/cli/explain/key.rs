//! The key of the row that is asked about, as people write it.

use std::str::FromStr;

use serde_json::value::RawValue;

use crate::{
    decode::Decoder,
    record::{Offset, RawRecord, RowKey},
};

/// A row's key from the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct KeyArgument {
    /// What was most likely meant.
    pub(in crate::cli) key: RowKey,
    /// What may have been meant instead: of `17`, the text.
    pub(in crate::cli) as_text: Option<RowKey>,
}

/// What is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum WrongKey {
    #[error("is empty")]
    Empty,
    #[error(
        "is no key: write one value, as 17 or B-204, or a JSON array of the key's columns, as [\"B-204\",3]"
    )]
    NoKey,
    #[error("{0}")]
    Refused(String),
}

impl FromStr for KeyArgument {
    type Err = WrongKey;

    /// An array has the values of the key's columns, in their order; an object is a record's key as
    /// Kafka has it. Else whole numbers are numbers, and all else is text.
    fn from_str(text: &str) -> Result<Self, WrongKey> {
        let text = text.trim();
        let only = |key| Self { key, as_text: None };
        match text.chars().next() {
            None => Err(WrongKey::Empty),
            Some('[') => of_array(text).map(only),
            Some('{') => of_record(text).map(only),
            Some('"') if text.len() > 1 && text.ends_with('"') => of_record(text).map(only),
            Some(_) if is_integer(text) => Ok(Self {
                key: of_record(text)?,
                as_text: Some(of_text(text)?),
            }),
            Some(_) => of_text(text).map(only),
        }
    }
}

/// Whether a whole number is written as databases write it: `007` and `+7` are text.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let leads = digits.starts_with('0') && text != "0";
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) && !leads
}

fn of_text(text: &str) -> Result<RowKey, WrongKey> {
    of_record(&serde_json::Value::from(text).to_string())
}

/// As a record's key, whose columns' names don't matter.
fn of_array(text: &str) -> Result<RowKey, WrongKey> {
    let values: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| WrongKey::NoKey)?;
    let columns: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(column, value)| format!("\"{column}\":{value}"))
        .collect();
    of_record(&format!("{{{}}}", columns.join(",")))
}

/// By the decoder, so that it is what the decoder makes of the same key in Kafka.
fn of_record(text: &str) -> Result<RowKey, WrongKey> {
    let record = RawRecord {
        topic: "".into(),
        partition: 0,
        offset: Offset(0),
        timestamp_ms: None,
        key: Some(text.as_bytes().into()),
        value: None,
        headers: Vec::new(),
    };
    Decoder::default()
        .key(&record)
        .map_err(|failure| match failure.reason {
            "undecodable_key" => WrongKey::NoKey,
            _ => WrongKey::Refused(failure.message),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<String, WrongKey> {
        text.parse::<KeyArgument>()
            .map(|argument| argument.key.to_string())
    }

    #[test]
    fn one_value_is_a_number_if_it_looks_like_one_and_else_text() {
        for (text, canonical) in [
            ("17", "[17]"),
            (" -5 ", "[-5]"),
            ("0", "[0]"),
            ("99999999999999999999", "[99999999999999999999]"),
            ("B-204", "[\"B-204\"]"),
            ("007", "[\"007\"]"),
            ("-0", "[\"-0\"]"),
            ("19.90", "[\"19.90\"]"),
            ("-", "[\"-\"]"),
            ("\"17\"", "[\"17\"]"),
            ("he said \"no\"", "[\"he said \\\"no\\\"\"]"),
            ("\"", "[\"\\\"\"]"),
            ("ü", "[\"ü\"]"),
            (
                "3bd4be93-5ada-54cb-a758-9df189d4b1b7",
                "[\"3bd4be93-5ada-54cb-a758-9df189d4b1b7\"]",
            ),
        ] {
            assert_eq!(key(text).as_deref(), Ok(canonical), "{text}");
        }
    }

    #[test]
    fn a_number_may_have_been_meant_as_text() {
        let as_text = |text: &str| text.parse::<KeyArgument>().ok().and_then(|it| it.as_text);
        assert_eq!(
            as_text("17").map(|it| it.to_string()).as_deref(),
            Some("[\"17\"]")
        );
        assert_eq!(as_text("[17]"), None);
        assert_eq!(as_text("B-204"), None);
    }

    #[test]
    fn several_columns_are_an_array_or_the_record_s_own_key() {
        for text in [
            "[\"B-204\", 3]",
            "[ \"\\u0042-204\",3]",
            "{\"sku\":\"B-204\",\"shop\":3}",
            "{\"schema\":{},\"payload\":{\"sku\":\"B-204\",\"shop\":3}}",
        ] {
            assert_eq!(key(text).as_deref(), Ok("[\"B-204\",3]"), "{text}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for (text, wrong) in [
            ("", WrongKey::Empty),
            ("  ", WrongKey::Empty),
            ("[17", WrongKey::NoKey),
            ("[17]]", WrongKey::NoKey),
            ("{17}", WrongKey::NoKey),
            ("\"a\\q\"", WrongKey::NoKey),
        ] {
            assert_eq!(key(text), Err(wrong), "{text}");
        }
        for text in ["[]", "[null]", "{}"] {
            assert!(matches!(key(text), Err(WrongKey::Refused(_))), "{text}");
        }
    }
}
