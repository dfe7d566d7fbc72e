//! How long texts are, and what becomes of those that are too long for the model.

use std::sync::Arc;

use crate::{config::OverLong, error::Failure, tokens::Tokenizer};

/// Measures texts for one model.
#[derive(Debug)]
pub(super) struct Inputs {
    tokenizer: Tokenizer,
    /// The longest that the model takes, in tokens.
    longest: Option<u64>,
    over_long: OverLong,
}

/// What of a text is sent.
#[derive(Debug, PartialEq)]
pub(super) enum Fitted {
    Whole(Arc<str>),
    /// Its beginning.
    Cut(Arc<str>),
}

impl Inputs {
    pub(super) fn new(tokenizer: Tokenizer, longest: Option<u64>, over_long: OverLong) -> Self {
        Self {
            tokenizer,
            longest,
            over_long,
        }
    }

    /// Makes a text fit, or says why it can't be embedded.
    pub(super) fn fit(&self, text: Arc<str>) -> Result<Fitted, Failure> {
        let Some(longest) = self.longest else {
            return Ok(Fitted::Whole(text));
        };
        // No token is less than a byte: most texts need not be counted to know.
        if self.tokenizer.is_exact() && text.len() as u64 <= longest {
            return Ok(Fitted::Whole(text));
        }
        let tokens = self.tokenizer.count(&text);
        if tokens <= longest {
            return Ok(Fitted::Whole(text));
        }
        match self.over_long {
            OverLong::Truncate => Ok(Fitted::Cut(self.tokenizer.truncate(&text, longest).into())),
            OverLong::DeadLetter => Err(Failure::record(
                "over_long",
                format!(
                    "the text is {tokens} tokens, and embed.max_input_tokens is {longest}: shorten it by the template, or set embed.over_long = \"truncate\""
                ),
            )),
        }
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

    fn inputs(model: &str, longest: u64, over_long: OverLong) -> Inputs {
        Inputs::new(Tokenizer::for_model(model), Some(longest), over_long)
    }

    const EXACT: &str = "text-embedding-3-small";

    #[test]
    fn a_text_that_fits_goes_whole() {
        let text: Arc<str> = "hello world".into();
        for over_long in [OverLong::Truncate, OverLong::DeadLetter] {
            for model in [EXACT, "bge-m3"] {
                let inputs = inputs(model, 4, over_long);
                assert_eq!(inputs.fit(text.clone()), Ok(Fitted::Whole(text.clone())));
            }
        }
        let unknown = Inputs::new(Tokenizer::for_model(EXACT), None, OverLong::DeadLetter);
        let long: Arc<str> = "word ".repeat(10_000).into();
        assert_eq!(unknown.fit(long.clone()), Ok(Fitted::Whole(long)));
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_at_a_token() {
        let inputs = inputs(EXACT, 2, OverLong::Truncate);
        let text = "hello world, antidisestablishmentarianism".into();
        assert_eq!(inputs.fit(text), Ok(Fitted::Cut("hello world".into())));
    }

    #[test]
    fn or_it_is_refused_and_says_what_to_do() {
        let inputs = inputs(EXACT, 2, OverLong::DeadLetter);
        let text = "antidisestablishmentarianism".into();
        assert_eq!(
            inputs.fit(text),
            Err(Failure::record(
                "over_long",
                "the text is 6 tokens, and embed.max_input_tokens is 2: shorten it by the template, or set embed.over_long = \"truncate\""
            ))
        );
    }

    #[test]
    fn an_estimate_that_learns_cuts_sooner() {
        let mut inputs = inputs("bge-m3", 100, OverLong::Truncate);
        let text: Arc<str> = "a b c d ".repeat(40).into();
        assert_eq!(inputs.fit(text.clone()), Ok(Fitted::Whole(text.clone())));
        for _ in 0..200 {
            inputs.learn(std::slice::from_ref(&text), 160);
        }
        assert!(matches!(inputs.fit(text), Ok(Fitted::Cut(_))));
    }
}
