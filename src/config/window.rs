//! `[window]`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{human_duration, validate::Report};

/// How long changes of one key are collected before they are acted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WindowConfig {
    /// A changed text is embedded when its key has been quiet for this long, so that an edit in
    /// ten steps buys one embedding.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub quiet: Duration,
    /// A key that is never quiet is embedded after this long at the latest; until then it holds
    /// back the committed offset.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub max_hold: Duration,
    /// How long deletes and payload changes (price, stock) may wait for others to share a write.
    #[serde(with = "human_duration")]
    #[schemars(with = "human_duration::Text")]
    pub linger: Duration,
    /// A column that changes with every update, such as `updated_at`. An equal version with equal
    /// content is then known for a duplicate; an equal version with other content is applied.
    pub version_column: Option<String>,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(5),
            max_hold: Duration::from_secs(30),
            linger: Duration::from_millis(10),
            version_column: None,
        }
    }
}

impl WindowConfig {
    pub(super) fn validate(&self, report: &mut Report) {
        report.refuse_if(
            self.max_hold < self.quiet,
            "window.max_hold",
            format!(
                "is {}, less than window.quiet ({}): no key would ever be held that long",
                humantime::format_duration(self.max_hold),
                humantime::format_duration(self.quiet),
            ),
        );
        if let Some(column) = &self.version_column {
            report.not_blank("window.version_column", column);
        }
    }
}
