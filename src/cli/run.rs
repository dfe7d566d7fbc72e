//! `vectide run`: the service.

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use super::{ExitStatus, Options};
use crate::{
    app::App,
    config::{Config, Problems},
    telemetry::{self, Log},
};

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
        let mut hangup = signal(SignalKind::hangup())?;
        let app = tokio::select! {
            app = App::start(&config) => app?,
            name = signals.next() => {
                info!("{name} before the start was complete");
                return Ok(ExitStatus::Success);
            }
        };
        let failed = loop {
            tokio::select! {
                name = signals.next() => {
                    info!("{name}: draining");
                    break false;
                }
                () = app.asked_to_drain() => break false,
                () = app.failed() => break true,
                _ = hangup.recv() => reload(options, &config),
            }
        };
        app.stop().await?;
        if failed {
            anyhow::bail!("a part of the program ended by itself; the log says why");
        }
        info!("stopped");
        Ok(ExitStatus::Success)
    }
}

/// Takes over of the configuration, as it is now, what needs no restart; says so of the rest.
fn reload(options: &Options, running: &Config) {
    let config = match options.load_config() {
        Ok(config) => config,
        Err(problems) => return error!("SIGHUP: nothing is reloaded: {problems}"),
    };
    if let Some(log) = Log::of_process()
        && let Err(error) = log.set_level(&config.log.level)
    {
        return error!("SIGHUP: nothing is reloaded: {error}");
    }
    info!("SIGHUP: log.level is {}", config.log.level);
    let is_same_but_for_the_level = {
        let mut running = running.clone();
        running.log.level.clone_from(&config.log.level);
        running == config
    };
    if !is_same_but_for_the_level {
        warn!("SIGHUP: the configuration has changed in more than log.level; that needs a restart");
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
