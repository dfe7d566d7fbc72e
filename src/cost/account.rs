//! An account: what was spent and what was saved, by table, model and why.

use std::{
    collections::{BTreeMap, HashSet},
    ops::AddAssign,
    sync::Arc,
};

use super::money::Money;

/// More tables than that are one, called [`OTHERS`]: topics that match a pattern may be many, and
/// metrics have a label for each.
const MOST_TABLES: usize = 200;

/// What the tables beyond the first are called together.
const OTHERS: &str = "(others)";

/// Why an embedding was bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// There was no point of the row, or none of Vectide's.
    New,
    /// Its text is another.
    TextChanged,
    /// Its vector is of another model.
    ModelChanged,
    /// Once more, because the first request for it was late, and one of the two was cancelled.
    Hedge,
    /// For no row: to find out whether a blocked lane still is.
    Probe,
}

/// Why an embedding was not bought, although a row came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Saving {
    /// The index holds the row as it is.
    Unchanged,
    /// Only the payload changed.
    PayloadOnly,
    /// A later change of the row came before it was its turn.
    Collapsed,
    /// The same text was being bought for another row.
    Duplicate,
}

/// Why tokens are in an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// They were spent.
    Bought(Reason),
    /// They were not.
    Saved(Saving),
}

impl Why {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Bought(Reason::New),
        Self::Bought(Reason::TextChanged),
        Self::Bought(Reason::ModelChanged),
        Self::Bought(Reason::Hedge),
        Self::Bought(Reason::Probe),
        Self::Saved(Saving::Unchanged),
        Self::Saved(Saving::PayloadOnly),
        Self::Saved(Saving::Collapsed),
        Self::Saved(Saving::Duplicate),
    ];

    /// The metric label, and what it is called in the index.
    pub fn label(self) -> &'static str {
        match self {
            Self::Bought(Reason::New) => "new",
            Self::Bought(Reason::TextChanged) => "text_changed",
            Self::Bought(Reason::ModelChanged) => "model_changed",
            Self::Bought(Reason::Hedge) => "hedge",
            Self::Bought(Reason::Probe) => "probe",
            Self::Saved(Saving::Unchanged) => "unchanged",
            Self::Saved(Saving::PayloadOnly) => "payload_only",
            Self::Saved(Saving::Collapsed) => "collapsed",
            Self::Saved(Saving::Duplicate) => "duplicate",
        }
    }

    /// The one of that label.
    pub fn of_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.label() == label)
    }

    /// Whether tokens were spent.
    pub fn is_bought(self) -> bool {
        matches!(self, Self::Bought(_))
    }
}

/// For whom an embedding is bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose {
    /// The table's topic.
    pub table: Arc<str>,
    /// Why.
    pub reason: Reason,
}

/// One line of an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The table's topic.
    pub table: Arc<str>,
    /// The model.
    pub model: Arc<str>,
    /// Why.
    pub why: Why,
}

/// What an entry comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Texts.
    pub texts: u64,
    /// Tokens: of what was spent, those that the provider says; of what was saved, an estimate.
    pub tokens: u64,
    /// What they cost, or would have, at the price of their time; nothing where no price is known.
    pub money: Money,
}

/// What was spent in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Tokens.
    pub tokens: u64,
    /// Money.
    pub money: Money,
}

/// What was spent and saved in some time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    entries: BTreeMap<Entry, Figures>,
}

impl Account {
    /// Adds to one entry. Tables beyond the first 200 are counted together.
    pub fn add(&mut self, entry: Entry, figures: Figures) {
        let entry = self.placed(entry);
        *self.entries.entry(entry).or_default() += figures;
    }

    /// The entry under which one is counted.
    pub fn placed(&self, mut entry: Entry) -> Entry {
        if !self.entries.contains_key(&entry) && self.has_no_place_for(&entry.table) {
            entry.table = OTHERS.into();
        }
        entry
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        for (entry, figures) in &other.entries {
            self.add(entry.clone(), *figures);
        }
    }

    /// Its lines.
    pub fn entries(&self) -> impl Iterator<Item = (&Entry, &Figures)> {
        self.entries.iter()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What was spent in all.
    pub fn spent(&self) -> Spent {
        let bought = self.entries.iter().filter(|(it, _)| it.why.is_bought());
        bought.fold(Spent::default(), |sum, (_, figures)| Spent {
            tokens: sum.tokens.saturating_add(figures.tokens),
            money: sum.money + figures.money,
        })
    }

    fn has_no_place_for(&self, table: &str) -> bool {
        if self.entries.len() < MOST_TABLES {
            return false;
        }
        let tables: HashSet<&str> = self.entries.keys().map(|entry| &*entry.table).collect();
        tables.len() >= MOST_TABLES && !tables.contains(table)
    }
}

impl FromIterator<(Entry, Figures)> for Account {
    fn from_iter<I: IntoIterator<Item = (Entry, Figures)>>(entries: I) -> Self {
        let mut account = Self::default();
        for (entry, figures) in entries {
            account.add(entry, figures);
        }
        account
    }
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.texts = self.texts.saturating_add(other.texts);
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.money += other.money;
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.money += other.money;
    }
}

/// Divides `whole` in proportion to the `weights`; the parts add up to it.
pub(super) fn divide(whole: u64, weights: &[u64]) -> Vec<u64> {
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let (mut seen, mut given) = (0_u128, 0_u64);
    let parts = weights.iter().map(|weight| {
        seen += u128::from(*weight);
        let until = match (u128::from(whole) * seen).checked_div(total) {
            Some(until) => u64::try_from(until).unwrap_or(whole),
            None => 0,
        };
        let part = until - given;
        given = until;
        part
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(table: &str, why: Why) -> Entry {
        Entry {
            table: table.into(),
            model: "small".into(),
            why,
        }
    }

    fn figures(tokens: u64) -> Figures {
        Figures {
            texts: 1,
            tokens,
            money: Money::from_pico(u128::from(tokens) * 20_000),
        }
    }

    #[test]
    fn what_was_saved_was_not_spent() {
        let mut account = Account::default();
        account.add(entry("a", Why::Bought(Reason::New)), figures(7));
        account.add(entry("a", Why::Bought(Reason::TextChanged)), figures(5));
        account.add(entry("a", Why::Saved(Saving::Unchanged)), figures(100));
        let spent = account.spent();
        assert_eq!(spent.tokens, 12);
        assert_eq!(spent.money, Money::from_pico(240_000));
    }

    #[test]
    fn labels_are_read_back() {
        for why in Why::ALL {
            assert_eq!(Why::of_label(why.label()), Some(why));
        }
        assert_eq!(Why::of_label("else"), None);
    }

    #[test]
    fn tables_beyond_the_first_are_counted_together() {
        let mut account = Account::default();
        for table in 0..1_000 {
            let why = Why::Bought(Reason::New);
            account.add(entry(&format!("topic-{table}"), why), figures(1));
        }
        let tables: HashSet<_> = account.entries().map(|(entry, _)| &entry.table).collect();
        assert_eq!(tables.len(), MOST_TABLES + 1);
        assert_eq!(account.spent().tokens, 1_000);
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_whole(whole: u64, weights in prop::collection::vec(0_u64..10_000, 1..20)) {
            let parts = divide(whole, &weights);
            prop_assert_eq!(parts.len(), weights.len());
            if weights.iter().any(|weight| *weight > 0) {
                prop_assert_eq!(parts.iter().sum::<u64>(), whole);
            }
        }

        #[test]
        fn it_does_not_matter_who_kept_which_part(
            tokens in prop::collection::vec((0_u64..1_000, 0_usize..8, 0_usize..3), 0..40),
        ) {
            let mut one = Account::default();
            let mut parts = vec![Account::default(); 3];
            for (tokens, why, member) in tokens {
                let entry = entry("a", Why::ALL[why]);
                one.add(entry.clone(), figures(tokens));
                parts[member].add(entry, figures(tokens));
            }
            let mut sum = Account::default();
            for part in &parts {
                sum.merge(part);
            }
            prop_assert_eq!(sum, one);
        }
    }
}
