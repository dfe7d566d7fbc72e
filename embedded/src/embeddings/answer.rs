//! The body of an answer, written straight into bytes.
//!
//! A vector of hashed words is mostly zeros: they are copied in runs, not formatted one by one, which keeps a build without
//! optimisation usable in benchmarks.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::behaviour::Garbage;
use super::vectors::{Component, Embedder};

/// How vectors are written: OpenAI's `encoding_format`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Encoding {
    /// A JSON list of numbers.
    #[default]
    Float,
    /// A base64 string of little-endian 32-bit floats.
    Base64,
}

/// An answer to write: these texts, as vectors of this size.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    pub(super) model: &'a str,
    pub(super) texts: &'a [String],
    pub(super) tokens: u64,
    pub(super) dimensions: usize,
    pub(super) encoding: Encoding,
    pub(super) garbage: Option<Garbage>,
}

/// What `Garbage::NotJson` answers.
const SIGN_IN_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign in to continue.</body></html>\n";

impl Answer<'_> {
    /// The content type, and the JSON or what the garbage makes of it.
    pub(super) fn write(&self) -> (&'static str, Vec<u8>) {
        let garbage = self.garbage;
        if garbage == Some(Garbage::NotJson) {
            return ("text/html; charset=utf-8", SIGN_IN_PAGE.into());
        }
        let dimensions = if garbage == Some(Garbage::WrongLength) {
            self.dimensions.saturating_sub(1)
        } else {
            self.dimensions
        };
        let count = if garbage == Some(Garbage::WrongCount) {
            self.texts.len().saturating_sub(1)
        } else {
            self.texts.len()
        };
        let mut order: Vec<usize> = (0..count).collect();
        if garbage == Some(Garbage::WrongOrder) {
            order.reverse();
        }

        let mut embedder = Embedder::new(dimensions);
        let mut writer = VectorWriter::new(dimensions, self.encoding, garbage);
        let mut body = Vec::with_capacity(256 + count * (64 + writer.typical_length()));
        body.extend_from_slice(br#"{"object":"list","data":["#);
        for (written, index) in order.into_iter().enumerate() {
            if written > 0 {
                body.push(b',');
            }
            body.extend_from_slice(br#"{"object":"embedding","index":"#);
            body.extend_from_slice(index.to_string().as_bytes());
            body.extend_from_slice(br#","embedding":"#);
            let text = self.texts.get(index).map_or("", String::as_str);
            writer.write(embedder.embed(text), &mut body);
            body.push(b'}');
        }
        let tokens = self.tokens;
        let rest = format!(
            r#"],"model":{},"usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}}}"#,
            serde_json::Value::from(self.model)
        );
        body.extend_from_slice(rest.as_bytes());
        if garbage == Some(Garbage::Truncated) {
            body.truncate(body.len() / 2);
        }
        ("application/json", body)
    }
}

/// Writes vectors of one size in one encoding.
struct VectorWriter {
    encoding: Encoding,
    garbage: Option<Garbage>,
    dimensions: usize,
    /// The floats' bytes; zero between vectors.
    bytes: Vec<u8>,
    /// `0.0,` or, where that is asked for, `null,` for every component.
    zeros: Vec<u8>,
}

impl VectorWriter {
    fn new(dimensions: usize, encoding: Encoding, garbage: Option<Garbage>) -> Self {
        let (bytes, zeros) = match encoding {
            Encoding::Float if garbage == Some(Garbage::Null) => {
                (Vec::new(), b"null,".repeat(dimensions))
            }
            Encoding::Float => (Vec::new(), b"0.0,".repeat(dimensions)),
            Encoding::Base64 => (vec![0; dimensions * size_of::<f32>()], Vec::new()),
        };
        Self {
            encoding,
            garbage,
            dimensions,
            bytes,
            zeros,
        }
    }

    fn typical_length(&self) -> usize {
        (self.bytes.len() / 3 * 4).max(self.zeros.len() + self.zeros.len() / 2)
    }

    fn write(&mut self, components: &[Component], body: &mut Vec<u8>) {
        match (self.encoding, self.garbage) {
            (Encoding::Base64, Some(Garbage::Null)) => body.extend_from_slice(b"null"),
            (Encoding::Base64, _) => self.write_base64(components, body),
            (Encoding::Float, Some(Garbage::Null)) => self.write_floats(&[], body),
            (Encoding::Float, _) => self.write_floats(components, body),
        }
    }

    fn write_floats(&self, components: &[Component], body: &mut Vec<u8>) {
        body.push(b'[');
        let mut next = 0;
        if self.garbage == Some(Garbage::Nan) && self.dimensions > 0 {
            body.extend_from_slice(b"NaN,");
            next = 1;
        }
        let width = self.zeros.len() / self.dimensions.max(1);
        let zeros_up_to = |position: usize, next: usize, body: &mut Vec<u8>| {
            let run = self
                .zeros
                .get(..(position - next) * width)
                .unwrap_or_default();
            body.extend_from_slice(run);
        };
        for &(position, value) in components {
            if position < next {
                continue;
            }
            zeros_up_to(position, next, body);
            // The Display of an f32 is its shortest decimal form, never in exponents, and a Vec takes every write.
            let _ = write!(body, "{value},");
            next = position + 1;
        }
        zeros_up_to(self.dimensions, next, body);
        if body.last() == Some(&b',') {
            body.pop();
        }
        body.push(b']');
    }

    fn write_base64(&mut self, components: &[Component], body: &mut Vec<u8>) {
        for &(position, value) in components {
            self.put(position, value);
        }
        if self.garbage == Some(Garbage::Nan) {
            self.put(0, f32::NAN);
        }
        body.push(b'"');
        let start = body.len();
        // Written by the library's own inner loop into one slice: its String variants run in pieces.
        let length = self.bytes.len().div_ceil(3) * 4;
        body.resize(start + length, b'=');
        if let Some(space) = body.get_mut(start..) {
            let written = STANDARD.encode_slice(&self.bytes, space);
            debug_assert_eq!(
                written,
                Ok(length),
                "base64 writes 4 bytes for every 3 begun"
            );
        }
        body.push(b'"');
        self.put(0, 0.0);
        for &(position, _) in components {
            self.put(position, 0.0);
        }
    }

    fn put(&mut self, position: usize, value: f32) {
        let at = position * size_of::<f32>();
        if let Some(bytes) = self.bytes.get_mut(at..at + size_of::<f32>()) {
            bytes.copy_from_slice(&value.to_le_bytes());
        }
    }
}
