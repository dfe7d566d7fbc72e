//! The program: parse, build the runtime, run, say how it ended.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context;
use clap::Parser;
use vectide::{
    cli::{Cli, ExitStatus, Output, describe, exit_status},
    config::read_dot_env,
};

fn main() -> ExitCode {
    let error = match run() {
        Ok(status) => return status.into(),
        Err(error) => error,
    };
    if let Some(message) = describe(&error) {
        // When standard error is closed, the exit code still tells.
        let _ = writeln!(io::stderr(), "{message}");
    }
    exit_status(&error).into()
}

fn run() -> anyhow::Result<ExitStatus> {
    // First of all: the environment may be changed only while there is one thread, and the
    // command line looks into it.
    read_dot_env()?;
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    let ended = runtime.block_on(cli.run(&mut Output::stdout()));
    // A call that hangs must not keep the program from ending.
    runtime.shutdown_background();
    ended
}
