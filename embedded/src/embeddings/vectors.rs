//! Text to vector: feature hashing of words and character n-grams.
//!
//! A word is a run of letters and digits, in lower case, without a plural `s`. It counts once under its own hash, and its
//! 3- and 4-byte pieces (with marks at both ends, as fastText does) count a little under theirs: so "waterproof" and
//! "water-resistant" share a part, and a misspelt word is not far from the right one. A feature adds its weight to one component, with a
//! sign that the hash gives too, so that collisions cancel rather than pile up (Weinberger et al., "Feature Hashing for
//! Large Scale Multitask Learning", 2009). Words repeated weigh as often as they occur; the vector has length one.
//!
//! The hash is fixed, so a text has the same vector in every process and on every machine. What a text costs depends on its
//! length, not on the dimensions: only the components that its features touch are visited.

/// One component of a vector: its position and its value. The rest are zero.
pub(super) type Component = (usize, f32);

const WORD: f32 = 1.0;
const PIECE: f32 = 0.3;
/// A word that tells little: it decides only between texts that are otherwise alike.
const STOP_WORD: f32 = 0.05;

/// Sorted, for a binary search. English function words, and the labels of a product sheet, which every text of a catalogue holds.
const STOP_WORDS: [&str; 62] = [
    "a",
    "about",
    "all",
    "also",
    "an",
    "and",
    "any",
    "are",
    "as",
    "at",
    "be",
    "but",
    "by",
    "can",
    "category",
    "description",
    "for",
    "from",
    "has",
    "have",
    "her",
    "his",
    "i",
    "if",
    "in",
    "into",
    "is",
    "it",
    "its",
    "me",
    "more",
    "my",
    "no",
    "not",
    "of",
    "on",
    "one",
    "or",
    "our",
    "out",
    "price",
    "product",
    "so",
    "some",
    "than",
    "that",
    "the",
    "their",
    "them",
    "they",
    "thi",
    "this",
    "to",
    "up",
    "was",
    "we",
    "when",
    "which",
    "will",
    "with",
    "you",
    "your",
];

/// The vector of `text`, as the endpoint would answer it: `dimensions` components, length one.
pub fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut embedder = Embedder::new(dimensions);
    embedder.embed(text);
    embedder.dense
}

/// Turns texts into vectors of one size, reusing its memory from text to text.
pub(super) struct Embedder {
    dense: Vec<f32>,
    touched: Vec<usize>,
    components: Vec<Component>,
    /// The word being read, as `<word>`: the marks make its first and last pieces differ from inner ones.
    word: Vec<u8>,
}

impl Embedder {
    pub(super) fn new(dimensions: usize) -> Self {
        Self {
            dense: vec![0.0; dimensions.max(1)],
            touched: Vec::new(),
            components: Vec::new(),
            word: Vec::new(),
        }
    }

    /// The components of the vector of `text` that are not zero, by ascending position.
    pub(super) fn embed(&mut self, text: &str) -> &[Component] {
        for position in self.touched.drain(..) {
            if let Some(component) = self.dense.get_mut(position) {
                *component = 0.0;
            }
        }
        self.add_words(text);
        let mut length = self.length();
        if length == 0.0 {
            // No word in it, or words that cancel each other: it still needs a direction of its own.
            self.add(finish(hash(SEED, text.as_bytes())), WORD);
            length = self.length();
        }
        self.components.clear();
        for &position in &self.touched {
            if let Some(component) = self.dense.get_mut(position)
                && *component != 0.0
            {
                *component /= length;
                self.components.push((position, *component));
            }
        }
        &self.components
    }

    fn add_words(&mut self, text: &str) {
        self.word.clear();
        self.word.push(b'<');
        for character in text.chars() {
            if character.is_ascii_alphanumeric() {
                self.word.push(character.to_ascii_lowercase() as u8);
            } else if !character.is_ascii() && character.is_alphanumeric() {
                for lower in character.to_lowercase() {
                    self.word
                        .extend_from_slice(lower.encode_utf8(&mut [0; 4]).as_bytes());
                }
            } else {
                self.end_word();
            }
        }
        self.end_word();
    }

    fn end_word(&mut self) {
        if self.word.len() == 1 {
            return;
        }
        let mut word = std::mem::take(&mut self.word);
        let letters = word.get(1..).unwrap_or_default();
        if STOP_WORDS
            .binary_search_by(|stop_word| stop_word.as_bytes().cmp(letters))
            .is_ok()
        {
            self.add(finish(hash(SEED, letters)), STOP_WORD);
        } else {
            if letters.len() > 3 && letters.ends_with(b"s") && !letters.ends_with(b"ss") {
                word.pop();
            }
            self.add(finish(hash(SEED, word.get(1..).unwrap_or_default())), WORD);
            word.push(b'>');
            for piece in word.windows(4) {
                let (three, last) = piece.split_at(3);
                let of_three = hash(PIECE_SEED, three);
                self.add(finish(of_three), PIECE);
                self.add(finish(hash(of_three, last)), PIECE);
            }
        }
        word.truncate(1);
        self.word = word;
    }

    fn add(&mut self, feature: u64, weight: f32) {
        // The upper half of the product is spread evenly over 0..len: no division, no bias worth a name.
        let position = ((feature & 0xffff_ffff) * self.dense.len() as u64) >> 32;
        let position = usize::try_from(position).unwrap_or_default();
        if let Some(component) = self.dense.get_mut(position) {
            if *component == 0.0 {
                self.touched.push(position);
            }
            *component += if feature >> 63 == 0 { weight } else { -weight };
        }
    }

    /// The length of the vector so far, of which every touched position is then listed once, in order.
    fn length(&mut self) -> f32 {
        // A component that came back to zero and left it again was noted twice.
        self.touched.sort_unstable();
        self.touched.dedup();
        let mut squares = 0.0;
        for &position in &self.touched {
            let component = self.dense.get(position).copied().unwrap_or_default();
            squares += component * component;
        }
        squares.sqrt()
    }
}

const SEED: u64 = 0xcbf2_9ce4_8422_2325;
/// Another start, so that a word of three letters and the same piece of a longer word are two features.
const PIECE_SEED: u64 = SEED ^ 0x5555_5555_5555_5555;

/// FNV-1a, 64 bits, from `state` on.
pub(super) fn hash(mut state: u64, bytes: &[u8]) -> u64 {
    for &byte in bytes {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    state
}

/// Spreads FNV's upper bits, where short inputs hardly differ (the last step of MurmurHash3).
fn finish(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// The 64-bit hash by which texts are told apart in the statistics.
pub(super) fn text_hash(text: &str) -> u64 {
    finish(hash(SEED, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::float_cmp,
        reason = "a test fails by panicking; equal texts have equal bits"
    )]

    use super::*;

    fn similarity(left: &str, right: &str) -> f32 {
        let (left, right) = (vector(left, 1536), vector(right, 1536));
        left.iter().zip(&right).map(|(l, r)| l * r).sum()
    }

    #[test]
    fn stop_words_are_sorted_for_the_search() {
        assert!(STOP_WORDS.is_sorted());
    }

    #[test]
    fn a_search_in_plain_words_is_nearest_to_the_product_it_means() {
        let wanted = "Trail boots, water-resistant leather";
        for other in [
            "Leather office chair",
            "Canvas tent for four",
            "Espresso machine",
            "Water bottle, steel",
        ] {
            let query = "waterproof hiking boots";
            assert!(
                similarity(query, wanted) > similarity(query, other),
                "{other}"
            );
        }
    }

    #[test]
    fn a_plural_and_a_misspelling_are_near_and_an_unrelated_word_is_not() {
        assert!(similarity("boots", "boot") > 0.8);
        assert!(similarity("espreso", "espresso") > 0.25);
        assert!(similarity("espresso", "shears").abs() < 0.1);
    }

    #[test]
    fn stop_words_hardly_move_a_text() {
        assert!(similarity("a tent for the family", "tent family") > 0.98);
    }

    #[test]
    fn case_and_punctuation_do_not_matter() {
        assert_eq!(
            vector("Crème brûlée SET!", 256),
            vector("crème, brûlée: set", 256)
        );
    }

    #[test]
    fn every_text_has_a_vector_of_length_one() {
        for text in ["tent", "", "   ", "!?", "the", "雨衣", "🎒"] {
            for dimensions in [1, 2, 3, 64, 1536] {
                let vector = vector(text, dimensions);
                assert_eq!(vector.len(), dimensions);
                let length: f32 = vector.iter().map(|component| component * component).sum();
                assert!(
                    (length - 1.0).abs() < 1e-4,
                    "{text:?} in {dimensions} dimensions: {length}"
                );
            }
        }
    }

    #[test]
    fn an_embedder_remembers_nothing_of_the_text_before() {
        let mut embedder = Embedder::new(128);
        embedder.embed("a completely different text about fishing rods");
        let components = embedder.embed("red wool hat").to_vec();
        assert_eq!(components, Embedder::new(128).embed("red wool hat"));
    }

    #[test]
    fn the_hash_is_the_published_one() {
        // From the test vectors of the FNV reference code.
        assert_eq!(hash(SEED, b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(SEED, b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash(SEED, b"foobar"), 0x8594_4171_f739_67e8);
    }
}
