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
    /// Whether lines about dead letters quote what could not be read of a row, or what the provider says
    /// about it. They name the record in any case, and `vectide dlq show` shows it.
    pub row_values: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: LogFormat::default(),
            row_values: false,
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
    /// The filter that a level or directives by module stand for, or what is wrong with them.
    pub(crate) fn filter(level: &str) -> Result<EnvFilter, String> {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        if level.trim().is_empty() {
            return Err("must not be empty".to_owned());
        }
        let filter = EnvFilter::try_new(level)
            .map_err(|error| format!("{level:?} can't be read: {error}"))?;
        // A filter takes a word that is no level for a module, and then logs nothing else: `inof`.
        let is_level = |word: &&str| {
            word.is_empty()
                || word.contains(['=', '[', ':'])
                || LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word))
        };
        match level.split(',').map(str::trim).find(|word| !is_level(word)) {
            Some(word) => Err(format!(
                "{word:?} is no level ({}); a module takes one: {word}=debug",
                LEVELS.join(", ")
            )),
            None => Ok(filter),
        }
    }

    pub(super) fn validate(&self, report: &mut Report) {
        if let Err(problem) = Self::filter(&self.level) {
            report.refuse("log.level", problem);
        }
    }
}
