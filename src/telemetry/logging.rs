//! The log: lines for people, or JSON, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, util::SubscriberInitExt};

use crate::config::{LogConfig, LogFormat};

/// The log can't be started.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The level is no filter.
    #[error("log.level `{level}` is no filter: {source}")]
    Level {
        /// What is configured.
        level: String,
        /// Why it is none.
        source: tracing_subscriber::filter::ParseError,
    },
    /// There is one already.
    #[error("the log was started before")]
    Started(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts the log of this process.
pub fn init(config: &LogConfig) -> Result<(), LoggingError> {
    let filter = EnvFilter::try_new(&config.level).map_err(|source| LoggingError::Level {
        level: config.level.clone(),
        source,
    })?;
    let lines = fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match config.format {
        LogFormat::Human => lines.with_target(false).finish().try_init()?,
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}
