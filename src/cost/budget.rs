//! The budget: whether anything may be bought right now. Pure: what was spent and the day are
//! arguments.

use crate::config::{Allowance, BudgetConfig};

use super::{
    account::Spent,
    calendar::Day,
    money::{Money, grouped},
};

/// What may be spent.
#[derive(Debug, Clone, PartialEq)]
pub struct SpendingBudget {
    daily: Option<Allowance>,
    monthly: Option<Allowance>,
    until: Option<Day>,
    warn_at: f64,
}

/// A period of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// A day of UTC.
    Day,
    /// A month of UTC.
    Month,
}

/// How much of a budget is spent.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// Enough is left.
    Within,
    /// Most of it is spent: this is to be said.
    Near(String),
    /// Nothing may be bought: this is to be said.
    Spent(String),
}

impl Period {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Day, Self::Month];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

impl SpendingBudget {
    /// By configuration.
    pub fn new(config: &BudgetConfig) -> Self {
        Self {
            daily: config.daily,
            monthly: config.monthly,
            until: config.until,
            warn_at: f64::from(config.warn_at) / 100.0,
        }
    }

    /// Whether everything may be bought for ever.
    pub fn is_unlimited(&self) -> bool {
        self.daily.is_none() && self.monthly.is_none() && self.until.is_none()
    }

    /// The keys of budgets that can't be kept without a price.
    pub fn keys_in_money(&self) -> impl Iterator<Item = &'static str> {
        let keys = [
            ("cost.budget.daily", self.daily),
            ("cost.budget.monthly", self.monthly),
        ];
        keys.into_iter()
            .filter(|(_, allowance)| matches!(allowance, Some(Allowance::Money(_))))
            .map(|(key, _)| key)
    }

    /// The share of a period's budget that is spent, more than 1 if it was exceeded; `None` where
    /// there is none.
    pub fn share(&self, period: Period, spent: Spent) -> Option<f64> {
        self.allowance(period)
            .map(|allowance| share(allowance, spent))
    }

    /// How things stand `today`, when so much was spent today and this month.
    pub fn look(&self, today: Day, day: Spent, month: Spent) -> Standing {
        if let Some(until) = self.until
            && today > until
        {
            return Standing::Spent(format!(
                "nothing may be bought after {until}, says cost.budget.until: set a later day and reload (SIGHUP)"
            ));
        }
        let mut near = Standing::Within;
        for (period, spent) in [(Period::Month, month), (Period::Day, day)] {
            let Some(allowance) = self.allowance(period) else {
                continue;
            };
            let share = share(allowance, spent);
            if share >= 1.0 {
                let (name, again) = match period {
                    Period::Day => ("day's", today.next()),
                    Period::Month => ("month's", today.month().next().first()),
                };
                return Standing::Spent(format!(
                    "the {name} budget of {allowance} is spent ({}): embeddings are bought again on {again} at midnight UTC; for more, raise cost.budget and reload (SIGHUP)",
                    of_kind(allowance, spent)
                ));
            }
            if share >= self.warn_at {
                near = Standing::Near(format!(
                    "{:.0} % of the budget of {allowance} a {} are spent ({})",
                    share * 100.0,
                    period.label(),
                    of_kind(allowance, spent)
                ));
            }
        }
        near
    }

    /// The last day on which anything may be bought, if there is one.
    pub fn until(&self) -> Option<Day> {
        self.until
    }

    /// What may be spent in a period, if that is limited.
    pub fn allowance(&self, period: Period) -> Option<Allowance> {
        match period {
            Period::Day => self.daily,
            Period::Month => self.monthly,
        }
    }
}

fn share(allowance: Allowance, spent: Spent) -> f64 {
    match allowance {
        Allowance::Money(Money::NOTHING) | Allowance::Tokens(0) => 1.0,
        Allowance::Money(money) => spent.money.dollars() / money.dollars(),
        Allowance::Tokens(tokens) => spent.tokens as f64 / tokens as f64,
    }
}

fn of_kind(allowance: Allowance, spent: Spent) -> String {
    match allowance {
        Allowance::Money(_) => spent.money.to_string(),
        Allowance::Tokens(_) => format!("{} tokens", grouped(spent.tokens)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn budget(daily: Option<&str>, monthly: Option<&str>) -> SpendingBudget {
        SpendingBudget::new(&BudgetConfig {
            daily: daily.map(|text| text.parse().unwrap()),
            monthly: monthly.map(|text| text.parse().unwrap()),
            ..BudgetConfig::default()
        })
    }

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn tokens(tokens: u64) -> Spent {
        Spent {
            tokens,
            money: Money::from_dollars(tokens as f64 / 100.0).unwrap(),
        }
    }

    #[test]
    fn a_budget_is_spent_once_all_of_it_is() {
        let budget = budget(Some("100 tokens"), None);
        let at = |spent| budget.look(day("2026-11-30"), tokens(spent), tokens(spent));
        assert_eq!(at(79), Standing::Within);
        assert!(matches!(at(80), Standing::Near(said) if said.contains("80 %")));
        assert!(matches!(at(99), Standing::Near(_)));
        let Standing::Spent(said) = at(100) else {
            unreachable!("it is spent")
        };
        assert!(said.contains("again on 2026-12-01"), "{said}");
    }

    #[test]
    fn a_months_budget_is_spent_until_the_first_of_the_next() {
        let budget = budget(Some("$50"), Some("$10"));
        let today = day("2026-12-05");
        let standing = budget.look(today, tokens(0), tokens(1_000));
        let Standing::Spent(said) = standing else {
            unreachable!("it is spent")
        };
        assert!(said.contains("2027-01-01"), "{said}");
        assert!(said.contains("$10"), "{said}");
    }

    #[test]
    fn after_its_last_day_nothing_is_bought() {
        let budget = SpendingBudget::new(&BudgetConfig {
            until: Some(day("2026-12-31")),
            ..BudgetConfig::default()
        });
        assert!(!budget.is_unlimited());
        let at = |today| budget.look(day(today), tokens(0), tokens(0));
        assert_eq!(at("2026-12-31"), Standing::Within);
        assert!(matches!(at("2027-01-01"), Standing::Spent(_)));
    }

    #[test]
    fn only_budgets_in_money_need_a_price() {
        let keys: Vec<_> = budget(Some("1 tokens"), Some("$1"))
            .keys_in_money()
            .collect();
        assert_eq!(keys, ["cost.budget.monthly"]);
        assert!(budget(None, None).is_unlimited());
    }
}
