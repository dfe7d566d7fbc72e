//! The words of the shop: what each category sells, made of what, with what, for what.

use std::sync::LazyLock;

use serde::Deserialize;

/// The file beside this one, which says what fits where.
pub(super) static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
    toml::from_str(include_str!("vocabulary.toml")).expect("a test reads this file")
});

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vocabulary {
    pub(super) brands: Vec<String>,
    pub(super) models: Vec<String>,
    pub(super) categories: Vec<Category>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Category {
    pub(super) name: String,
    /// Starts the article number.
    pub(super) code: String,
    pub(super) nouns: Vec<String>,
    pub(super) materials: Vec<String>,
    pub(super) adjectives: Vec<String>,
    pub(super) features: Vec<String>,
    pub(super) uses: Vec<String>,
    pub(super) care: Vec<String>,
    pub(super) sizes: Vec<String>,
    pub(super) colours: Vec<String>,
    pub(super) price: (i64, i64),
}
