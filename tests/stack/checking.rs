//! `vectide check`, run.

use anyhow::Result;

use crate::VECTIDE;
use crate::process::Program;

/// The exit code, and what was printed.
pub(crate) fn check(file: &str) -> Result<(Option<i32>, String)> {
    let output = Program::new("check", &[VECTIDE, "check", "--config", file]).output()?;
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    Ok((output.status.code(), text.concat()))
}
