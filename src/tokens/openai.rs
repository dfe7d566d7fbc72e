//! The tokenizer of OpenAI's embedding models.

use tiktoken_rs::{CoreBPE, cl100k_base_singleton};

/// Bytes that are tokenized at a time. The crate's regular expression gives up, by a panic, where
/// it has to go back a million times, as within a megabyte of spaces.
const SLICE: usize = 64 * 1024;

/// Whether `model` counts with `cl100k_base`: `text-embedding-3-*` and `text-embedding-ada-002`,
/// by <https://github.com/openai/tiktoken/blob/main/tiktoken/model.py>.
pub(super) fn knows(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    name.starts_with("text-embedding-3-") || name.starts_with("text-embedding-ada-002")
}

/// Loaded at the first use and shared: 100,000 tokens in a map take some megabytes.
fn encoding() -> &'static CoreBPE {
    cl100k_base_singleton()
}

pub(super) fn load() {
    encoding();
}

pub(super) fn count(text: &str) -> u64 {
    let encoding = encoding();
    slices(text)
        .map(|slice| encoding.count_ordinary(slice) as u64)
        .sum()
}

pub(super) fn truncate(text: &str, max_tokens: u64) -> &str {
    let encoding = encoding();
    let mut left = usize::try_from(max_tokens).unwrap_or(usize::MAX);
    let mut whole = 0;
    for slice in slices(text) {
        let tokens = encoding.encode_ordinary(slice);
        if tokens.len() <= left {
            left -= tokens.len();
            whole += slice.len();
            continue;
        }
        let kept = tokens.get(..left).unwrap_or_default();
        let length = encoding.decode_bytes(kept).map_or(0, |bytes| bytes.len());
        return fitting(text, whole + length, max_tokens);
    }
    text
}

/// The beginning of `text` up to `end` or a little less. A cut within a character goes back to its
/// start; and what is left of a word or of a row of spaces may fall into other tokens than before,
/// rarely into more.
fn fitting(text: &str, mut end: usize, max_tokens: u64) -> &str {
    loop {
        end = text.floor_char_boundary(end);
        let beginning = text.get(..end).unwrap_or_default();
        if end == 0 || count(beginning) <= max_tokens {
            return beginning;
        }
        end -= 1;
    }
}

/// The text in pieces of at most [`SLICE`] bytes, cut in front of a space where there is one: most
/// tokens begin there.
fn slices(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        let mut end = text.floor_char_boundary(SLICE);
        if end < text.len()
            && let Some(space) = text.get(..end).and_then(|slice| slice.rfind(' '))
            && space > 0
        {
            end = space;
        }
        let (slice, rest) = text.split_at(end);
        text = rest;
        Some(slice)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counts_are_those_of_openais_own_tokenizer() {
        // From the tests of OpenAI's tiktoken and from its cookbook.
        assert_eq!(count("hello world"), 2);
        assert_eq!(count("tiktoken is great!"), 6);
        assert_eq!(count("antidisestablishmentarianism"), 6);
        assert_eq!(count("2 + 2 = 4"), 7);
        assert_eq!(count("お誕生日おめでとう"), 9);
        assert_eq!(count(""), 0);
    }

    #[test]
    fn only_openais_embedding_models_are_counted_so() {
        for model in [
            "text-embedding-3-small",
            "text-embedding-3-large",
            "text-embedding-ada-002",
            "openai/text-embedding-3-small",
        ] {
            assert!(knows(model), "{model}");
        }
        for model in ["text-embedding-004", "bge-m3", "embed-v4.0", ""] {
            assert!(!knows(model), "{model}");
        }
    }

    #[test]
    fn what_looks_like_a_special_token_is_text() {
        assert!(count("<|endoftext|>") > 1);
        assert_eq!(truncate("<|endoftext|>", 100), "<|endoftext|>");
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        // Each of these is several tokens, none of them a character.
        let text = "🏺🏺🏺";
        let tokens = count(text);
        for max in 0..=tokens {
            let cut = truncate(text, max);
            assert!(text.starts_with(cut) && count(cut) <= max, "{max}: {cut}");
        }
        assert_eq!(truncate(text, tokens), text);
    }

    #[test]
    fn a_megabyte_of_anything_is_counted() {
        for unit in [" ", "a", "\n", "\t ", "🏺", "- "] {
            let text = unit.repeat(1_200_000 / unit.len());
            assert!(count(&text) > 0);
            let cut = truncate(&text, 100);
            assert!(!cut.is_empty() && count(cut) <= 100);
        }
    }

    #[test]
    fn a_long_text_counts_what_its_words_count() {
        let sentence = "A kettle of enamelled steel, in red. ";
        let times = 10_000;
        let text = sentence.repeat(times);
        let one = count(&sentence.repeat(2)) - count(sentence);
        let expected = one * times as u64;
        assert!(count(&text).abs_diff(expected) < 20, "{expected}");
    }

    proptest! {
        #[test]
        fn a_cut_is_the_beginning_and_fits(text in "(\\PC|\\s){0,80}", max in 0_u64..60) {
            let cut = truncate(&text, max);
            prop_assert!(text.starts_with(cut));
            prop_assert!(count(cut) <= max);
            if count(&text) <= max {
                prop_assert_eq!(cut, text.as_str());
            }
        }

        #[test]
        fn slices_are_the_text(text in "[a-zé ]{0,200}", times in 1_usize..2000) {
            let long = text.repeat(times);
            prop_assert!(slices(&long).all(|slice| slice.len() <= SLICE));
            prop_assert_eq!(slices(&long).collect::<String>(), long);
        }
    }
}
