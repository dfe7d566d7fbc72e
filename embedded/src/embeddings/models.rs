//! The models the endpoint answers for: every name, with the vector sizes of the known ones.

use super::error::ApiError;

/// Models listed by `GET /v1/models`, with their full sizes. All of them hash words; the names and sizes let a
/// configuration written for a provider run here as it is.
pub(super) const KNOWN: [(&str, usize); 4] = [
    ("hashed-words", 384),
    ("text-embedding-3-large", 3072),
    ("text-embedding-3-small", 1536),
    (ADA, 1536),
];

/// The one of OpenAI's that takes no `dimensions`.
const ADA: &str = "text-embedding-ada-002";

/// Of a model that is not known: the most usual size, and more than any model in use.
const UNKNOWN_SIZE: usize = 1536;
const UNKNOWN_LIMIT: usize = 8192;

/// A model by its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Model<'a> {
    pub(super) name: &'a str,
}

impl Model<'_> {
    /// Refuses a name that is not [known](KNOWN), as OpenAI does.
    pub(super) fn must_be_known(self) -> Result<(), ApiError> {
        if KNOWN.iter().any(|(name, _)| *name == self.name) {
            return Ok(());
        }
        Err(ApiError::unknown_model(self.name))
    }

    /// The size of the vectors, where a request asks for `dimensions`.
    pub(super) fn vector_size(self, dimensions: Option<usize>) -> Result<usize, ApiError> {
        let known = KNOWN
            .iter()
            .find(|(name, _)| *name == self.name)
            .map(|(_, size)| *size);
        let Some(dimensions) = dimensions else {
            return Ok(known.unwrap_or(UNKNOWN_SIZE));
        };
        if self.name == ADA {
            return Err(ApiError::invalid(
                "This model does not support specifying dimensions.",
            ));
        }
        let most = known.unwrap_or(UNKNOWN_LIMIT);
        if dimensions == 0 || dimensions > most {
            return Err(ApiError::invalid(format!(
                "Invalid value for 'dimensions' = {dimensions}. Must be greater than 0 and less than or equal to {most}."
            ))
            .param("dimensions"));
        }
        Ok(dimensions)
    }
}
