//! `[log]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use super::validate::Report;

/// What is logged, and how it looks. Logs go to standard error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug` or `trace`, or directives by module such as
    /// `info,vectide::index=debug`.
    pub level: String,
    /// `human` for eyes, `json` for one object a line.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: LogFormat::default(),
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Readable lines, coloured on a terminal.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

impl LogConfig {
    pub(super) fn validate(&self, report: &mut Report) {
        const KEY: &str = "log.level";
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        report.not_blank(KEY, &self.level);
        if let Err(error) = EnvFilter::try_new(&self.level) {
            report.refuse(KEY, format!("{:?} can't be read: {error}", self.level));
            return;
        }
        // A filter takes a word that is no level for a module, and then logs nothing else: `inof`.
        for word in self.level.split(',').map(str::trim) {
            report.refuse_if(
                !word.is_empty()
                    && !word.contains(['=', '[', ':'])
                    && !LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word)),
                KEY,
                format!(
                    "{word:?} is no level ({}); a module takes one: {word}=debug",
                    LEVELS.join(", ")
                ),
            );
        }
    }
}
