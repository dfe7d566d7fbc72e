//! `vectide man`: the manual, a page a subcommand.

use std::{fs, io::Write, path::PathBuf};

use anyhow::Context;
use clap::{Args, CommandFactory};

use super::{Cli, ExitStatus, Output};

/// Write the manual into a folder, a page for each subcommand
///
/// For all users of a machine, for example: vectide man /usr/local/share/man/man1. Without a system's
/// folder, `man ./vectide.1` shows a page where it is.
#[derive(Debug, Args)]
pub(super) struct Command {
    /// Where to write vectide.1, vectide-run.1 and so on; made where it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Command {
    pub(super) fn run(self, out: &mut Output) -> anyhow::Result<ExitStatus> {
        let Self { folder } = self;
        let context = || format!("can't write the manual into {}", folder.display());
        fs::create_dir_all(&folder).with_context(context)?;
        clap_mangen::generate_to(whole(), &folder).with_context(context)?;
        writeln!(out, "{}", folder.join("vectide.1").display())?;
        out.flush()?;
        Ok(ExitStatus::Success)
    }
}

/// The command line. A manual has a page for `help` of its own: the page that is read.
fn whole() -> clap::Command {
    Cli::command().disable_help_subcommand(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::io;

    use super::*;

    /// The pages that a command and those below it have.
    fn pages(command: &clap::Command, name: &str) -> Vec<String> {
        let below = command.get_subcommands().filter(|it| !it.is_hide_set());
        let below = below.flat_map(|it| pages(it, &format!("{name}-{}", it.get_name())));
        std::iter::once(format!("{name}.1")).chain(below).collect()
    }

    #[test]
    fn every_subcommand_has_a_page_that_says_what_it_does() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("man1");
        let command = Command {
            folder: folder.clone(),
        };
        command.run(&mut Output::to(io::sink())).unwrap();
        let expected = pages(&whole(), "vectide");
        assert!(expected.contains(&"vectide-dlq-replay.1".to_owned()));
        for page in &expected {
            let text = fs::read_to_string(folder.join(page)).unwrap();
            for section in [".SH NAME", ".SH SYNOPSIS", ".SH OPTIONS"] {
                assert!(text.contains(section), "{page} has no {section}");
            }
        }
        assert_eq!(fs::read_dir(folder).unwrap().count(), expected.len());
    }
}
