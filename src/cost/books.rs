//! The books of one process: what it spends and saves, and whether it may spend more.
//!
//! Counting takes a short lock and no I/O. At intervals somebody takes what is to be noted
//! ([`Books::to_be_noted`]) and tells what the other members noted ([`Books::tell_others`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use tracing::warn;

use super::{
    account::{Account, Entry, Figures, Purpose, Reason, Saving, Spent, Why, divide},
    budget::{Period, SpendingBudget, Standing},
    calendar::Day,
    money::{Money, Price},
    savings::Savings,
};
use crate::{config::Allowance, telemetry::CostMetrics};

/// Bytes of a token, as long as nothing was bought: English prose.
const BYTES_PER_TOKEN: f64 = 4.0;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// What one process spends. A clone is a handle of the same books.
#[derive(Clone)]
pub struct Books(Arc<Inner>);

struct Inner {
    model: Arc<str>,
    clock: Clock,
    metrics: CostMetrics,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    price: Option<Price>,
    budget: SpendingBudget,
    /// This process's own, by day.
    own: BTreeMap<Day, Account>,
    /// Days to be noted.
    changed: BTreeSet<Day>,
    /// What the other members spent, by day; nothing before it was read.
    others: Option<BTreeMap<Day, Spent>>,
    /// Tokens that requests under way may come to.
    reserved: u64,
    /// What was bought, to know how long tokens are.
    bought_bytes: u64,
    bought_tokens: u64,
    /// What was last warned of.
    warned: Option<String>,
}

/// Tokens that a request under way may come to: counted as spent until it ends.
#[derive(Debug)]
#[must_use = "dropped, it is counted no more"]
pub struct Reserved {
    books: Books,
    tokens: u64,
}

/// Whether anything may be bought right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// It may.
    Open,
    /// Once a request under way has ended: it may spend what is left of the budget.
    Pending,
    /// Once it is known what was spent; the text says why it isn't.
    Unknown(String),
    /// The budget is spent; the text says until when.
    Closed(String),
}

/// What was spent today and this month, and what may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// Spent today.
    pub day: Spent,
    /// Spent this month.
    pub month: Spent,
    /// Whether the model's price is known, and money says anything.
    pub is_priced: bool,
    /// Whether the other members' spending is in it, which is asked for where there is a budget;
    /// else it is what this process spent.
    pub is_of_group: bool,
    /// The budgets there are, with the share of each that is spent.
    pub budgets: Vec<(Period, Allowance, f64)>,
    /// The last day on which anything may be bought.
    pub until: Option<Day>,
}

/// A text that was bought, and for whom.
#[derive(Debug)]
pub struct BoughtText<'a> {
    /// The text.
    pub text: &'a str,
    /// Who asked for it, first come first: that one pays.
    pub purposes: Vec<&'a Purpose>,
}

impl Books {
    /// The books of a process that buys from `model` at that price, if it is known. `clock` tells the
    /// time.
    pub fn new(
        model: &str,
        price: Option<Price>,
        budget: SpendingBudget,
        metrics: CostMetrics,
        clock: Clock,
    ) -> Self {
        Self(Arc::new(Inner {
            model: model.into(),
            clock,
            metrics,
            state: Mutex::new(State {
                price,
                budget,
                own: BTreeMap::new(),
                changed: BTreeSet::new(),
                others: None,
                reserved: 0,
                bought_bytes: 0,
                bought_tokens: 0,
                warned: None,
            }),
        }))
    }

    /// Counts by another price and budget from now on; what was spent stays spent. Says whether the
    /// price is another than it was.
    pub fn set_terms(&self, price: Option<Price>, budget: SpendingBudget) -> bool {
        let day = self.today();
        let mut state = self.lock();
        if state.budget.is_unlimited() {
            // Nobody has asked what the others spent, or not of late.
            state.others = None;
        }
        for period in Period::ALL {
            if budget.allowance(period).is_none() {
                self.0.metrics.no_budget(period);
            }
        }
        state.warned = None;
        state.budget = budget;
        let is_other_price = std::mem::replace(&mut state.price, price) != price;
        self.look(&mut state, day);
        is_other_price
    }

    /// What was spent, and what may be.
    pub fn overview(&self) -> Overview {
        let today = self.today();
        let state = self.lock();
        let (day, month) = state.spent(today);
        let budgets = [(Period::Day, day), (Period::Month, month)];
        let budgets = budgets.into_iter().filter_map(|(period, spent)| {
            let allowance = state.budget.allowance(period)?;
            let share = state.budget.share(period, spent)?;
            Some((period, allowance, share))
        });
        Overview {
            day,
            month,
            is_priced: state.price.is_some(),
            is_of_group: state.others.is_some(),
            budgets: budgets.collect(),
            until: state.budget.until(),
        }
    }

    /// Counts an answer: the provider charged `tokens` for these texts, or did not say.
    pub fn bought(&self, texts: &[BoughtText<'_>], charged: Option<u64>) {
        let weights: Vec<u64> = texts.iter().map(|it| it.text.len() as u64).collect();
        let bytes: u64 = weights.iter().sum();
        let day = self.today();
        let mut state = self.lock();
        let tokens = charged.unwrap_or_else(|| state.tokens_of(bytes));
        for (bought, tokens) in texts.iter().zip(divide(tokens, &weights)) {
            let (table, reason) = match bought.purposes.first() {
                Some(purpose) => (purpose.table.clone(), purpose.reason),
                None => (Arc::from(""), Reason::Probe),
            };
            self.add(&mut state, day, table, Why::Bought(reason), 1, tokens);
            for duplicate in bought.purposes.iter().skip(1) {
                let why = Why::Saved(Saving::Duplicate);
                self.add(&mut state, day, duplicate.table.clone(), why, 1, tokens);
            }
        }
        if charged.is_some() {
            state.bought_bytes = state.bought_bytes.saturating_add(bytes);
            state.bought_tokens = state.bought_tokens.saturating_add(tokens);
        }
        self.look(&mut state, day);
    }

    /// Counts a request for these texts that was cancelled, because another for the same ones was answered,
    /// for which the provider charged so many `tokens`: it may charge both.
    pub fn hedged(&self, texts: &[BoughtText<'_>], charged: Option<u64>) {
        let weights: Vec<u64> = texts.iter().map(|it| it.text.len() as u64).collect();
        let day = self.today();
        let mut state = self.lock();
        let tokens = charged.unwrap_or_else(|| state.tokens_of(weights.iter().sum()));
        for (bought, tokens) in texts.iter().zip(divide(tokens, &weights)) {
            let table = bought.purposes.first().map(|it| it.table.clone());
            let why = Why::Bought(Reason::Hedge);
            self.add(&mut state, day, table.unwrap_or_default(), why, 1, tokens);
        }
        self.look(&mut state, day);
    }

    /// Counts what a table's changes did not cost.
    pub fn saved(&self, table: &Arc<str>, savings: Savings) {
        if savings.is_empty() {
            return;
        }
        let day = self.today();
        let mut state = self.lock();
        for (saving, texts) in savings.all() {
            if texts.count > 0 {
                let tokens = state.tokens_of(texts.bytes);
                let why = Why::Saved(saving);
                self.add(&mut state, day, table.clone(), why, texts.count, tokens);
            }
        }
    }

    /// Counts so many bytes of texts as spent while a request for them is under way.
    pub fn reserve(&self, bytes: u64) -> Reserved {
        let mut state = self.lock();
        let tokens = state.tokens_of(bytes);
        state.reserved = state.reserved.saturating_add(tokens);
        Reserved {
            books: self.clone(),
            tokens,
        }
    }

    /// Whether anything may be bought right now.
    pub fn access(&self) -> Access {
        if !self.has_budget() {
            return Access::Open;
        }
        let day = self.today();
        let mut state = self.lock();
        match self.look(&mut state, day) {
            Standing::Spent(why) => Access::Closed(why),
            _ if state.others.is_none() => Access::Unknown(
                "nothing is bought before it is known what the group has spent, and the index does not say"
                    .to_owned(),
            ),
            _ if state.reserved > 0 && state.is_spent_with_reserved(day) => Access::Pending,
            Standing::Within | Standing::Near(_) => Access::Open,
        }
    }

    /// Whether anything limits what may be bought.
    pub fn has_budget(&self) -> bool {
        !self.lock().budget.is_unlimited()
    }

    /// This process's accounts that changed since this was asked last.
    pub fn to_be_noted(&self) -> Vec<(Day, Account)> {
        let first = self.today().month().first();
        let mut state = self.lock();
        let changed = std::mem::take(&mut state.changed);
        // Of earlier months nothing is asked any more, once it is noted.
        state
            .own
            .retain(|day, _| *day >= first || changed.contains(day));
        let accounts = changed
            .into_iter()
            .filter_map(|day| Some((day, state.own.get(&day)?.clone())));
        accounts.collect()
    }

    /// An account of this day could not be noted: it is to be noted still.
    pub fn not_noted(&self, day: Day) {
        self.lock().changed.insert(day);
    }

    /// What the other members noted of this month, by day.
    pub fn tell_others(&self, others: BTreeMap<Day, Spent>) {
        let day = self.today();
        let mut state = self.lock();
        state.others = Some(others);
        self.look(&mut state, day);
    }

    /// The day that it is.
    pub fn today(&self) -> Day {
        Day::of((self.0.clock)())
    }

    fn add(&self, state: &mut State, day: Day, table: Arc<str>, why: Why, texts: u64, tokens: u64) {
        let money = state.money_of(tokens);
        let entry = Entry {
            table,
            model: self.0.model.clone(),
            why,
        };
        let figures = Figures {
            texts,
            tokens,
            money,
        };
        let account = state.own.entry(day).or_default();
        let entry = account.placed(entry);
        self.0.metrics.count(&entry, &figures);
        account.add(entry, figures);
        state.changed.insert(day);
    }

    /// How the budget stands; says so where that is news.
    fn look(&self, state: &mut State, today: Day) -> Standing {
        let budget = state.budget.clone();
        if budget.is_unlimited() {
            return Standing::Within;
        }
        let (day, month) = state.spent(today);
        for (period, spent) in [(Period::Day, day), (Period::Month, month)] {
            if let Some(share) = budget.share(period, spent) {
                self.0.metrics.budget(period, share);
            }
        }
        let standing = budget.look(today, day, month);
        match &standing {
            // How much it is exactly changes all the time; once a day and kind is enough.
            Standing::Near(message) => {
                let said = format!("{today}");
                if state.warned.as_ref() != Some(&said) {
                    warn!("{message}");
                    state.warned = Some(said);
                }
            }
            Standing::Within => state.warned = None,
            Standing::Spent(_) => {}
        }
        standing
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Sums stay sums, whoever panicked.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What so many tokens cost; nothing where no price is known.
    fn money_of(&self, tokens: u64) -> Money {
        self.price.map_or(Money::NOTHING, |price| price.of(tokens))
    }

    /// Whether the budget is used up once what is reserved has been spent.
    fn is_spent_with_reserved(&self, today: Day) -> bool {
        let reserved = Spent {
            tokens: self.reserved,
            money: self.money_of(self.reserved),
        };
        let (mut day, mut month) = self.spent(today);
        day += reserved;
        month += reserved;
        matches!(self.budget.look(today, day, month), Standing::Spent(_))
    }

    /// What all members spent today, and this month.
    fn spent(&self, today: Day) -> (Spent, Spent) {
        let first = today.month().first();
        let own = self.own.range(first..=today);
        let own = own.map(|(day, account)| (*day, account.spent()));
        let others = self.others.iter().flatten();
        let others = others.map(|(day, spent)| (*day, *spent));
        let (mut of_day, mut of_month) = (Spent::default(), Spent::default());
        for (day, spent) in own.chain(others) {
            if (first..=today).contains(&day) {
                of_month += spent;
            }
            if day == today {
                of_day += spent;
            }
        }
        (of_day, of_month)
    }

    /// About how many tokens so many bytes are.
    fn tokens_of(&self, bytes: u64) -> u64 {
        let per_token = if self.bought_tokens == 0 {
            BYTES_PER_TOKEN
        } else {
            // No tokenizer has tokens of less than a byte, or of very many.
            (self.bought_bytes as f64 / self.bought_tokens as f64).clamp(0.5, 64.0)
        };
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and saturates"
        )]
        let tokens = (bytes as f64 / per_token).ceil() as u64;
        tokens
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut state = self.books.lock();
        state.reserved = state.reserved.saturating_sub(self.tokens);
    }
}

impl fmt::Debug for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Books")
            .field("model", &self.0.model)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests;
