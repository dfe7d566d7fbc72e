//! How many tokens a text is, for a model: what providers limit, cap and charge by.
//!
//! ```
//! use vectide::tokens::Tokenizer;
//!
//! let tokenizer = Tokenizer::for_model("text-embedding-3-small");
//! assert_eq!(tokenizer.count("tiktoken is great!"), 6);
//! assert_eq!(tokenizer.truncate("hello world", 1), "hello");
//! assert!(tokenizer.is_exact());
//!
//! // Of other models the count is an estimate, which answers correct.
//! let mut tokenizer = Tokenizer::for_model("bge-m3");
//! tokenizer.learn(["A red kettle"], 5);
//! ```
//!
//! OpenAI's embedding models count with a tokenizer that is public. Others have one each, and
//! fetching those would take longer than what it is good for: their tokens are estimated from the
//! characters, by a ratio that is corrected by what the provider says it charged.

mod calibration;
mod chunks;
mod openai;

use self::calibration::Calibration;
pub use self::chunks::{Chunking, Chunks};

/// Counts tokens as a model does. A clone learns on its own.
#[derive(Debug, Clone)]
pub struct Tokenizer(Kind);

#[derive(Debug, Clone)]
enum Kind {
    OpenAi,
    Estimate(Calibration),
}

impl Tokenizer {
    /// The tokenizer of `model`, as the provider names it, with or without an owner in front
    /// (`openai/text-embedding-3-small`).
    pub fn for_model(model: &str) -> Self {
        Self(if openai::knows(model) {
            Kind::OpenAi
        } else {
            Kind::Estimate(Calibration::default())
        })
    }

    /// Whether counts are the model's own rather than estimates.
    pub fn is_exact(&self) -> bool {
        matches!(self.0, Kind::OpenAi)
    }

    /// Loads what the first count would have to load, for tenths of a second.
    pub fn load(&self) {
        if self.is_exact() {
            openai::load();
        }
    }

    /// How many tokens `text` is. What looks like a model's special token (`<|endoftext|>`) is
    /// text like any other.
    ///
    /// An exact count of a text over 64 KiB may be off by a token for each 64 KiB.
    pub fn count(&self, text: &str) -> u64 {
        match &self.0 {
            Kind::OpenAi => openai::count(text),
            Kind::Estimate(calibration) => calibration.count(text),
        }
    }

    /// As much of the beginning of `text` as [counts](Self::count) `max_tokens` at most, cut at the end
    /// of a token and never within a character.
    pub fn truncate<'a>(&self, text: &'a str, max_tokens: u64) -> &'a str {
        match &self.0 {
            Kind::OpenAi => openai::truncate(text, max_tokens),
            Kind::Estimate(calibration) => calibration.truncate(text, max_tokens),
        }
    }

    /// Corrects later estimates by what a provider `charged` for `texts`, in tokens. Zero counts
    /// for nothing said. An exact tokenizer has nothing to learn.
    pub fn learn<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>, charged: u64) {
        if let Kind::Estimate(calibration) = &mut self.0 {
            calibration.learn(texts, charged);
        }
    }
}
