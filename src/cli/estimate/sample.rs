//! What records or rows show of a table: how many, how long, and how often a text changes.

use std::collections::HashMap;

use crate::{
    cost::estimate::DAYS,
    record::{Document, PayloadHash, TextHash},
    tokens::{Chunking, Tokenizer},
};

/// Days that records must span for their rate to be one of a day: an hour.
const SHORTEST: f64 = 1.0 / 24.0;

/// What texts come to, as the two kinds of tokenizers count it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sizes {
    exact: Size,
    estimated: Size,
}

/// What texts come to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Size {
    tokens: u64,
    /// One a text, unless it is split.
    vectors: u64,
}

/// Texts, and what they come to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Texts {
    count: u64,
    sizes: Sizes,
}

/// What was found. Of each row it keeps two hashes.
#[derive(Debug)]
pub(super) struct Sample {
    exact: Tokenizer,
    estimate: Tokenizer,
    chunking: Option<Chunking>,
    rows: HashMap<Box<str>, Known>,
    /// All that carried a whole row, snapshots included.
    all: Texts,
    payload_bytes: u64,
    /// Changes: what came after the snapshot.
    changes: Texts,
    /// Those of them whose text has to be embedded.
    bought: Texts,
    pub(super) saved: Saved,
    /// Rows whose text could not be told.
    pub(super) unknown: u64,
    first_ms: Option<i64>,
    last_ms: Option<i64>,
}

/// Why changes need no embedding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Saved {
    /// Nothing changed that the index holds.
    pub(super) unchanged: u64,
    /// The payload changed, and the text didn't.
    pub(super) payload_only: u64,
    /// The text changed again before it had been quiet.
    pub(super) collapsed: u64,
}

/// The last that was found of a row.
#[derive(Debug)]
struct Known {
    text: TextHash,
    payload: PayloadHash,
    /// The text, if it is not embedded yet: since when, and what it comes to.
    waiting: Option<Waiting>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    since_ms: i64,
    sizes: Sizes,
}

/// When a row was found as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// In a snapshot, or in a file: it may have been so for long.
    Standing,
    /// As a change, at that time in milliseconds since 1970.
    Changed(i64),
}

impl Sample {
    /// Of texts that are split, or not.
    pub(super) fn new(chunking: Option<Chunking>) -> Self {
        Self {
            exact: Tokenizer::for_model("text-embedding-3-small"),
            estimate: Tokenizer::for_model(""),
            chunking,
            rows: HashMap::new(),
            all: Texts::default(),
            payload_bytes: 0,
            changes: Texts::default(),
            bought: Texts::default(),
            saved: Saved::default(),
            unknown: 0,
            first_ms: None,
            last_ms: None,
        }
    }

    /// A row; `quiet_ms` is how long a text is held back.
    pub(super) fn add(&mut self, key: &str, document: &Document, found: Found, quiet_ms: i64) {
        let chunking = self.chunking.as_ref();
        let sizes = Sizes {
            exact: Size::of(&document.text, &self.exact, chunking),
            estimated: Size::of(&document.text, &self.estimate, chunking),
        };
        self.all.add(sizes);
        self.payload_bytes += bytes_of(document);
        let changed_ms = match found {
            Found::Standing => None,
            Found::Changed(at_ms) => Some(at_ms),
        };
        if let Some(at_ms) = changed_ms {
            self.changes.add(sizes);
            self.first_ms = [self.first_ms, Some(at_ms)].into_iter().flatten().min();
            self.last_ms = self.last_ms.max(Some(at_ms));
        }
        let waiting = changed_ms.map(|since_ms| Waiting { since_ms, sizes });
        let (text, payload) = (document.text_hash, document.payload_hash);
        let Some(known) = self.rows.get_mut(key) else {
            let known = Known {
                text,
                payload,
                waiting,
            };
            self.rows.insert(key.into(), known);
            return;
        };
        let same = (known.text == text, known.payload == payload);
        (known.text, known.payload) = (text, payload);
        match same {
            (true, _) if changed_ms.is_none() => {}
            (true, true) => self.saved.unchanged += 1,
            (true, false) => self.saved.payload_only += 1,
            (false, _) => {
                if let Some(earlier) = std::mem::replace(&mut known.waiting, waiting) {
                    let at_ms = changed_ms.unwrap_or(i64::MAX);
                    if at_ms.saturating_sub(earlier.since_ms) < quiet_ms {
                        self.saved.collapsed += 1;
                    } else {
                        self.bought.add(earlier.sizes);
                    }
                }
            }
        }
    }

    /// A row is gone: what had not been quiet need not be embedded.
    pub(super) fn remove(&mut self, key: &str, at_ms: i64, quiet_ms: i64) {
        let known = self.rows.remove(key);
        if let Some(waiting) = known.and_then(|known| known.waiting) {
            if at_ms.saturating_sub(waiting.since_ms) < quiet_ms {
                self.saved.collapsed += 1;
            } else {
                self.bought.add(waiting.sizes);
            }
        }
    }

    /// At the end of the records: what still waits is embedded.
    pub(super) fn finish(&mut self) {
        for known in self.rows.values_mut() {
            if let Some(waiting) = known.waiting.take() {
                self.bought.add(waiting.sizes);
            }
        }
    }

    /// How many rows there are.
    pub(super) fn items(&self) -> u64 {
        self.rows.len() as u64
    }

    /// How many changes carried a whole row.
    pub(super) fn changes(&self) -> u64 {
        self.changes.count
    }

    /// How many of them have to be embedded.
    pub(super) fn bought_changes(&self) -> u64 {
        self.bought.count
    }

    /// What a row's text comes to; `None` if there was none.
    pub(super) fn tokens_per_item(&self, is_exact: bool) -> Option<f64> {
        let tokens = self.all.sizes.of(is_exact).tokens as f64;
        (self.all.count > 0).then(|| tokens / self.all.count as f64)
    }

    /// How many vectors a row gets; `None` if there was none.
    pub(super) fn vectors_per_item(&self, is_exact: bool) -> Option<f64> {
        let vectors = self.all.sizes.of(is_exact).vectors as f64;
        (self.all.count > 0).then(|| vectors / self.all.count as f64)
    }

    /// Bytes of a row's payload, its source columns and their names.
    pub(super) fn payload_bytes(&self) -> Option<f64> {
        let bytes = self.payload_bytes as f64;
        (self.all.count > 0).then(|| bytes / self.all.count as f64)
    }

    /// By the records' own times; `None` where those span less than an hour.
    pub(super) fn changes_per_day(&self) -> Option<f64> {
        let days = self.days()?;
        (days >= SHORTEST).then(|| self.changes.count as f64 / days)
    }

    /// Days that the changes span.
    pub(super) fn days(&self) -> Option<f64> {
        let span_ms = self.last_ms?.saturating_sub(self.first_ms?);
        Some(span_ms as f64 / 86_400_000.0)
    }

    /// How much of the changes' tokens has to be bought.
    pub(super) fn bought(&self, is_exact: bool) -> Option<f64> {
        let all = self.changes.sizes.of(is_exact).tokens as f64;
        (all > 0.0).then(|| self.bought.sizes.of(is_exact).tokens as f64 / all)
    }
}

impl Texts {
    fn add(&mut self, sizes: Sizes) {
        self.count += 1;
        self.sizes.exact.add(sizes.exact);
        self.sizes.estimated.add(sizes.estimated);
    }
}

impl Size {
    fn of(text: &str, tokenizer: &Tokenizer, chunking: Option<&Chunking>) -> Self {
        let Some(chunking) = chunking else {
            let tokens = tokenizer.count(text);
            return Self { tokens, vectors: 1 };
        };
        let pieces = tokenizer.split(text, chunking).pieces;
        Self {
            vectors: pieces.len() as u64,
            tokens: pieces.into_iter().map(|piece| tokenizer.count(piece)).sum(),
        }
    }

    fn add(&mut self, other: Self) {
        self.tokens += other.tokens;
        self.vectors += other.vectors;
    }
}

impl Sizes {
    fn of(&self, is_exact: bool) -> Size {
        if is_exact { self.exact } else { self.estimated }
    }
}

/// What a point keeps beside its vector, as text: near enough to what a server stores.
fn bytes_of(document: &Document) -> u64 {
    /// Hashes, offsets, the model's fingerprint and their names.
    const BOOKKEEPING: usize = 400;
    let fields = document.payload.fields().iter();
    let fields = fields.chain(document.source_columns.fields());
    let bytes: usize = fields
        .map(|(name, value)| name.len() + value.clone().into_json().to_string().len())
        .sum();
    (bytes + BOOKKEEPING) as u64
}

/// A month's worth of something that happens so often a day.
pub(super) fn monthly(per_day: f64) -> f64 {
    per_day * DAYS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Payload;

    const QUIET: i64 = 5_000;
    const DAY: i64 = 86_400_000;

    fn document(text: &str, price: &str) -> Document {
        Document {
            text: text.into(),
            text_hash: TextHash::of_text(text),
            payload: Payload::default(),
            payload_hash: PayloadHash::of(price.as_bytes()),
            ..Document::empty()
        }
    }

    fn sample(events: &[(&str, &str, &str, Found)]) -> Sample {
        let mut sample = Sample::new(None);
        for (key, text, price, found) in events {
            sample.add(key, &document(text, price), *found, QUIET);
        }
        sample.finish();
        sample
    }

    #[test]
    fn a_changed_text_is_bought_and_a_changed_price_is_not() {
        let found = sample(&[
            ("1", "red kettle", "10", Found::Standing),
            ("1", "red kettle", "11", Found::Changed(0)),
            ("1", "red kettle", "11", Found::Changed(DAY / 2)),
            ("1", "blue kettle", "11", Found::Changed(DAY)),
        ]);
        assert_eq!((found.changes(), found.bought_changes()), (3, 1));
        let saved = Saved {
            unchanged: 1,
            payload_only: 1,
            collapsed: 0,
        };
        assert_eq!(found.saved, saved);
        assert_eq!(found.changes_per_day(), Some(3.0));
        assert_eq!(found.items(), 1);
    }

    #[test]
    fn texts_that_change_again_at_once_are_bought_once() {
        let found = sample(&[
            ("1", "a", "", Found::Changed(0)),
            ("1", "b", "", Found::Changed(QUIET - 1)),
            ("1", "c", "", Found::Changed(DAY)),
        ]);
        assert_eq!(found.saved.collapsed, 1);
        assert_eq!(found.bought_changes(), 2);
    }

    #[test]
    fn a_row_that_goes_before_it_was_quiet_is_never_bought() {
        let mut found = Sample::new(None);
        found.add("1", &document("a", ""), Found::Changed(0), QUIET);
        found.remove("1", 10, QUIET);
        found.finish();
        assert_eq!((found.bought_changes(), found.items()), (0, 0));
    }

    #[test]
    fn a_text_that_is_split_comes_to_all_its_chunks() {
        let of = |most| {
            let mut found = Sample::new(Some(Chunking {
                longest: 16,
                overlap: 0,
                most,
            }));
            found.add("1", &document("kettle", ""), Found::Standing, QUIET);
            let long = "A red kettle. ".repeat(12);
            found.add("2", &document(&long, ""), Found::Standing, QUIET);
            let of = |is_exact| {
                (
                    found.tokens_per_item(is_exact),
                    found.vectors_per_item(is_exact),
                )
            };
            [of(true), of(false)]
        };
        let whole = Tokenizer::for_model("").count(&"A red kettle. ".repeat(12));
        let [(exact, vectors), (estimated, _)] = of(100);
        assert!(vectors >= Some(2.0), "{vectors:?}");
        assert!(estimated <= Some((whole + 2) as f64 / 2.0), "{estimated:?}");
        let [(exact_of_two, vectors), _] = of(2);
        assert_eq!(vectors, Some(1.5));
        assert!(exact_of_two < exact, "the rest is not embedded");
    }

    #[test]
    fn what_spans_no_time_has_no_rate() {
        let found = sample(&[("1", "a", "", Found::Changed(7))]);
        assert_eq!(found.changes_per_day(), None);
        assert_eq!(Sample::new(None).tokens_per_item(true), None);
    }
}
