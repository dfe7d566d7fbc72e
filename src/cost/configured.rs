//! What is configured about costs, as far as it depends on the prices.

use std::sync::Arc;

use crate::{
    config::{Config, EmbedConfig, Problem, Problems},
    telemetry::CostMetrics,
};

use super::{
    books::{Books, Clock},
    budget::SpendingBudget,
    money::Price,
    prices::PriceTable,
};

/// What is known of the configured model's price.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownPrice {
    /// What a token costs; `None` where no table has the model.
    pub price: Option<Price>,
    /// As of when.
    pub dated: String,
}

impl KnownPrice {
    /// Looks the model up. Fails where the table can't be read, and, as a problem of the configuration,
    /// where a budget is in money and no price is known.
    pub fn of(config: &Config) -> anyhow::Result<Self> {
        let table = PriceTable::with_file(config.cost.prices.as_deref())?;
        let EmbedConfig { model, url, .. } = &config.embed;
        let price = table.find(model, url).map(|model| model.price);
        if price.is_none() {
            let message = format!(
                "is an amount of money, and no price of the model \"{model}\" is known: name a table in cost.prices that has one, or give tokens"
            );
            let budget = SpendingBudget::new(&config.cost.budget);
            let problems = budget.keys_in_money();
            let problems = problems.map(|key| Problem::of_key(key, message.clone()));
            Problems::refuse_any(problems.collect())?;
        }
        Ok(Self {
            price,
            dated: table.dated().to_owned(),
        })
    }
}

impl Books {
    /// The books of a program that is configured so. Fails as [`KnownPrice::of`] does.
    pub fn open(config: &Config, metrics: CostMetrics) -> anyhow::Result<Self> {
        let clock: Clock = Arc::new(std::time::SystemTime::now);
        Ok(Self::new(
            &config.embed.model,
            KnownPrice::of(config)?.price,
            SpendingBudget::new(&config.cost.budget),
            metrics,
            clock,
        ))
    }
}
