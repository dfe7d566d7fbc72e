//! A server as a child process that cannot outlive the test.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::wait::until;

/// How long a program has to stop in good order before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// A started program. Dropping it stops it; should the test itself be killed, the kernel asks the program to stop.
pub(crate) struct Process {
    name: String,
    stop_signal: String,
    log: PathBuf,
    child: Child,
}

/// What a program is started with.
pub(crate) struct Program<'a> {
    /// Names the log file and the program in messages.
    pub(crate) name: &'a str,
    /// The executable and its arguments.
    pub(crate) command: &'a [&'a str],
    /// The user it runs as, when the test runs as root and the program refuses to.
    pub(crate) user: Option<&'a str>,
    /// The signal that makes it stop in good order.
    pub(crate) stop_signal: &'a str,
    /// Whether the caller talks to it over its standard input and output; they go to the log otherwise.
    pub(crate) piped: bool,
}

impl<'a> Program<'a> {
    /// A program that runs as the test's user, logs what it prints and stops at SIGTERM.
    pub(crate) fn new(name: &'a str, command: &'a [&'a str]) -> Self {
        Self {
            name,
            command,
            user: None,
            stop_signal: "TERM",
            piped: false,
        }
    }

    /// The command, wrapped so that the program's life is tied to the test's.
    fn command(&self) -> Command {
        // setpriv (util-linux) sets the parent-death signal, which the standard library cannot do safely.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", self.stop_signal]);
        if let Some(user) = self.user {
            command.args([
                &format!("--reuid={user}"),
                &format!("--regid={user}"),
                "--init-groups",
            ]);
        }
        command.arg("--").args(self.command);
        command
    }

    /// Runs it to its end, however that is.
    pub(crate) fn output(&self) -> Result<Output> {
        self.command()
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{} did not start", self.name))
    }

    /// Runs it to its end; an error carries what it printed.
    pub(crate) fn run(&self) -> Result<String> {
        let output = self.output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!(
                "{} failed ({}):\n{text}{}",
                self.name,
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(text)
    }

    /// Starts it with its output in `<logs>/<name>.log`.
    pub(crate) fn start(&self, logs: &Path) -> Result<Process> {
        let log = logs.join(format!("{}.log", self.name));
        let file = File::create(&log)?;
        let mut command = self.command();
        command.stderr(file.try_clone()?);
        if self.piped {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        } else {
            command.stdin(Stdio::null()).stdout(file);
        }
        let child = command
            .spawn()
            .with_context(|| format!("{} did not start", self.name))?;
        Ok(Process {
            name: self.name.to_owned(),
            stop_signal: self.stop_signal.to_owned(),
            log,
            child,
        })
    }
}

impl Process {
    /// The child, for its pipes.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Asks it to stop, with its stop signal, and returns at once.
    pub(crate) fn ask_to_stop(&mut self) -> Result<()> {
        let signal = self.stop_signal.clone();
        self.signal(&signal)
    }

    /// Freezes it, or lets it go on: while it is frozen it takes connections, and answers nothing.
    pub(crate) fn freeze(&mut self, frozen: bool) -> Result<()> {
        self.signal(if frozen { "STOP" } else { "CONT" })
    }

    fn signal(&mut self, signal: &str) -> Result<()> {
        self.expect_running()?;
        // `kill` is built into every shell; sending a signal is not in the standard library.
        let pid = self.child.id().to_string();
        Command::new("sh")
            .args(["-c", r#"kill -s "$1" "$2""#, "sh", signal, &pid])
            .status()?;
        Ok(())
    }

    /// Kills it, which it cannot notice.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.expect_running()?;
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// How it ended, if it has.
    pub(crate) fn has_ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until it has ended.
    pub(crate) fn wait_for_exit(&mut self, patience: Duration) -> Result<ExitStatus> {
        let what = format!("{} to stop", self.name);
        until(&what, patience, || self.has_ended())
    }

    /// Fails, with the end of its log, when it has ended by itself.
    pub(crate) fn expect_running(&mut self) -> Result<()> {
        if let Some(status) = self.has_ended()? {
            bail!(
                "{} ended ({status}); the end of its log:\n{}",
                self.name,
                self.log_tail()
            );
        }
        Ok(())
    }

    /// Waits until `ready` answers yes, and fails at once when the program ends before.
    pub(crate) fn wait_until_ready(
        &mut self,
        patience: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<()> {
        let what = format!("{} to be ready", self.name);
        until(&what, patience, || {
            self.expect_running()?;
            Ok(ready().then_some(()))
        })
        .with_context(|| format!("the end of {}'s log:\n{}", self.name, self.log_tail()))
    }

    /// The last 2,000 bytes of its log.
    pub(crate) fn log_tail(&self) -> String {
        let tail = || -> Result<String> {
            let mut file = File::open(&self.log)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(2_000)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        tail().unwrap_or_else(|error| format!("(no log: {error})"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ask_to_stop().is_err() || self.wait_for_exit(GRACE).is_err() {
            // An error means that it is gone already.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A port of the loopback address that nobody listens on now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
