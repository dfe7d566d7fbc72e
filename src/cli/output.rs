//! Where a subcommand writes what was asked for.

use std::{
    error::Error,
    fmt,
    io::{self, IsTerminal, Write},
};

/// Standard output, or what stands for it in a test. When its reader goes away (`vectide config |
/// head -1`), the error says that it is this: see [`Output::is_closed`].
pub struct Output {
    writer: Box<dyn Write>,
    width: Option<usize>,
}

/// What people expect a terminal to be wide, in characters.
const USUAL_WIDTH: usize = 80;

/// The reader of the output is gone.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
struct Closed;

impl Output {
    /// The output of this process.
    pub fn stdout() -> Self {
        let width = io::stdout().is_terminal().then(|| {
            // Shells know it, and hand it on where they are asked to.
            let columns = std::env::var("COLUMNS").ok();
            let columns = columns.and_then(|it| it.parse().ok());
            columns.filter(|it| *it > 0).unwrap_or(USUAL_WIDTH)
        });
        Self {
            width,
            ..Self::to(io::stdout())
        }
    }

    /// Writes to something else.
    pub fn to(writer: impl Write + 'static) -> Self {
        Self {
            writer: Box::new(writer),
            width: None,
        }
    }

    /// How many characters a line has room for; `None` where no person looks at it, but a file or a
    /// program, which are not to find a table folded.
    pub(super) fn width(&self) -> Option<usize> {
        self.width
    }

    /// Whether the error is that the output's own reader went away, and no other broken pipe.
    pub fn is_closed(error: &anyhow::Error) -> bool {
        error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .filter_map(io::Error::get_ref)
            .any(<dyn Error + Send + Sync>::is::<Closed>)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes).map_err(closed)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush().map_err(closed)
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Output")
    }
}

fn closed(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        io::Error::new(io::ErrorKind::BrokenPipe, Closed)
    } else {
        error
    }
}
