//! `vectide run`: the service.

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

use super::{ExitStatus, Options};
use crate::{app::App, config::Problems, telemetry};

/// Keep the index equal to the table, until SIGTERM or SIGINT.
#[derive(Debug, Args)]
pub(super) struct Command {}

impl Command {
    pub(super) async fn run(self, options: &Options) -> anyhow::Result<ExitStatus> {
        let config = options.load_config()?;
        let problems = config.unresolved_secrets();
        if !problems.is_empty() {
            return Err(Problems::from(problems).into());
        }
        telemetry::init_logging(&config.log)?;
        let mut signals = Signals::listen()?;
        let app = tokio::select! {
            app = App::start(&config) => app?,
            name = signals.next() => {
                info!("{name} before the start was complete");
                return Ok(ExitStatus::Success);
            }
        };
        let failed = tokio::select! {
            name = signals.next() => {
                info!("{name}: draining");
                false
            }
            () = app.failed() => true,
        };
        app.stop().await?;
        if failed {
            anyhow::bail!("a part of the program ended by itself; the log says why");
        }
        info!("stopped");
        Ok(ExitStatus::Success)
    }
}

/// The signals that ask to stop.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one, and returns its name.
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
