//! A request for embeddings, and what is wrong with it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

use super::answer::Encoding;
use super::behaviour::Behaviour;
use super::error::ApiError;
use super::models::Model;
use super::tokens::count_tokens;

/// The body of `POST /embeddings`.
#[derive(Debug, serde::Deserialize)]
pub(super) struct EmbeddingsRequest {
    /// Absent on Azure's path, which names a deployment.
    pub(super) model: Option<String>,
    pub(super) input: Texts,
    pub(super) dimensions: Option<usize>,
    #[serde(default)]
    pub(super) encoding_format: Encoding,
    #[serde(rename = "user")]
    _user: Option<String>,
}

impl EmbeddingsRequest {
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        serde_json::from_slice(body).map_err(|error| {
            ApiError::invalid(format!(
                "We could not parse the JSON body of your request, or it is not what the API expects: {error}."
            ))
        })
    }

    /// Refuses what the provider would; returns the size of the vectors and the tokens of the texts.
    pub(super) fn check(
        &self,
        model: Model<'_>,
        behaviour: &Behaviour,
    ) -> Result<(usize, u64), ApiError> {
        if behaviour.known_models_only {
            model.must_be_known()?;
        }
        let dimensions = model.vector_size(self.dimensions)?;
        let Texts(texts) = &self.input;
        if texts.is_empty() {
            return Err(ApiError::invalid(
                "Invalid 'input': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            )
            .param("input")
            .code("empty_array"));
        }
        if let Some(most) = behaviour.max_inputs.filter(|most| texts.len() > *most) {
            return Err(ApiError::invalid(format!(
                "Invalid 'input': array too long. Expected an array with maximum length {most}, but got an array with length {} instead.",
                texts.len()
            ))
            .param("input")
            .code("array_above_max_length"));
        }
        if texts.iter().any(String::is_empty) {
            return Err(
                ApiError::invalid("Invalid 'input': input cannot be an empty string.")
                    .param("input"),
            );
        }
        if let Some(refused) = &behaviour.refuse_containing
            && texts.iter().any(|text| text.contains(refused.as_str()))
        {
            return Err(
                ApiError::invalid("Invalid 'input': the provider refuses to embed this.")
                    .param("input"),
            );
        }
        let mut total = 0;
        for text in texts {
            let tokens = count_tokens(text);
            if let Some(most) = behaviour.max_tokens_per_input.filter(|most| tokens > *most) {
                return Err(ApiError::invalid(format!(
                    "This model's maximum context length is {most} tokens, however you requested {tokens} tokens ({tokens} in your \
                     prompt; 0 for the completion). Please reduce your prompt; or completion length."
                )));
            }
            total += tokens;
        }
        if let Some(most) = behaviour
            .max_tokens_per_request
            .filter(|most| total > *most)
        {
            return Err(ApiError::invalid(format!(
                "Requested {total} tokens, max {most} tokens per request"
            ))
            .code("max_tokens_per_request"));
        }
        Ok((dimensions, total as u64))
    }
}

/// One text or a list of them. Lists of token numbers, which OpenAI takes too, are refused.
#[derive(Debug)]
pub(super) struct Texts(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Texts;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or a list of strings")
            }

            fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}
