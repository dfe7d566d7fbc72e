//! Texts in pieces, each short enough for a model.
//!
//! A piece ends behind a sentence where one ends in its last quarter, else behind a line, else between
//! words, else behind a token. So pieces are nearly as long as they may be, for each is an input of its
//! own, and say whole things, for each gets a vector of its own.

use super::Tokenizer;

/// How texts are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chunking {
    /// The longest chunk, in tokens.
    pub longest: u32,
    /// About how many tokens of a chunk's end begin the next one, too; less than half of the longest.
    pub overlap: u32,
    /// The most chunks of a text.
    pub most: u32,
}

/// A text in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunks<'a> {
    /// In their order; at least one. Nothing but white space is between them.
    pub pieces: Vec<&'a str>,
    /// Whether there would have been more: what is behind the last is left out.
    pub is_cut: bool,
}

/// No piece has more bytes for each of its tokens: without that, a whole text that is mostly white space,
/// which has tokens of a hundred bytes, would be counted again for each of its pieces.
const MOST_BYTES: usize = 16;

/// Of a piece, this part is looked through for a good end.
const LAST: usize = 4;

impl Tokenizer {
    /// Splits a text. One that fits is left as it is; what has to be split loses the white space around
    /// its pieces.
    pub fn split<'a>(&self, text: &'a str, chunking: &Chunking) -> Chunks<'a> {
        if self.fits(text, chunking.longest.into()) {
            return Chunks {
                pieces: vec![text],
                is_cut: false,
            };
        }
        let mut pieces = Vec::new();
        let mut rest = text.trim();
        // So many bytes of the rest are in the last piece already.
        let mut again = 0;
        while !rest.is_empty() && pieces.len() < chunking.most as usize {
            let piece = self.piece(rest, chunking.longest);
            if piece.trim_end().len() <= again {
                // All of it: a piece of little text after one of many bytes a token.
                rest = rest.get(again..).unwrap_or_default().trim_start();
                again = 0;
                continue;
            }
            let behind = rest.get(piece.len()..).unwrap_or_default().trim_start();
            let piece = piece.trim_end();
            pieces.push(piece);
            if behind.is_empty() {
                rest = behind;
                break;
            }
            let overlap = self.overlap(piece, chunking.overlap);
            again = overlap.len();
            rest = match overlap {
                "" => behind,
                _ => rest.get(piece.len() - again..).unwrap_or_default(),
            };
        }
        if pieces.is_empty() {
            // Of nothing but white space.
            pieces.push(self.truncate(text, chunking.longest.into()));
        }
        Chunks {
            pieces,
            is_cut: !rest.is_empty(),
        }
    }

    /// How many tokens of a text are embedded, if it is split: those of the overlaps twice.
    pub fn count_split(&self, text: &str, chunking: &Chunking) -> u64 {
        let pieces = self.split(text, chunking).pieces;
        pieces.into_iter().map(|piece| self.count(piece)).sum()
    }

    /// Whether a text is so many tokens at most. No token is less than a byte: most texts need not be
    /// counted to know.
    pub fn fits(&self, text: &str, max_tokens: u64) -> bool {
        (self.is_exact() && text.len() as u64 <= max_tokens) || self.count(text) <= max_tokens
    }

    /// The first piece of a text that does not begin with white space.
    fn piece<'a>(&self, text: &'a str, longest: u32) -> &'a str {
        let most_bytes = MOST_BYTES.saturating_mul(longest as usize);
        let within = text
            .get(..text.floor_char_boundary(most_bytes))
            .unwrap_or(text);
        let whole = self.truncate(within, longest.into());
        if whole.len() == text.len() {
            return text;
        }
        // A character may be more tokens than a piece may have: it is not split for that.
        let least = text.chars().next().map_or(0, char::len_utf8);
        let from = whole.floor_char_boundary(whole.len() - whole.len() / LAST);
        let end = good_end(text, from, whole.len()).unwrap_or(whole.len());
        let piece = text.get(..end.max(least)).unwrap_or(text);
        // What is left of a word may fall into other tokens than before, rarely into more.
        if self.fits(piece.trim_end(), longest.into()) || whole.len() < least {
            return piece;
        }
        whole
    }

    /// What of a piece's end begins the next one: whole words, never the whole piece.
    fn overlap<'a>(&self, piece: &'a str, tokens: u32) -> &'a str {
        if tokens == 0 {
            return "";
        }
        let first = self.count(piece).saturating_sub(tokens.into());
        let before = self.truncate(piece, first).len();
        let Some(after) = piece.get(before..).filter(|_| before > 0) else {
            return "";
        };
        // A word that begins before it is left out.
        let is_within = piece
            .get(..before)
            .is_some_and(|before| !before.ends_with(char::is_whitespace))
            && !after.starts_with(char::is_whitespace);
        let after = match after.find(char::is_whitespace) {
            Some(space) if is_within => after.get(space..).unwrap_or_default(),
            _ => after,
        };
        after.trim_start()
    }
}

/// The best end of a piece between two positions, at either of which a character begins.
fn good_end(text: &str, from: usize, to: usize) -> Option<usize> {
    let part = text.get(from..to)?;
    let next = text.get(to..).and_then(|rest| rest.chars().next());
    let mut best = None;
    let mut characters = part.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let end = from + at + character.len_utf8();
        let following = characters.peek().map(|(_, it)| *it).or(next);
        if let Some(kind) = End::behind(character, following) {
            // The last of the best kind.
            best = best.max(Some((kind, end)));
        }
    }
    best.map(|(_, end)| end)
}

/// What ends behind a character, from what is worst to split at to what is best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Word,
    Line,
    Sentence,
}

impl End {
    fn behind(character: char, following: Option<char>) -> Option<Self> {
        match character {
            // In scripts that write no space behind a sentence.
            '。' | '！' | '？' => Some(Self::Sentence),
            '.' | '!' | '?' | '…' | '।' if following.is_none_or(char::is_whitespace) => {
                Some(Self::Sentence)
            }
            '\n' => Some(Self::Line),
            space if space.is_whitespace() => Some(Self::Word),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn models() -> [Tokenizer; 2] {
        ["text-embedding-3-small", "bge-m3"].map(Tokenizer::for_model)
    }

    fn chunking(longest: u32, overlap: u32, most: u32) -> Chunking {
        Chunking {
            longest,
            overlap,
            most,
        }
    }

    fn split(text: &str, longest: u32) -> Vec<&str> {
        let [exact, _] = models();
        exact.split(text, &chunking(longest, 0, 100)).pieces
    }

    #[test]
    fn a_text_that_fits_is_left_as_it_is() {
        let text = " A kettle. \n";
        for model in models() {
            let chunks = model.split(text, &chunking(8, 0, 4));
            assert_eq!((chunks.pieces, chunks.is_cut), (vec![text], false));
        }
    }

    #[test]
    fn a_piece_ends_with_a_sentence_where_one_ends_near_its_end() {
        let text =
            "It is a kettle of enamelled steel, in red. It boils a litre. In it, water is hot.";
        assert_eq!(
            split(text, 18),
            [
                "It is a kettle of enamelled steel, in red. It boils a litre.",
                "In it, water is hot."
            ]
        );
    }

    #[test]
    fn else_with_a_line_else_with_a_word_else_with_a_token() {
        assert_eq!(
            split("one two three four five\nsix seven eight nine ten", 7),
            ["one two three four five", "six seven eight nine ten"]
        );
        assert_eq!(
            split("one two three four five six seven eight", 5),
            ["one two three four", "five six seven eight"]
        );
        let long = "x".repeat(200);
        let pieces = split(&long, 8);
        assert!(pieces.len() > 1);
        assert_eq!(pieces.concat(), long);
    }

    #[test]
    fn a_number_is_no_end_of_a_sentence() {
        let pieces = split("one two three four five 3.14159 six seven eight", 9);
        assert!(pieces.contains(&"one two three four five"), "{pieces:?}");
    }

    #[test]
    fn sentences_without_spaces_between_them_are_told() {
        let text = "红色水壶。容量一升。".repeat(8);
        let pieces = split(&text, 30);
        assert!(pieces.len() > 1);
        assert!(
            pieces.iter().all(|piece| piece.ends_with('。')),
            "{pieces:?}"
        );
    }

    #[test]
    fn what_is_behind_the_last_piece_is_left_out_and_said() {
        let text = "one two three four five six seven eight nine ten eleven twelve";
        for model in models() {
            let chunks = model.split(text, &chunking(4, 0, 2));
            assert_eq!((chunks.pieces.len(), chunks.is_cut), (2, true));
            let whole = model.split(text, &chunking(4, 0, 100));
            assert_eq!(chunks.pieces, whole.pieces.get(..2).unwrap_or_default());
            assert!(!whole.is_cut);
        }
    }

    #[test]
    fn an_overlap_begins_with_a_word_and_is_about_as_long_as_asked() {
        let text = "one two three four five six seven eight nine ten";
        let [exact, _] = models();
        let pieces = exact.split(text, &chunking(6, 2, 100)).pieces;
        assert_eq!(
            pieces,
            [
                "one two three four five",
                "four five six seven eight",
                "seven eight nine ten"
            ]
        );
        let twice = exact.count_split(text, &chunking(6, 2, 100));
        assert_eq!(twice, exact.count(text) + 4);
    }

    #[test]
    fn a_desert_of_white_space_costs_nothing() {
        let text = format!("red{}kettle", " ".repeat(5_000));
        assert_eq!(split(&text, 8), ["red", "kettle"]);
        let [exact, _] = models();
        let blank = " \n".repeat(500);
        let chunks = exact.split(&blank, &chunking(8, 0, 4));
        assert_eq!(chunks.pieces.len(), 1);
    }

    proptest! {
        #[test]
        fn pieces_cover_the_text_and_are_short_enough(
            text in "(\\PC|\\s|[a-z ]{1,8}){0,80}", longest in 8_u32..40, which in 0..2_usize,
        ) {
            let model = models().into_iter().nth(which).expect("one of two");
            let chunks = model.split(&text, &chunking(longest, 0, u32::MAX));
            prop_assert!(!chunks.is_cut);
            let mut rest = text.as_str();
            for piece in &chunks.pieces {
                let at = rest.find(piece).expect("in their order");
                prop_assert!(rest.get(..at).is_some_and(|gap| gap.trim().is_empty()));
                prop_assert!(model.count(piece) <= longest.into(), "{piece:?}");
                rest = rest.get(at + piece.len()..).unwrap_or_default();
            }
            prop_assert!(rest.trim().is_empty());
            let has_words = !text.trim().is_empty();
            prop_assert!(!has_words || chunks.pieces.iter().all(|piece| !piece.trim().is_empty()));
        }

        #[test]
        fn pieces_that_overlap_go_on_to_the_end(
            text in "([a-z]{1,9}[ .\n]{1,3}|\\PC){0,80}", longest in 8_u32..40, share in 0.0..0.5_f64,
            which in 0..2_usize,
        ) {
            let model = models().into_iter().nth(which).expect("one of two");
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 20")]
            let overlap = (f64::from(longest) * share) as u32;
            let chunks = model.split(&text, &chunking(longest, overlap, u32::MAX));
            prop_assert!(chunks.pieces.len() <= text.len().max(1));
            let mut covered = 0;
            for piece in &chunks.pieces {
                prop_assert!(model.count(piece) <= longest.into());
                let start = piece.as_ptr() as usize - text.as_ptr() as usize;
                let gap = text.get(covered..start.max(covered)).unwrap_or_default();
                prop_assert!(gap.trim().is_empty());
                prop_assert!(start + piece.len() > covered || text.trim().is_empty());
                covered = start + piece.len();
            }
            prop_assert!(text.get(covered..).is_some_and(|rest| rest.trim().is_empty()));
        }
    }
}
