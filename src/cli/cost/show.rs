//! What embeddings cost, for people and for programs.

use std::fmt::{self, Write as _};

use serde_json::{Value as Json, json};

use crate::{
    cli::layout::{self, Side},
    cost::{Account, Day, Entry, Figures, Month, Period, SpendingBudget, Why, grouped},
};

/// The accounts of a day and a month.
pub(super) struct Report {
    pub(super) day: Option<(Day, Account)>,
    pub(super) month: (Month, Account),
    pub(super) budget: SpendingBudget,
}

impl Report {
    /// A table for the day, and one for the month.
    pub(super) fn to_text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        if let Some((day, account)) = &self.day {
            let share = self.budget.share(Period::Day, account.spent());
            section(&mut text, &day.to_string(), account, share)?;
            text.push('\n');
        }
        let (month, account) = &self.month;
        let share = self.budget.share(Period::Month, account.spent());
        section(&mut text, &month.to_string(), account, share)?;
        Ok(text)
    }

    /// All of it, as one object.
    pub(super) fn to_json(&self) -> Json {
        let (month, of_month) = &self.month;
        let share = |period, account: &Account| self.budget.share(period, account.spent());
        json!({
            "day": self.day.as_ref().map(|(day, account)| {
                let share = share(Period::Day, account);
                json!({ "day": day.to_string(), "account": to_json(account, share) })
            }),
            "month": {
                "month": month.to_string(),
                "account": to_json(of_month, share(Period::Month, of_month)),
            },
        })
    }
}

fn section(text: &mut String, name: &str, account: &Account, share: Option<f64>) -> fmt::Result {
    let spent = account.spent();
    write!(
        text,
        "{name}: {} for {} tokens",
        spent.money,
        grouped(spent.tokens)
    )?;
    if let Some(share) = share {
        write!(text, ", {:.1} % of the budget", share * 100.0)?;
    }
    text.push('\n');
    for (is_bought, head) in [(true, "bought"), (false, "saved")] {
        let lines = account
            .entries()
            .filter(|(entry, _)| entry.why.is_bought() == is_bought);
        let mut rows: Vec<Vec<String>> = lines.map(|(entry, it)| row(entry, *it)).collect();
        if rows.is_empty() {
            continue;
        }
        let names = [head, "table", "model", "texts", "tokens", "money"];
        rows.insert(0, names.map(str::to_owned).to_vec());
        let sides = [Side::Left, Side::Left, Side::Left, Side::Right];
        layout::table(text, "  ", &sides, &rows)?;
    }
    Ok(())
}

fn row(entry: &Entry, figures: Figures) -> Vec<String> {
    let table = if entry.table.is_empty() {
        "-"
    } else {
        &entry.table
    };
    let about = if entry.why.is_bought() { "" } else { "~" };
    vec![
        entry.why.label().to_owned(),
        table.to_owned(),
        entry.model.to_string(),
        grouped(figures.texts),
        format!("{about}{}", grouped(figures.tokens)),
        format!("{about}{}", figures.money),
    ]
}

fn to_json(account: &Account, share: Option<f64>) -> Json {
    let lines = |is_bought: bool| -> Vec<Json> {
        let key = if is_bought { "reason" } else { "by" };
        account
            .entries()
            .filter(|(entry, _)| entry.why.is_bought() == is_bought)
            .map(|(entry, figures)| line(key, entry, *figures))
            .collect()
    };
    let spent = account.spent();
    json!({
        "tokens": spent.tokens,
        "usd": spent.money.dollars(),
        "budget_spent_ratio": share,
        "bought": lines(true),
        "saved": lines(false),
    })
}

fn line(key: &str, entry: &Entry, figures: Figures) -> Json {
    let mut line = json!({
        "table": entry.table,
        "model": entry.model,
        "texts": figures.texts,
        "tokens": figures.tokens,
        "usd": figures.money.dollars(),
    });
    let why: Why = entry.why;
    if let Some(line) = line.as_object_mut() {
        line.insert(key.to_owned(), json!(why.label()));
    }
    line
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::{
        config::BudgetConfig,
        cost::{Price, Reason, Saving},
    };

    fn account() -> Account {
        let lines = [
            (Why::Bought(Reason::New), 1_000),
            (Why::Bought(Reason::TextChanged), 200_000),
            (Why::Saved(Saving::PayloadOnly), 5_000_000),
        ];
        let lines = lines.map(|(why, tokens)| {
            let entry = Entry {
                table: "shop.products".into(),
                model: "small".into(),
                why,
            };
            let figures = Figures {
                texts: tokens / 100,
                tokens,
                money: Price::per_million(1.0).unwrap().of(tokens),
            };
            (entry, figures)
        });
        lines.into_iter().collect()
    }

    fn report() -> Report {
        Report {
            day: None,
            month: ("2026-11".parse().unwrap(), account()),
            budget: SpendingBudget::new(&BudgetConfig {
                monthly: "$0.402".parse().ok(),
                ..BudgetConfig::default()
            }),
        }
    }

    #[test]
    fn what_was_spent_comes_first_and_what_was_saved_is_an_estimate() {
        let text = report().to_text().unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "2026-11: $0.201 for 201,000 tokens, 50.0 % of the budget",
                "  bought        table          model  texts   tokens   money",
                "  new           shop.products  small     10    1,000  $0.001",
                "  text_changed  shop.products  small  2,000  200,000   $0.20",
                "  saved         table          model   texts      tokens   money",
                "  payload_only  shop.products  small  50,000  ~5,000,000  ~$5.00",
            ]
        );
    }

    #[test]
    fn programs_get_all_of_it() {
        let json = report().to_json();
        let month = json.pointer("/month/account").unwrap();
        assert_eq!(month["tokens"], 201_000);
        assert_eq!(month["bought"][1]["reason"], "text_changed");
        assert_eq!(month["saved"][0]["by"], "payload_only");
        assert_eq!(json["day"], Json::Null);
    }

    #[test]
    fn an_empty_month_cost_nothing() {
        let report = Report {
            month: ("2026-11".parse().unwrap(), Account::default()),
            ..report()
        };
        let text = report.to_text().unwrap();
        assert_eq!(text, "2026-11: $0.00 for 0 tokens, 0.0 % of the budget\n");
    }
}
