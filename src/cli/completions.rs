//! `vectide completions`: tab completion for a shell.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::{Cli, ExitStatus, Output};

/// Print the completion script of a shell
///
/// For bash, for example: vectide completions bash > ~/.local/share/bash-completion/completions/vectide
#[derive(Debug, Args)]
pub(super) struct Command {
    shell: Shell,
}

impl Command {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<ExitStatus> {
        let mut command = Cli::command();
        let name = command.get_name().to_owned();
        // The generator panics where it can't write, so it writes to memory.
        let mut script = Vec::new();
        generate(self.shell, &mut command, name, &mut script);
        out.write_all(&script)?;
        out.flush()?;
        Ok(ExitStatus::Success)
    }
}
