//! How long texts are, and what becomes of those that are too long for the model.

use std::sync::Arc;

use super::InputLimit;
use crate::{
    error::Failure,
    tokens::{Chunking, Chunks, Tokenizer},
};

/// Measures texts for one model.
#[derive(Debug)]
pub(super) struct Inputs {
    tokenizer: Tokenizer,
    limit: InputLimit,
}

/// What of a text is sent.
#[derive(Debug, PartialEq)]
pub(super) enum Fitted {
    Whole(Arc<str>),
    /// Its beginning.
    Cut(Arc<str>),
    /// All of it in chunks, one if it is short enough, which are vectors of one multivector; or as much as
    /// the most chunks take.
    Chunks {
        chunks: Vec<Arc<str>>,
        is_cut: bool,
    },
}

impl Inputs {
    pub(super) fn new(tokenizer: Tokenizer, limit: InputLimit) -> Self {
        Self { tokenizer, limit }
    }

    /// Makes a text fit, or says why it can't be embedded.
    pub(super) fn fit(&self, text: Arc<str>) -> Result<Fitted, Failure> {
        let longest = match self.limit {
            InputLimit::Unknown => return Ok(Fitted::Whole(text)),
            InputLimit::Chunk(chunking) => return Ok(self.split(text, &chunking)),
            InputLimit::Truncate(longest) | InputLimit::DeadLetter(longest) => longest,
        };
        if self.tokenizer.fits(&text, longest) {
            return Ok(Fitted::Whole(text));
        }
        if matches!(self.limit, InputLimit::Truncate(_)) {
            return Ok(Fitted::Cut(self.tokenizer.truncate(&text, longest).into()));
        }
        let tokens = self.tokenizer.count(&text);
        Err(Failure::record(
            "over_long",
            format!(
                "the text is {tokens} tokens, and embed.max_input_tokens is {longest}: shorten it by the template, or set embed.over_long = \"truncate\" or \"chunk\""
            ),
        ))
    }

    fn split(&self, text: Arc<str>, chunking: &Chunking) -> Fitted {
        let Chunks { pieces, is_cut } = self.tokenizer.split(&text, chunking);
        let chunks = match *pieces {
            [whole] if whole.len() == text.len() => vec![text],
            _ => pieces.into_iter().map(Arc::from).collect(),
        };
        Fitted::Chunks { chunks, is_cut }
    }

    /// How many tokens a text is, at least 1.
    pub(super) fn count(&self, text: &str) -> u64 {
        self.tokenizer.count(text).max(1)
    }

    /// How many tokens a text is, about: for whole queues.
    pub(super) fn guess(text: &str) -> u64 {
        text.len() as u64 / 4 + 1
    }

    /// The provider charged so much for these texts, in tokens.
    pub(super) fn learn(&mut self, texts: &[Arc<str>], charged: u64) {
        self.tokenizer
            .learn(texts.iter().map(|text| &**text), charged);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(model: &str, limit: InputLimit) -> Inputs {
        Inputs::new(Tokenizer::for_model(model), limit)
    }

    fn chunking(longest: u32, most: u32) -> InputLimit {
        InputLimit::Chunk(Chunking {
            longest,
            overlap: 0,
            most,
        })
    }

    const EXACT: &str = "text-embedding-3-small";

    #[test]
    fn a_text_that_fits_goes_whole() {
        let text: Arc<str> = "hello world".into();
        for model in [EXACT, "bge-m3"] {
            for limit in [InputLimit::Truncate(4), InputLimit::DeadLetter(4)] {
                let inputs = inputs(model, limit);
                assert_eq!(inputs.fit(text.clone()), Ok(Fitted::Whole(text.clone())));
            }
            let chunks = vec![text.clone()];
            let is_cut = false;
            assert_eq!(
                inputs(model, chunking(4, 1)).fit(text.clone()),
                Ok(Fitted::Chunks { chunks, is_cut })
            );
        }
        let unknown = inputs(EXACT, InputLimit::Unknown);
        let long: Arc<str> = "word ".repeat(10_000).into();
        assert_eq!(unknown.fit(long.clone()), Ok(Fitted::Whole(long)));
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_at_a_token() {
        let inputs = inputs(EXACT, InputLimit::Truncate(2));
        let text = "hello world, antidisestablishmentarianism".into();
        assert_eq!(inputs.fit(text), Ok(Fitted::Cut("hello world".into())));
    }

    #[test]
    fn or_it_is_split_as_far_as_the_most_chunks_go() {
        let fit = |most| inputs(EXACT, chunking(2, most)).fit("hello world, and more".into());
        let of = |chunks: &[&str], is_cut| {
            let chunks = chunks.iter().map(|chunk| Arc::from(*chunk)).collect();
            Ok(Fitted::Chunks { chunks, is_cut })
        };
        assert_eq!(fit(3), of(&["hello world", ", and", "more"], false));
        assert_eq!(fit(2), of(&["hello world", ", and"], true));
    }

    #[test]
    fn or_it_is_refused_and_says_what_to_do() {
        let inputs = inputs(EXACT, InputLimit::DeadLetter(2));
        let text = "antidisestablishmentarianism".into();
        assert_eq!(
            inputs.fit(text),
            Err(Failure::record(
                "over_long",
                "the text is 6 tokens, and embed.max_input_tokens is 2: shorten it by the template, or set embed.over_long = \"truncate\" or \"chunk\""
            ))
        );
    }

    #[test]
    fn an_estimate_that_learns_cuts_sooner() {
        let mut inputs = inputs("bge-m3", InputLimit::Truncate(100));
        let text: Arc<str> = "a b c d ".repeat(40).into();
        assert_eq!(inputs.fit(text.clone()), Ok(Fitted::Whole(text.clone())));
        for _ in 0..200 {
            inputs.learn(std::slice::from_ref(&text), 160);
        }
        assert!(matches!(inputs.fit(text), Ok(Fitted::Cut(_))));
    }
}
