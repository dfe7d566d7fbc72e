//! Reading an answer, and believing none of it before it is checked.
//!
//! ```json
//! {"data": [{"index": 0, "embedding": "AACAPwAAAEA="}], "usage": {"prompt_tokens": 5}}
//! ```
//!
//! An `embedding` is base64 of little-endian 32-bit floats, or an array of numbers; a provider
//! that doesn't know `encoding_format` sends the latter whatever it is asked for, so both are
//! always taken. Either way the body is read once, straight into the vector that goes to the index.

use std::fmt;

use base64_simd::STANDARD_NO_PAD;
use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Unexpected, Visitor},
};

use crate::record::Vector;

/// What a request bought.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    /// One vector an input, in the order of the inputs; each finite and of the right length.
    pub(super) vectors: Vec<Vector>,
    /// The tokens that the provider says it charged, if it does.
    pub(super) charged: Option<u64>,
}

/// Why an answer can't be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// Not what the protocol promises; another try may be answered better.
    #[error("the answer is malformed: {0}")]
    Malformed(String),
    /// Another model, or another idea of it: trying again won't help.
    #[error("the answer has vectors of length {found}")]
    WrongLength {
        /// The length of the first vector that doesn't fit.
        found: usize,
    },
}

/// Reads the answer to a request of `inputs` texts, which should be vectors of `dimensions` numbers.
pub(super) fn parse(body: &[u8], inputs: usize, dimensions: usize) -> Result<Answer, BadAnswer> {
    let body: Body =
        serde_json::from_slice(body).map_err(|error| BadAnswer::Malformed(error.to_string()))?;
    let vectors = in_order(body.data, inputs)?;
    for vector in &vectors {
        if vector.dimensions() != dimensions {
            return Err(BadAnswer::WrongLength {
                found: vector.dimensions(),
            });
        }
        if !vector.is_finite() {
            return Err(BadAnswer::Malformed(
                "a vector holds numbers that are not finite".into(),
            ));
        }
    }
    let usage = body.usage.unwrap_or_default();
    Ok(Answer {
        vectors,
        charged: usage.prompt_tokens.or(usage.total_tokens),
    })
}

/// The vectors in the order of the inputs. Where no item has an index their order is the inputs';
/// where some have, an absent one is 0, which protobuf's JSON leaves out.
fn in_order(items: Vec<Item>, inputs: usize) -> Result<Vec<Vector>, BadAnswer> {
    if items.len() != inputs {
        return Err(BadAnswer::Malformed(format!(
            "{} vectors for {inputs} inputs",
            items.len()
        )));
    }
    let numbered = items.iter().any(|item| item.index.is_some());
    let mut vectors = vec![None; inputs];
    for (position, item) in items.into_iter().enumerate() {
        let index = match item.index {
            Some(index) => index,
            None if numbered => 0,
            None => position,
        };
        match vectors.get_mut(index) {
            Some(slot @ None) => *slot = Some(item.embedding.0),
            Some(Some(_)) => {
                return Err(BadAnswer::Malformed(format!("index {index} comes twice")));
            }
            None => {
                return Err(BadAnswer::Malformed(format!(
                    "index {index} in an answer to {inputs} inputs"
                )));
            }
        }
    }
    // As many items as inputs, and none twice: none is missing.
    Ok(vectors.into_iter().flatten().collect())
}

#[derive(Deserialize)]
struct Body {
    data: Vec<Item>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Item {
    index: Option<usize>,
    embedding: Embedding,
}

#[derive(Default, Deserialize)]
struct Usage {
    prompt_tokens: Option<u64>,
    total_tokens: Option<u64>,
}

struct Embedding(Vector);

impl<'de> Deserialize<'de> for Embedding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As bytes, so that a string, which is to be base64, isn't looked through for UTF-8 first.
        // JSON knows no bytes and takes arrays for them, too.
        deserializer.deserialize_bytes(EmbeddingVisitor).map(Self)
    }
}

struct EmbeddingVisitor;

impl<'de> Visitor<'de> for EmbeddingVisitor {
    type Value = Vector;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64 of 32-bit floats, or an array of numbers")
    }

    fn visit_bytes<E: Error>(self, text: &[u8]) -> Result<Self::Value, E> {
        // Without the text itself: it is thousands of characters long.
        vector(text).ok_or_else(|| E::invalid_value(Unexpected::Other("other text"), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Self::Value, A::Error> {
        let mut bytes = Vec::with_capacity(1024);
        while let Some(number) = numbers.next_element::<f32>()? {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        Vector::from_le_bytes(bytes).ok_or_else(|| A::Error::custom("floats are whole"))
    }
}

/// The vector that standard base64 encodes, padded or not: some encoders leave the padding out.
fn vector(mut text: &[u8]) -> Option<Vector> {
    if text.len().is_multiple_of(4) {
        text = text
            .strip_suffix(b"==")
            .or_else(|| text.strip_suffix(b"="))
            .unwrap_or(text);
    }
    Vector::from_le_bytes(STANDARD_NO_PAD.decode_to_vec(text).ok()?)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test fails by panicking"
    )]

    use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, Engine as _};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn encode(vector: &[f32]) -> String {
        let bytes: Vec<u8> = vector
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        BASE64_STANDARD.encode(bytes)
    }

    fn vectors<const N: usize>(vectors: [[f32; 2]; N]) -> Vec<Vector> {
        vectors.map(Vector::from_iter).to_vec()
    }

    fn read(
        body: &serde_json::Value,
        inputs: usize,
        dimensions: usize,
    ) -> Result<Answer, BadAnswer> {
        parse(body.to_string().as_bytes(), inputs, dimensions)
    }

    fn malformed(body: &serde_json::Value, inputs: usize) -> String {
        match read(body, inputs, 2) {
            Err(BadAnswer::Malformed(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn base64_and_numbers_are_both_read_even_in_one_answer() {
        let body = json!({
            "object": "list", "model": "m",
            "data": [
                {"object": "embedding", "index": 0, "embedding": encode(&[1.0, -2.5])},
                {"object": "embedding", "index": 1, "embedding": [3, 0.125]},
            ],
            "usage": {"prompt_tokens": 9, "total_tokens": 9},
        });
        assert_eq!(
            read(&body, 2, 2),
            Ok(Answer {
                vectors: vectors([[1.0, -2.5], [3.0, 0.125]]),
                charged: Some(9)
            })
        );
    }

    proptest! {
        #[test]
        fn any_vector_survives_base64(
            vector in prop::collection::vec(any::<f32>().prop_filter("finite", |n| n.is_finite()), 1..3100),
            padded: bool,
        ) {
            let mut text = encode(&vector);
            if !padded {
                text = text.trim_end_matches('=').to_owned();
            }
            let body = json!({"data": [{"index": 0, "embedding": text}]});
            let answer = read(&body, 1, vector.len()).unwrap();
            prop_assert_eq!(answer.vectors, vec![vector.into_iter().collect::<Vector>()]);
        }

        #[test]
        fn no_body_panics(body: Vec<u8>, inputs in 0_usize..4) {
            let _ = parse(&body, inputs, 2);
        }

        #[test]
        fn a_truncated_answer_is_malformed(cut in 0.0..1.0_f64) {
            let body = json!({"data": [{"index": 0, "embedding": encode(&[1.0, 2.0])}]}).to_string();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the body")]
            let end = (body.len() as f64 * cut) as usize;
            let is_malformed = matches!(
                parse(body.get(..end).unwrap().as_bytes(), 1, 2),
                Err(BadAnswer::Malformed(_))
            );
            prop_assert!(is_malformed);
        }
    }

    #[test]
    fn slashes_may_be_escaped() {
        let text = encode(&[f32::from_le_bytes([0xff, 0xff, 0xfe, 0x3f]), 1.0]);
        assert!(text.contains('/'));
        let body = format!(
            r#"{{"data":[{{"embedding":"{}"}}]}}"#,
            text.replace('/', "\\/")
        );
        assert_eq!(parse(body.as_bytes(), 1, 2).unwrap().vectors.len(), 1);
    }

    #[test]
    fn the_index_gives_the_order() {
        let body = json!({"data": [
            {"index": 1, "embedding": [2, 2]},
            {"index": 0, "embedding": [1, 1]},
        ]});
        let expected = vectors([[1.0, 1.0], [2.0, 2.0]]);
        assert_eq!(read(&body, 2, 2).unwrap().vectors, expected);
    }

    #[test]
    fn without_an_index_the_order_is_the_inputs() {
        let body = json!({"data": [{"embedding": [1, 1]}, {"embedding": [2, 2]}]});
        let expected = vectors([[1.0, 1.0], [2.0, 2.0]]);
        assert_eq!(read(&body, 2, 2).unwrap().vectors, expected);
        let zero_left_out =
            json!({"data": [{"index": 1, "embedding": [2, 2]}, {"embedding": [1, 1]}]});
        assert_eq!(read(&zero_left_out, 2, 2).unwrap().vectors, expected);
    }

    #[test]
    fn a_vector_too_few_or_twice_or_for_nobody_is_malformed() {
        let item = |index: usize| json!({"index": index, "embedding": [1, 1]});
        assert_eq!(
            malformed(&json!({"data": [item(0)]}), 2),
            "1 vectors for 2 inputs"
        );
        assert_eq!(
            malformed(&json!({"data": [item(0), item(0)]}), 2),
            "index 0 comes twice"
        );
        assert_eq!(
            malformed(&json!({"data": [item(0), item(7)]}), 2),
            "index 7 in an answer to 2 inputs"
        );
    }

    #[test]
    fn numbers_that_are_none_are_malformed() {
        for embedding in [
            json!(null),
            json!([1, null]),
            json!([1, "2"]),
            json!([1, 1e300]),
            json!(encode(&[1.0, f32::NAN])),
            json!(encode(&[1.0, f32::INFINITY])),
            json!("not base64!"),
            json!(BASE64_STANDARD_NO_PAD.encode([1, 2, 3])),
            json!({"a": 1}),
        ] {
            let body = json!({"data": [{"index": 0, "embedding": embedding}]});
            assert!(!malformed(&body, 1).is_empty());
        }
        let not_even_json = br#"{"data":[{"index":0,"embedding":[1,NaN]}]}"#;
        assert!(matches!(
            parse(not_even_json, 1, 2),
            Err(BadAnswer::Malformed(_))
        ));
    }

    #[test]
    fn a_vector_of_another_length_is_told_apart_from_garbage() {
        let body = json!({"data": [{"index": 0, "embedding": [1, 2, 3]}]});
        assert_eq!(read(&body, 1, 2), Err(BadAnswer::WrongLength { found: 3 }));
    }
}
