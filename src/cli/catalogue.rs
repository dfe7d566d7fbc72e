//! A shop's catalogue: products that read like real ones, the same ones for the same seed.

mod vocabulary;

use fastrand::Rng;

use vocabulary::{Category, VOCABULARY};

/// A row of the product table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Primary key, from 1.
    pub id: i64,
    /// Article number, unique.
    pub sku: String,
    /// Brand, noun and what sets it apart, in one line.
    pub title: String,
    /// One of 20.
    pub category: String,
    /// 40 to 90 words.
    pub description: String,
    /// In hundredths of the currency's unit.
    pub price_cents: i64,
    /// Pieces in the warehouse; zero is sold out.
    pub stock: i64,
    /// Last change of the row, milliseconds since 1970.
    pub updated_at_ms: i64,
}

/// The rows of the product table, by ascending id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    /// Ids run from 1 without a gap.
    pub products: Vec<Product>,
}

/// 1 January 2026, 00:00 UTC: the newest a generated row can be.
const OPENING_MS: i64 = 1_767_225_600_000;
const HALF_A_YEAR_MS: i64 = 182 * 24 * 3_600_000;

const LONGEST_DESCRIPTION: usize = 90;

impl Catalogue {
    /// `count` products. The first products of a longer catalogue are those of a shorter one with the same seed.
    pub fn generate(seed: u64, count: usize) -> Self {
        let mut rng = Rng::with_seed(seed);
        let products = (1..).take(count).map(|id| product(id, &mut rng)).collect();
        Self { products }
    }
}

fn product(id: i64, rng: &mut Rng) -> Product {
    let category = pick(&VOCABULARY.categories, rng);
    let words = Words::draw(category, rng);
    let form = pick(&TITLES, rng);
    let title = capitalised(&words.fill(form));
    let description = description(&words, rng);
    Product {
        id,
        sku: format!("{}-{id:06}", category.code),
        title,
        category: category.name.clone(),
        description,
        price_cents: price_cents(category.price, rng),
        // One in thirty is sold out, few are plentiful.
        stock: if rng.u8(..30) == 0 {
            0
        } else {
            rng.i64(1..=12) * rng.i64(1..=12)
        },
        updated_at_ms: OPENING_MS - rng.i64(0..HALF_A_YEAR_MS),
    }
}

/// Cheap products are more common than dear ones, and prices end as prices do.
fn price_cents((lowest, highest): (i64, i64), rng: &mut Rng) -> i64 {
    let span = highest - lowest + 1;
    let whole = lowest + rng.i64(0..span).min(rng.i64(0..span));
    whole * 100 + pick(&[0, 49, 90, 95, 99], rng)
}

const TITLES: [&str; 6] = [
    "{brand} {model} {noun}, {material}",
    "{brand} {model} {adjective} {noun} in {colour}",
    "{adjective} {noun} {model} by {brand}, {size}",
    "{brand} {noun} {model}, {adjective}, {colour}",
    "{model} {noun} by {brand}, {material}",
    "{brand} {model}: {adjective} {noun} with {feature}",
];

const OPENINGS: [&str; 7] = [
    "Meet the {model} {noun} from {brand}: {adjective}, made from {material} and ready for {use}.",
    "{brand} designed the {model} {noun} for {use}, with {material} wherever it counts.",
    "{material} and {feature}: that is what sets the {brand} {model} {noun} apart.",
    "Every detail of the {model} {noun} was drawn with {use} in mind, from the {material} to {feature}.",
    "{brand} took {material}, added {feature} and called the result {model}: {adjective} {noun} for {use}.",
    "Your {adjective} companion for {use}: the {brand} {model} {noun} in {colour}, made from {material}.",
    "Not every day asks for {adjective} {noun}; {use} certainly will, and {brand} built the {model} for that.",
];

const FEATURES: [&str; 6] = [
    "Expect {second feature}, {third feature} and {fourth feature}.",
    "You will notice {second feature} first; {third feature} and {fourth feature} make the difference day after day.",
    "The list of details is long: {second feature}, {third feature}, and {fourth feature}.",
    "With {second feature} and {third feature}, nothing was left to chance.",
    "What our customers mention most: {second feature}, {third feature} and {fourth feature}.",
    "{second feature} and {third feature} come as standard, along with {fourth feature}.",
];

const USES: [&str; 6] = [
    "A good choice for {second use} and {third use}, too.",
    "Equally suited to {second use} and {third use}.",
    "Customers buy the {model} with one thing in mind, then find new reasons: {second use}, for one.",
    "Think of {second use}, or of {third use}: that is where the {model} belongs.",
    "Our test team had {second use} on the list, and would not give the {model} back afterwards.",
    "As welcome for {second use} as for {third use}.",
];

const DETAILS: [&str; 4] = [
    "Shown here: {size}, {colour}.",
    "Size: {size}. Colour: {colour}.",
    "This listing is for {colour}, {size}.",
    "In {colour}, {size}.",
];

const CLOSINGS: [&str; 6] = [
    "Ships in plastic-free packaging.",
    "Two years of guarantee.",
    "Free returns within thirty days.",
    "Spare parts are kept for ten years.",
    "One of our best sellers since the first season.",
    "Now in its third edition, improved where you asked for it.",
];

/// The words drawn for one product, by the names that frames use.
struct Words {
    by_name: Vec<(&'static str, &'static String)>,
    care: &'static String,
}

impl Words {
    fn draw(category: &'static Category, rng: &mut Rng) -> Self {
        let mut by_name = vec![
            ("{brand}", pick(&VOCABULARY.brands, rng)),
            ("{model}", pick(&VOCABULARY.models, rng)),
            ("{noun}", pick(&category.nouns, rng)),
            ("{material}", pick(&category.materials, rng)),
            ("{adjective}", pick(&category.adjectives, rng)),
            ("{size}", pick(&category.sizes, rng)),
            ("{colour}", pick(&category.colours, rng)),
        ];
        let features = [
            "{feature}",
            "{second feature}",
            "{third feature}",
            "{fourth feature}",
        ];
        by_name.extend(
            features
                .into_iter()
                .zip(rng.choose_multiple(category.features.iter(), 4)),
        );
        let uses = ["{use}", "{second use}", "{third use}"];
        by_name.extend(
            uses.into_iter()
                .zip(rng.choose_multiple(category.uses.iter(), 3)),
        );
        Self {
            by_name,
            care: pick(&category.care, rng),
        }
    }

    fn fill(&self, frame: &str) -> String {
        self.by_name
            .iter()
            .fold(frame.to_owned(), |text, (name, word)| {
                text.replace(name, word)
            })
    }
}

fn description(words: &Words, rng: &mut Rng) -> String {
    let must = [
        *pick(&OPENINGS, rng),
        *pick(&FEATURES, rng),
        *pick(&USES, rng),
    ];
    let may = [*pick(&DETAILS, rng), words.care, *pick(&CLOSINGS, rng)];
    let mut text = must.map(|frame| capitalised(&words.fill(frame))).join(" ");
    for frame in may {
        let sentence = capitalised(&words.fill(frame));
        if count_words(&text) + count_words(&sentence) <= LONGEST_DESCRIPTION {
            text.push(' ');
            text.push_str(&sentence);
        }
    }
    text
}

fn count_words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next()
        .map(|first| first.to_uppercase().chain(rest).collect())
        .unwrap_or_default()
}

fn pick<'a, T>(choices: &'a [T], rng: &mut Rng) -> &'a T {
    rng.choice(choices).expect("no list of words is empty")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_seed_is_a_catalogue() {
        let catalogue = Catalogue::generate(7, 200);
        assert_eq!(catalogue, Catalogue::generate(7, 200));
        assert_ne!(catalogue, Catalogue::generate(8, 200));
        assert_eq!(
            catalogue.products.get(..50),
            Some(&*Catalogue::generate(7, 50).products)
        );
    }

    #[test]
    fn every_product_differs_in_number_and_text() {
        let products = Catalogue::generate(1, 2_000).products;
        let ids: Vec<i64> = products.iter().map(|product| product.id).collect();
        assert_eq!(ids, (1..=2_000).collect::<Vec<_>>());
        let skus: HashSet<_> = products.iter().map(|product| &product.sku).collect();
        let descriptions: HashSet<_> = products
            .iter()
            .map(|product| &product.description)
            .collect();
        assert_eq!((skus.len(), descriptions.len()), (2_000, 2_000));
    }

    #[test]
    fn descriptions_are_whole_sentences_of_40_to_90_words() {
        for product in Catalogue::generate(2, 5_000).products {
            let text = &product.description;
            assert!(
                (40..=LONGEST_DESCRIPTION).contains(&count_words(text)),
                "{} words: {text}",
                count_words(text)
            );
            assert!(
                text.ends_with('.') && text.starts_with(char::is_uppercase),
                "{text}"
            );
            for text in [text, &product.title] {
                assert!(!text.contains(['{', '}']), "a word is missing: {text}");
            }
            assert!(product.title.chars().count() <= 120, "{}", product.title);
        }
    }

    #[test]
    fn prices_and_stock_are_a_shops() {
        let products = Catalogue::generate(3, 2_000).products;
        for product in &products {
            let category = VOCABULARY
                .categories
                .iter()
                .find(|category| category.name == product.category)
                .unwrap();
            let (lowest, highest) = category.price;
            assert!(
                (lowest * 100..=highest * 100 + 99).contains(&product.price_cents),
                "{product:?}"
            );
            assert!((0..=144).contains(&product.stock));
        }
        let sold_out = products.iter().filter(|product| product.stock == 0).count();
        assert!((20..200).contains(&sold_out), "{sold_out}");
    }

    #[test]
    fn all_categories_have_words_enough_and_products() {
        let products = Catalogue::generate(4, 2_000).products;
        for category in &VOCABULARY.categories {
            assert!(
                category.features.len() >= 4 && category.uses.len() >= 3,
                "{}",
                category.name
            );
            assert!(
                products
                    .iter()
                    .filter(|product| product.category == category.name)
                    .count()
                    > 50
            );
        }
    }
}
