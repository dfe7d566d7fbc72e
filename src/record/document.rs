//! What the index should hold for one row.

use std::sync::Arc;

use super::{Payload, PayloadHash, RowKey, TextHash};
use crate::error::{Failure, quoted};

/// What the index should hold for one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The text to embed, as the template renders it. Of an [empty](Self::without_text) one there is no
    /// vector.
    pub text: Arc<str>,
    /// The text's hash.
    pub text_hash: TextHash,
    /// The payload's fields, sorted by name.
    pub payload: Payload,
    /// The hash of the payload's fields, the ignored ones left out.
    pub payload_hash: PayloadHash,
    /// The columns that the text was made of and the payload doesn't hold: kept in the point, so
    /// that a changed model or an unchanged TOAST column needs no look at the database.
    pub source_columns: Payload,
    /// The row's version column, hashed, if one is configured and the row has it.
    pub version: Option<u64>,
}

impl Document {
    /// Why the row can't be embedded, if the template makes no text of it. Its payload is owed to the
    /// point all the same: it may say that the product sold out.
    pub fn without_text(&self, key: &RowKey) -> Option<Failure> {
        self.text.is_empty().then(|| {
            let key = quoted(key);
            Failure::record(
                "empty_text",
                format!(
                    "the template makes no text of row {key}: all its columns are null or empty"
                ),
            )
        })
    }
}

#[cfg(test)]
impl Document {
    /// A document of nothing.
    pub(crate) fn empty() -> Self {
        Self {
            text: "".into(),
            text_hash: TextHash::of_text(""),
            payload: Payload::default(),
            payload_hash: PayloadHash::of(&[]),
            source_columns: Payload::default(),
            version: None,
        }
    }
}
