//! The texts that are sent: made up, or from a file.

use std::{fs, path::Path, sync::Arc};

use anyhow::Context;

use crate::cli::{
    catalogue::{Catalogue, Product},
    failure::Misused,
};

/// Texts, and where they are from.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) list: Vec<Arc<str>>,
    pub(super) source: String,
    /// Something to know about them, in a line.
    pub(super) note: Option<String>,
}

impl Texts {
    /// Product texts such as the default template makes of a shop's rows: the same for the same seed.
    pub(super) fn generated(seed: u64, count: usize) -> Self {
        let products = Catalogue::generate(seed, count).products;
        Self {
            list: products.iter().map(text_of).collect(),
            source: format!("generated products, seed {seed}"),
            note: None,
        }
    }

    /// A text a line. In a file whose name ends in `.jsonl` or `.ndjson` a line is a JSON string, or an
    /// object with the text in its field `text`.
    pub(super) fn of_file(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let bytes = fs::read(path).with_context(|| format!("cannot read {name}"))?;
        let extension = path.extension().and_then(|it| it.to_str());
        let is_json = matches!(extension, Some("jsonl" | "ndjson"));
        Self::parse(name, &bytes, is_json)
    }

    fn parse(name: String, bytes: &[u8], is_json: bool) -> anyhow::Result<Self> {
        let wrong = |line: usize, what: &str| Misused(format!("{name}:{line}: {what}"));
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let mut texts = Vec::new();
        let mut empty = Vec::new();
        for (line, bytes) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            let text = str::from_utf8(bytes).map_err(|_| wrong(line, "this is not valid UTF-8"))?;
            let text = match text.trim() {
                "" => None,
                text if is_json => Some(read(text).map_err(|what| wrong(line, &what))?),
                text => Some(text.to_owned()),
            };
            match text.filter(|text| !text.trim().is_empty()) {
                Some(text) => texts.push(Arc::from(text)),
                None => empty.push(line),
            }
        }
        if texts.is_empty() {
            return Err(Misused(format!("{name} has no text")).into());
        }
        let note = empty.first().map(|first| match empty.len() {
            1 => format!("{name}:{first} is empty, and passed over"),
            lines => format!("{name}: {lines} empty lines are passed over, the first is {first}"),
        });
        Ok(Self {
            list: texts,
            source: name,
            note,
        })
    }
}

fn read(line: &str) -> Result<String, String> {
    let json = serde_json::from_str(line).map_err(|error| format!("this is no JSON: {error}"))?;
    let text = match json {
        serde_json::Value::Object(mut fields) => fields.remove("text"),
        other => Some(other),
    };
    match text {
        Some(serde_json::Value::String(text)) => Ok(text),
        _ => Err("this is neither a text, as \"Kettle\", nor {\"text\": \"Kettle\"}".to_owned()),
    }
}

fn text_of(product: &Product) -> Arc<str> {
    let Product {
        title,
        category,
        description,
        ..
    } = product;
    Arc::from(format!(
        "Product: {title}\nCategory: {category}\nDescription: {description}"
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn parse(bytes: &[u8], is_json: bool) -> Result<Texts, String> {
        Texts::parse("texts".into(), bytes, is_json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_line_is_a_text() {
        let texts = parse(b"A red kettle\r\n {\"text\": 1}\n", false).unwrap();
        assert_eq!(*texts.list, ["A red kettle".into(), "{\"text\": 1}".into()]);
        assert_eq!(texts.note, None);
    }

    #[test]
    fn a_json_line_is_a_string_or_has_one_named_text() {
        let texts = parse(
            br#""A \"red\" kettle"
{"id": 7, "text": "Two\nlines"}"#,
            true,
        )
        .unwrap();
        assert_eq!(
            *texts.list,
            ["A \"red\" kettle".into(), "Two\nlines".into()]
        );
    }

    #[test]
    fn empty_lines_are_passed_over_and_told_in_one_line() {
        let note = |bytes: &[u8], is_json| parse(bytes, is_json).unwrap().note;
        assert_eq!(
            note(b"a\n\nb", false).as_deref(),
            Some("texts:2 is empty, and passed over")
        );
        assert_eq!(
            note(b"\n\"a\"\n \n\" \"\n\"b\"\n", true).as_deref(),
            Some("texts: 3 empty lines are passed over, the first is 1")
        );
    }

    #[test]
    fn what_is_no_text_is_told_by_its_line() {
        let wrong = |bytes: &[u8], is_json| parse(bytes, is_json).unwrap_err();
        assert_eq!(
            wrong(b"a\n\xff\n", false),
            "texts:2: this is not valid UTF-8"
        );
        assert!(wrong(b"\"a\"\nkettle", true).starts_with("texts:2: this is no JSON: "));
        assert_eq!(
            wrong(b"{\"title\": \"a\"}", true),
            "texts:1: this is neither a text, as \"Kettle\", nor {\"text\": \"Kettle\"}"
        );
        assert_eq!(wrong(b"\n\n", false), "texts has no text");
    }

    #[test]
    fn generated_texts_are_different_and_the_same_for_the_same_seed() {
        let texts = Texts::generated(7, 100).list;
        assert_eq!(texts, Texts::generated(7, 100).list);
        let different: std::collections::HashSet<_> = texts.iter().collect();
        assert_eq!(different.len(), 100);
        assert!(
            texts.iter().all(|it| it.starts_with("Product: ")),
            "{texts:?}"
        );
    }
}
