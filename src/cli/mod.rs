//! The command line: what can be asked of the program, one file a subcommand.

mod audit;
mod capture;
pub mod catalogue;
mod check;
mod completions;
mod config;
mod cost;
#[cfg(feature = "embedded")]
pub mod demo;
mod dlq;
#[cfg(feature = "embedded")]
mod embedded;
mod estimate;
mod explain;
mod failure;
mod health;
mod inspect;
mod layout;
mod man;
mod output;
mod probe;
mod recheck;
mod reindex;
mod run;
mod search;
mod selection;
#[cfg(feature = "embedded")]
mod simulate;
mod table;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use self::{
    failure::{ExitStatus, describe, exit_status},
    output::Output,
};
use crate::{
    config::{Config, Flag, Problems, Sources},
    telemetry,
};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed, or found what it was asked to look for (differences, a failed check)
  2  the command line or the configuration is wrong; nothing was begun
  3  index and table differ, and nothing is pending that would mend it (explain, audit)";

/// How wide help is, in characters: as wide as the narrowest usual terminal.
const HELP_WIDTH: usize = 80;

/// Keeps a Qdrant collection equal to a database table.
#[derive(Debug, Parser)]
#[command(name = "vectide", version, after_help = EXIT_CODES)]
#[command(propagate_version = true, arg_required_else_help = true, term_width = HELP_WIDTH)]
pub struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

/// Options that every subcommand takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Options {
    /// The configuration file [default: vectide.toml, if present]
    #[arg(long, global = true, env = "VECTIDE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// What is logged, over the configuration's log.level: error, warn, info, debug, trace
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Command),
    #[cfg(feature = "embedded")]
    Demo(demo::Command),
    #[cfg(feature = "embedded")]
    Simulate(simulate::Command),
    Check(check::Command),
    Health(health::Command),
    Capture(capture::Command),
    Inspect(inspect::Command),
    Explain(explain::Command),
    Audit(audit::Command),
    Estimate(estimate::Command),
    Search(search::Command),
    Cost(cost::Command),
    Probe(probe::Command),
    Reindex(reindex::Command),
    Dlq(dlq::Command),
    Config(config::Command),
    #[cfg(feature = "embedded")]
    Embedded(embedded::Command),
    Completions(completions::Command),
    Man(man::Command),
}

impl Cli {
    /// Does what was asked, and writes what it has to say to `out`.
    pub async fn run(self, out: &mut Output) -> anyhow::Result<ExitStatus> {
        match self.command {
            Command::Run(command) => Box::pin(command.run(&self.options)).await,
            #[cfg(feature = "embedded")]
            Command::Demo(command) => {
                Box::pin(command.run(self.options.log_level.as_deref(), out)).await
            }
            #[cfg(feature = "embedded")]
            Command::Simulate(command) => {
                Box::pin(command.run(self.options.log_level.as_deref(), out)).await
            }
            Command::Health(command) => command.run(&self.options, out).await,
            Command::Check(command) => command.run(&self.options, out).await,
            Command::Capture(command) => command.run(&self.options, out).await,
            Command::Inspect(command) => Box::pin(command.run(&self.options, out)).await,
            Command::Explain(command) => Box::pin(command.run(&self.options, out)).await,
            Command::Audit(command) => Box::pin(command.run(&self.options, out)).await,
            Command::Estimate(command) => Box::pin(command.run(&self.options, out)).await,
            Command::Search(command) => command.run(&self.options, out).await,
            Command::Cost(command) => command.run(&self.options, out).await,
            Command::Probe(command) => Box::pin(command.run(&self.options, out)).await,
            Command::Reindex(command) => Box::pin(command.run(&self.options, out)).await,
            Command::Dlq(command) => Box::pin(command.run(&self.options, out)).await,
            Command::Config(command) => command.run(&self.options, out),
            #[cfg(feature = "embedded")]
            Command::Embedded(command) => command.run(&self.options, out).await,
            Command::Completions(command) => command.run(out),
            Command::Man(command) => command.run(out),
        }
    }
}

impl Options {
    /// The configuration as file, environment and these options have it.
    pub fn load_config(&self) -> Result<Config, Problems> {
        self.load_config_for(|_| true)
    }

    /// The same for a command that uses only some of it; see [`Sources::load_for`].
    fn load_config_for(&self, needs: impl Fn(&str) -> bool) -> Result<Config, Problems> {
        let mut sources = Sources::of_process(self.config.clone());
        if let Some(level) = &self.log_level {
            sources.flags.push(Flag {
                name: "--log-level",
                key: "log.level",
                value: level.clone(),
            });
        }
        sources.load_for(needs)
    }

    /// Logs, for a command that tells by what it prints what `run` tells by its log, only where a level
    /// was asked for.
    fn log_if_asked(&self, config: &Config) -> anyhow::Result<()> {
        if self.log_level.is_some() {
            telemetry::init_logging(&config.log)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }
}
