//! `[cost]`.

use std::{borrow::Cow, path::PathBuf, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::{allowance::Allowance, human_duration, validate::Report};
use crate::cost::Day;

/// What embeddings cost, and what may be spent on them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CostConfig {
    /// A table of prices whose entries count before those that came with the program; see
    /// `schemas/prices.toml` for its form.
    pub prices: Option<PathBuf>,
    /// How often it is noted in the collections what was spent, and read what other members spent.
    /// After a crash what was spent since is not known.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub note_every: Duration,
    /// For how many days a day's account is kept.
    pub keep_days: u32,
    /// What may be spent: then no embedding is bought any more, while deletes and payload changes
    /// go on.
    pub budget: BudgetConfig,
}

/// What may be spent, by all members together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetConfig {
    /// In a day of UTC: `"$20"` or `"400M tokens"`.
    pub daily: Option<Allowance>,
    /// In a month of UTC.
    pub monthly: Option<Allowance>,
    /// The last day of UTC on which anything may be bought, as `"2026-12-31"`.
    #[serde(with = "day")]
    #[schemars(with = "Option<day::Text>")]
    pub until: Option<Day>,
    /// At how many percent of a budget a warning is logged.
    pub warn_at: u8,
}

impl Default for CostConfig {
    fn default() -> Self {
        Self {
            prices: None,
            note_every: Duration::from_secs(10),
            keep_days: 400,
            budget: BudgetConfig::default(),
        }
    }
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self {
            daily: None,
            monthly: None,
            until: None,
            warn_at: 80,
        }
    }
}

impl CostConfig {
    pub(super) fn validate(&self, report: &mut Report, today: Day) {
        report.not_zero("cost.note_every", self.note_every);
        // Less than a month, and monthly figures would be wrong.
        report.within("cost.keep_days", &self.keep_days, &(32..=10_000));
        report.within("cost.budget.warn_at", &self.budget.warn_at, &(1..=100));
        if let Some(until) = self.budget.until {
            report.refuse_if(
                until < today,
                "cost.budget.until",
                format!("is {until}, in the past: nothing could be bought any more"),
            );
        }
    }
}

/// An optional [`Day`], as text.
mod day {
    use super::{
        Cow, Day, Deserialize, Deserializer, Error, JsonSchema, Schema, SchemaGenerator,
        Serializer, json_schema,
    };

    #[expect(
        clippy::ref_option,
        clippy::trivially_copy_pass_by_ref,
        reason = "serde hands over the field by reference"
    )]
    pub(super) fn serialize<S: Serializer>(
        day: &Option<Day>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match day {
            Some(day) => serializer.collect_str(day),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Day>, D::Error> {
        let text = Option::<Cow<str>>::deserialize(deserializer)?;
        let day = text.map(|text| text.parse().map_err(D::Error::custom));
        day.transpose()
    }

    /// What the schema says of a day.
    pub(super) struct Text;

    impl JsonSchema for Text {
        fn schema_name() -> Cow<'static, str> {
            "Day".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": "string", "format": "day" })
        }

        fn inline_schema() -> bool {
            true
        }
    }
}
