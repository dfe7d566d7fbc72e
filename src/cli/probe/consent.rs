//! What it will cost, and whether that is wanted: asked before anything is sent.

use std::{
    fmt::Write as _,
    io::{self, BufRead, IsTerminal, Write as _},
};

use crate::{
    cli::failure::Misused,
    cost::{Money, grouped},
    probe::Ceiling,
};

use super::candidates::Candidate;

/// Finds out how much may be spent; `None` when nothing may. `tokens` are about as many as each candidate
/// will charge for.
pub(super) fn ask(
    candidates: &[Candidate],
    tokens: &[u64],
    requests: usize,
    given: Ceiling,
    is_agreed: bool,
) -> anyhow::Result<Option<Ceiling>> {
    let sold: Vec<_> = candidates
        .iter()
        .zip(tokens)
        .filter(|(candidate, _)| !candidate.is_free())
        .collect();
    if given.money.is_some() {
        require_prices(candidates)?;
    }
    if is_agreed || given != Ceiling::default() || sold.is_empty() {
        return Ok(Some(given));
    }
    let mut expected = String::new();
    for (candidate, tokens) in sold {
        let cost = candidate.price.map(|price| price.of(*tokens).to_string());
        writeln!(
            expected,
            "{}: {} requests, about {} tokens, {}",
            candidate.name,
            grouped(requests),
            grouped(tokens),
            cost.as_deref().unwrap_or("at a price that is not known"),
        )?;
    }
    if !io::stdin().is_terminal() {
        let message = format!(
            "nobody can be asked whether to spend this: {}; give --max-cost, --max-tokens or --yes",
            expected.trim_end().replace('\n', "; ")
        );
        return Err(Misused(message).into());
    }
    let mut err = io::stderr();
    write!(
        err,
        "{expected}Begin? y: yes; n: no; or the most to spend, in dollars [n] "
    )?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    match understand(&answer) {
        Ok(Some(ceiling)) => {
            if ceiling.money.is_some() {
                require_prices(candidates)?;
            }
            Ok(Some(ceiling))
        }
        Ok(None) => Ok(None),
        Err(message) => Err(Misused(message.to_owned()).into()),
    }
}

/// A ceiling for money says nothing about a provider whose price is not known.
fn require_prices(candidates: &[Candidate]) -> Result<(), Misused> {
    let unknown = candidates
        .iter()
        .find(|candidate| candidate.price.is_none() && !candidate.is_free());
    match unknown {
        None => Ok(()),
        Some(Candidate { name, settings, .. }) => Err(Misused(format!(
            "what {name} charges for \"{}\" is not known: give its price in a file with --prices, or limit tokens with --max-tokens",
            settings.model
        ))),
    }
}

/// `None`: not to begin.
fn understand(answer: &str) -> Result<Option<Ceiling>, &'static str> {
    match answer.trim().to_lowercase().as_str() {
        "" | "n" | "no" => Ok(None),
        "y" | "yes" => Ok(Some(Ceiling::default())),
        amount => dollars(amount).map(|money| {
            Some(Ceiling {
                money: Some(money),
                tokens: None,
            })
        }),
    }
}

/// An amount of money, as `$0.50` or `0.5`.
pub(super) fn dollars(text: &str) -> Result<Money, &'static str> {
    let amount = text.strip_prefix('$').unwrap_or(text).parse().ok();
    let money = amount.and_then(Money::from_dollars);
    money
        .filter(|money| *money > Money::NOTHING)
        .ok_or("write an amount of dollars above zero, as 0.50")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_yes_no_or_an_amount() {
        assert_eq!(understand("\n"), Ok(None));
        assert_eq!(understand("No\n"), Ok(None));
        assert_eq!(understand("y\n"), Ok(Some(Ceiling::default())));
        let half = Ceiling {
            money: Money::from_dollars(0.5),
            tokens: None,
        };
        assert_eq!(understand("$0.50\n"), Ok(Some(half)));
        for wrong in ["perhaps", "-1", "0", "nan"] {
            assert!(understand(wrong).is_err(), "{wrong}");
        }
    }
}
