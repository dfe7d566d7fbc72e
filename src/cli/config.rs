//! `vectide config`: what the program would run with.

use std::io::Write;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::{ExitStatus, Options, Output};
use crate::config::json_schema;

/// Print the effective configuration as TOML, secrets as references only
///
/// Defaults, file, environment and options, merged and checked. Every problem is reported, one a
/// line, with where it is.
#[derive(Debug, Args)]
pub(super) struct Command {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print the JSON Schema of the configuration file, for editors
    Schema,
}

impl Command {
    pub(super) fn run(self, options: &Options, out: &mut Output) -> anyhow::Result<ExitStatus> {
        let text = match self.what {
            None => toml::to_string_pretty(&options.load_config()?)
                .context("cannot write the configuration as TOML")?,
            Some(What::Schema) => {
                format!("{:#}\n", json_schema())
            }
        };
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(ExitStatus::Success)
    }
}
