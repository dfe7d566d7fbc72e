//! The log: lines for people, or JSON, on standard error.

use std::{io::IsTerminal, sync::OnceLock};

use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

use super::Recent;
use crate::config::{LogConfig, LogFormat};

/// The log of this process, once it was started: there is one, as there is one standard error.
static LOG: OnceLock<Log> = OnceLock::new();

/// The log can't be started.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The level is no filter.
    #[error("log.level: {0}")]
    Level(String),
    /// There is one already.
    #[error("the log was started before")]
    Started(#[from] tracing_subscriber::util::TryInitError),
}

/// The running log.
#[derive(Debug, Clone)]
pub struct Log {
    filter: reload::Handle<EnvFilter, Registry>,
    recent: Recent,
}

impl Log {
    /// That of this process, if it was started.
    pub fn of_process() -> Option<&'static Self> {
        LOG.get()
    }

    /// Logs by these directives from now on; see [`LogConfig::level`].
    pub fn set_level(&self, level: &str) -> Result<(), LoggingError> {
        let filter = filter(level)?;
        // Fails only once the subscriber is gone, and it stays as long as the process.
        let _ = self.filter.reload(filter);
        Ok(())
    }

    /// The latest warnings and errors, whatever the level is.
    pub fn recent(&self) -> &Recent {
        &self.recent
    }
}

/// Starts the log of this process.
pub fn init(config: &LogConfig) -> Result<(), LoggingError> {
    let (filter, handle) = reload::Layer::new(filter(&config.level)?);
    let recent = Recent::default();
    // The engine of the embedded Qdrant warns that its own server's start has not set it up: of no use to anybody here.
    let to_keep = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("qdrant_edge::common", LevelFilter::ERROR);
    let lines = fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let lines = match config.format {
        LogFormat::Human => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(recent.clone().with_filter(to_keep))
        .try_init()?;
    // The subscriber is set once, so this is the first one.
    let _ = LOG.set(Log {
        filter: handle,
        recent,
    });
    Ok(())
}

fn filter(level: &str) -> Result<EnvFilter, LoggingError> {
    LogConfig::filter(level).map_err(LoggingError::Level)
}
