//! How the process ends, and what it says when it fails.

use std::process::ExitCode;

use crate::{config::Problems, cost::PriceTableError, postgres::SessionError};

use super::Output;

/// The exit codes, as `--help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitStatus {
    /// Done.
    Success = 0,
    /// Failed, or found what it was asked to look for.
    Failure = 1,
    /// The command line or the configuration is wrong; nothing was begun.
    Usage = 2,
    /// Index and table differ, and nothing is pending that would make them equal.
    Differs = 3,
}

/// What was asked for does not fit the configuration.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Misused(pub(super) String);

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status as u8)
    }
}

/// How the process ends with this error.
pub fn exit_status(error: &anyhow::Error) -> ExitStatus {
    if Output::is_closed(error) {
        ExitStatus::Success
    } else if error.chain().any(|cause| {
        cause.is::<Problems>()
            || cause.is::<PriceTableError>()
            || cause.is::<Misused>()
            || matches!(cause.downcast_ref(), Some(SessionError::NotConfigured(_)))
    }) {
        ExitStatus::Usage
    } else {
        ExitStatus::Failure
    }
}

/// What is written to standard error: one line with the chain of causes, or the problems of a
/// configuration, one a line. `None` where there is nothing to say.
pub fn describe(error: &anyhow::Error) -> Option<String> {
    if Output::is_closed(error) {
        return None;
    }
    if let Some(problems) = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Problems>())
    {
        let summary = match problems.as_slice().len() {
            1 => "the configuration has a problem".to_owned(),
            n => format!("the configuration has {n} problems"),
        };
        return Some(format!("vectide: {summary}:\n{problems}"));
    }
    Some(format!("vectide: {}", causes(error)))
}

/// The chain in one line. Many errors repeat their cause in their own words: it is said once.
pub(super) fn causes(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        let text = text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::io;

    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn a_chain_of_causes_is_one_line_and_repeats_nothing() {
        let error = Err::<(), _>(anyhow!("connection refused"))
            .context("tcp connect error: connection refused")
            .context("cannot reach Qdrant at\nlocalhost:6334")
            .unwrap_err();
        assert_eq!(
            describe(&error).as_deref(),
            Some(
                "vectide: cannot reach Qdrant at localhost:6334: tcp connect error: connection refused"
            )
        );
        assert_eq!(exit_status(&error), ExitStatus::Failure);
    }

    #[test]
    fn only_the_outputs_own_broken_pipe_is_nothing_to_speak_of() {
        struct Gone;
        impl io::Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let closed = io::Write::write_all(&mut Output::to(Gone), b"x")
            .context("cannot print")
            .unwrap_err();
        assert_eq!(describe(&closed), None);
        assert_eq!(exit_status(&closed), ExitStatus::Success);

        let elsewhere = anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(exit_status(&elsewhere), ExitStatus::Failure);
        assert!(describe(&elsewhere).is_some());
    }
}
