//! A tokenizer that only counts.

/// The tokens of a text, for limits and `usage`: one for every four characters begun, at least one. OpenAI's rule of thumb
/// for English; unlike a real vocabulary it can be worked out in one's head.
pub fn count_tokens(text: &str) -> usize {
    text.chars().count().div_ceil(4).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_characters_are_a_token() {
        assert_eq!(count_tokens(""), 1);
        assert_eq!(count_tokens("tent"), 1);
        assert_eq!(count_tokens("tents"), 2);
        assert_eq!(count_tokens("été!"), 1);
    }
}
