//! `vectide inspect`: what Vectide understands of records.

use clap::Args;

use super::{ExitStatus, Options, Output};

/// Show what Vectide understands of records
#[derive(Debug, Args)]
pub(super) struct Command {}

impl Command {
    pub(super) async fn run(self, _: &Options, _: &mut Output) -> anyhow::Result<ExitStatus> {
        Ok(ExitStatus::Success)
    }
}
