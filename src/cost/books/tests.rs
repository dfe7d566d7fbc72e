//! The books of one process, with a clock to turn by hand.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, UNIX_EPOCH},
};

use super::*;
use crate::config::BudgetConfig;

/// A clock to turn by hand.
#[derive(Clone, Default)]
pub(crate) struct Hand(Arc<AtomicU64>);

impl Hand {
    pub(crate) fn at(day: &str) -> Self {
        let hand = Self::default();
        hand.turn(day);
        hand
    }

    /// To noon of a day.
    pub(crate) fn turn(&self, day: &str) {
        let day: Day = day.parse().unwrap();
        let since = day.begins().duration_since(UNIX_EPOCH).unwrap();
        self.0.store(since.as_secs() + 43_200, Ordering::Relaxed);
    }

    pub(crate) fn clock(&self) -> Clock {
        let seconds = self.0.clone();
        Arc::new(move || UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::Relaxed)))
    }
}

/// Books without other members, at $1 a million tokens.
pub(crate) fn books(daily: Option<&str>, monthly: Option<&str>, hand: &Hand) -> Books {
    let config = BudgetConfig {
        daily: daily.map(|text| text.parse().unwrap()),
        monthly: monthly.map(|text| text.parse().unwrap()),
        ..BudgetConfig::default()
    };
    let metrics = CostMetrics::register(&prometheus::Registry::new()).unwrap();
    let price = Price::per_million(1.0).ok();
    let books = Books::new(
        "small",
        price,
        SpendingBudget::new(&config),
        metrics,
        hand.clock(),
    );
    books.tell_others(BTreeMap::new());
    books
}

fn purpose(table: &str, reason: Reason) -> Purpose {
    Purpose {
        table: table.into(),
        reason,
    }
}

fn buy(books: &Books, tokens: u64) {
    let purpose = purpose("a", Reason::New);
    let text = BoughtText {
        text: "red kettle",
        purposes: vec![&purpose],
    };
    books.bought(&[text], Some(tokens));
}

fn lines(books: &Books) -> Vec<(String, &'static str, u64, u64)> {
    let mut sum = Account::default();
    for (_, account) in books.to_be_noted() {
        sum.merge(&account);
    }
    sum.entries()
        .map(|(entry, it)| {
            (
                entry.table.to_string(),
                entry.why.label(),
                it.texts,
                it.tokens,
            )
        })
        .collect()
}

/// Until when nothing may be bought.
fn closed(books: &Books) -> String {
    match books.access() {
        Access::Closed(why) => why,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_request_that_was_sent_twice_is_spent_twice_and_saves_nothing_twice() {
    let books = books(Some("100 tokens"), None, &Hand::at("2026-11-25"));
    let (first, duplicate) = (purpose("a", Reason::New), purpose("b", Reason::New));
    let texts = [BoughtText {
        text: "red kettle",
        purposes: vec![&first, &duplicate],
    }];
    books.bought(&texts, Some(50));
    books.hedged(&texts, Some(50));
    assert_eq!(
        lines(&books),
        [
            ("a".into(), "new", 1, 50),
            ("a".into(), "hedge", 1, 50),
            ("b".into(), "duplicate", 1, 50),
        ]
    );
    assert!(closed(&books).contains("100"), "{}", closed(&books));
}

#[test]
fn an_answer_is_charged_to_those_who_asked_first() {
    let books = books(None, None, &Hand::at("2026-11-25"));
    let (a, b) = (purpose("a", Reason::New), purpose("b", Reason::TextChanged));
    let texts = [
        BoughtText {
            text: "0123456789",
            purposes: vec![&a, &b, &b],
        },
        BoughtText {
            text: "01234",
            purposes: vec![&b],
        },
    ];
    books.bought(&texts, Some(6));
    let expected = [
        ("a".to_owned(), "new", 1, 4),
        ("b".to_owned(), "text_changed", 1, 2),
        ("b".to_owned(), "duplicate", 2, 8),
    ];
    assert_eq!(lines(&books), expected);
    assert!(books.to_be_noted().is_empty());
}

#[test]
fn a_saved_text_is_as_long_in_tokens_as_those_that_were_bought() {
    let books = books(None, None, &Hand::at("2026-11-25"));
    let mut savings = Savings::default();
    savings.add(Saving::PayloadOnly, "0123456789012345");
    books.saved(&"a".into(), savings);
    assert_eq!(lines(&books)[0].3, 4);
    // Ten bytes for ten tokens.
    buy(&books, 10);
    books.saved(&"a".into(), savings);
    let saved = lines(&books).into_iter().find(|it| it.1 == "payload_only");
    assert_eq!(saved.unwrap().3, 20);
}

#[test]
fn a_provider_that_says_no_charge_is_believed_to_charge_all_the_same() {
    let books = books(None, None, &Hand::at("2026-11-25"));
    let text = BoughtText {
        text: "0123456789",
        purposes: vec![],
    };
    books.bought(&[text], None);
    assert_eq!(lines(&books), [(String::new(), "probe", 1, 3)]);
}

#[test]
fn a_days_budget_is_there_again_after_midnight() {
    let hand = Hand::at("2026-11-25");
    let books = books(Some("100 tokens"), None, &hand);
    assert_eq!(books.access(), Access::Open);
    buy(&books, 100);
    assert!(closed(&books).contains("2026-11-26"));
    hand.turn("2026-11-26");
    assert_eq!(books.access(), Access::Open);
}

#[test]
fn a_months_budget_is_there_again_on_the_first() {
    let hand = Hand::at("2026-11-25");
    let books = books(None, Some("$0.0001"), &hand);
    buy(&books, 60);
    hand.turn("2026-11-30");
    buy(&books, 60);
    assert!(closed(&books).contains("2026-12-01"));
    hand.turn("2026-12-01");
    assert_eq!(books.access(), Access::Open);
}

#[test]
fn what_others_spend_counts_too() {
    let books = books(Some("100 tokens"), None, &Hand::at("2026-11-25"));
    buy(&books, 50);
    assert_eq!(books.access(), Access::Open);
    let spent = Spent {
        tokens: 50,
        money: Money::NOTHING,
    };
    books.tell_others([("2026-11-25".parse().unwrap(), spent)].into());
    assert!(!closed(&books).is_empty());
}

#[test]
fn nothing_is_spent_before_it_is_known_what_was() {
    let hand = Hand::at("2026-11-25");
    let metrics = CostMetrics::register(&prometheus::Registry::new()).unwrap();
    let config = BudgetConfig {
        daily: "100 tokens".parse().ok(),
        ..BudgetConfig::default()
    };
    let books = Books::new(
        "m",
        None,
        SpendingBudget::new(&config),
        metrics,
        hand.clock(),
    );
    assert!(matches!(books.access(), Access::Unknown(_)));
    books.tell_others(BTreeMap::new());
    assert_eq!(books.access(), Access::Open);
}

#[test]
fn requests_under_way_count_as_spent_until_they_end() {
    let books = books(Some("100 tokens"), None, &Hand::at("2026-11-25"));
    let reserved = books.reserve(400);
    assert_eq!(books.access(), Access::Pending);
    drop(reserved);
    assert_eq!(books.access(), Access::Open);
}

#[test]
fn what_could_not_be_noted_is_noted_later() {
    let books = books(None, None, &Hand::at("2026-11-25"));
    buy(&books, 1);
    let noted = books.to_be_noted();
    books.not_noted(noted[0].0);
    buy(&books, 1);
    assert_eq!(lines(&books), [("a".to_owned(), "new", 2, 2)]);
}

#[test]
fn other_terms_count_at_once_and_change_nothing_that_was_spent() {
    let books = books(Some("100 tokens"), None, &Hand::at("2026-11-25"));
    buy(&books, 100);
    assert!(matches!(books.access(), Access::Closed(_)));
    let terms = |daily: Option<&str>| {
        SpendingBudget::new(&BudgetConfig {
            daily: daily.map(|text| text.parse().unwrap()),
            ..BudgetConfig::default()
        })
    };
    let price = Price::per_million(1.0).ok();
    assert!(!books.set_terms(price, terms(Some("150 tokens"))));
    assert_eq!(books.access(), Access::Open);
    assert_eq!(books.overview().day.tokens, 100);
    let dearer = Price::per_million(2.0).ok();
    assert!(books.set_terms(dearer, terms(None)));
    assert!(!books.has_budget());
    assert_eq!(books.overview().budgets, []);
    let spent = Money::from_dollars(100e-6).unwrap();
    assert_eq!(books.overview().day.money, spent, "at the former price");
    // Others may have bought while nobody asked for it.
    assert!(!books.set_terms(dearer, terms(Some("150 tokens"))));
    assert!(matches!(books.access(), Access::Unknown(_)));
}
