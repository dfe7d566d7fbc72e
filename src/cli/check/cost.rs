//! The model's price, and whether the budget can be kept.

use super::Report;
use crate::{config::Config, cost::KnownPrice};

pub(super) fn check(config: &Config) -> Report {
    let mut report = Report::default();
    let model = &config.embed.model;
    report.result("cost", KnownPrice::of(config), |known| match known.price {
        Some(price) => format!(
            "{model} costs ${} for a million tokens (prices of {})",
            price.dollars_per_million(),
            known.dated
        ),
        None => format!("no price of {model} is known: tokens are counted, and no money"),
    });
    report
}
