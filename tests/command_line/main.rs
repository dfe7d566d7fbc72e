//! The program as a shell sees it: output, messages, exit codes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod ask;
#[cfg(all(unix, feature = "embedded"))]
mod capture;
#[cfg(all(unix, feature = "embedded"))]
mod check;
mod config;
mod health;
mod help;
mod inspect;
#[cfg(all(unix, feature = "embedded"))]
mod letters;
#[cfg(all(unix, feature = "embedded"))]
mod running;
#[cfg(all(unix, feature = "embedded"))]
mod stand_ins;

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

/// The program in a directory of its own, without this process's environment.
fn vectide(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vectide"));
    command
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .stdin(Stdio::null());
    command
}

fn texts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}
