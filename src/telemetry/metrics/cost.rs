//! Metrics of money.

use prometheus::{CounterVec, Error, GaugeVec, IntCounterVec, Opts, Registry};

use super::add;
use crate::cost::{Entry, Figures, Period};

/// What was spent and saved. A clone counts into the same metrics.
#[derive(Debug, Clone)]
pub struct CostMetrics {
    bought: Family,
    saved: Family,
    budget: GaugeVec,
}

/// Texts, tokens and dollars by the same labels.
#[derive(Debug, Clone)]
struct Family {
    texts: IntCounterVec,
    tokens: IntCounterVec,
    dollars: CounterVec,
}

impl CostMetrics {
    /// Makes the metrics and registers them. Fails where one of their names is taken.
    pub fn register(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            bought: Family::register(
                registry,
                "vectide_bought",
                "that were bought",
                &["table", "model", "reason"],
            )?,
            saved: Family::register(
                registry,
                "vectide_saved",
                "that need not be bought",
                &["table", "model", "by"],
            )?,
            budget: add(
                registry,
                GaugeVec::new(
                    Opts::new(
                        "vectide_cost_budget_spent_ratio",
                        "How much of a budget all members have spent, by period: day or month. From 1 on nothing is bought.",
                    ),
                    &["period"],
                ),
            )?,
        })
    }

    /// Counts a line of an account.
    pub fn count(&self, entry: &Entry, figures: &Figures) {
        let family = if entry.why.is_bought() {
            &self.bought
        } else {
            &self.saved
        };
        let labels = [&*entry.table, &*entry.model, entry.why.label()];
        family
            .texts
            .with_label_values(&labels)
            .inc_by(figures.texts);
        family
            .tokens
            .with_label_values(&labels)
            .inc_by(figures.tokens);
        family
            .dollars
            .with_label_values(&labels)
            .inc_by(figures.money.dollars());
    }

    /// Shows the share of a budget that is spent.
    pub fn budget(&self, period: Period, share: f64) {
        let labels = [period.label()];
        self.budget.with_label_values(&labels).set(share);
    }

    /// Shows no share of a period's budget any more: there is none.
    pub fn no_budget(&self, period: Period) {
        // An error means that none was shown.
        let _ = self.budget.remove_label_values(&[period.label()]);
    }
}

impl Family {
    fn register(
        registry: &Registry,
        name: &str,
        what: &str,
        labels: &[&str],
    ) -> Result<Self, Error> {
        let opts = |unit: &str, help: &str| Opts::new(format!("{name}_{unit}_total"), help);
        Ok(Self {
            texts: add(
                registry,
                IntCounterVec::new(opts("texts", &format!("Texts {what}.")), labels),
            )?,
            tokens: add(
                registry,
                IntCounterVec::new(opts("tokens", &format!("Tokens {what}.")), labels),
            )?,
            dollars: add(
                registry,
                CounterVec::new(
                    opts(
                        "usd",
                        &format!("US dollars for the tokens {what}; 0 where no price is known."),
                    ),
                    labels,
                ),
            )?,
        })
    }
}
