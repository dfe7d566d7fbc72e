//! `vectide run`: the service.

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use super::{ExitStatus, Options};
use crate::{
    app::App,
    config::{Config, Problems},
    telemetry,
};

/// Keep the index equal to the table, until SIGTERM or SIGINT.
#[derive(Debug, Args)]
pub(super) struct Command {}

impl Command {
    pub(super) async fn run(self, options: &Options) -> anyhow::Result<ExitStatus> {
        let config = load(options)?;
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
        let mut reloads = app.listen_for_reloads();
        let failed = loop {
            tokio::select! {
                name = signals.next() => {
                    info!("{name}: draining");
                    break false;
                }
                () = app.asked_to_drain() => break false,
                () = app.failed() => break true,
                _ = hangup.recv() => {
                    // The log has said what there is to say.
                    let _ = reload(options, &app, "SIGHUP");
                }
                Some(request) = reloads.recv() => {
                    request.answer(reload(options, &app, "POST /api/reload"));
                }
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

/// The configuration, all of whose secrets are to be had.
fn load(options: &Options) -> anyhow::Result<Config> {
    let config = options.load_config()?;
    let problems = config.unresolved_secrets();
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(Problems::from(problems).into())
    }
}

/// Takes over of the configuration, as it is now, what needs no restart; says in one line what came of
/// it. `by` is who asked.
fn reload(options: &Options, app: &App, by: &str) -> Result<String, String> {
    let reloaded = load(options).and_then(|config| app.reload(&config));
    app.metrics().reloaded(reloaded.is_ok());
    match reloaded {
        Ok(done) if done.needs_restart.is_empty() => {
            info!("{by}: {done}");
            Ok(done.to_string())
        }
        Ok(done) => {
            warn!("{by}: {done}");
            Ok(done.to_string())
        }
        Err(error) => {
            // Of several problems each is a line.
            let lines = format!("{error:#}").replace('\n', "; ");
            let why = format!("nothing is reloaded: {lines}");
            error!("{by}: {why}");
            Err(why)
        }
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
