//! Reading and writing captured records, gzipped or not.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::Path,
    sync::Arc,
};

use flate2::{Compression, write::GzEncoder};

use crate::record::RawRecord;

use super::{Captured, Lines, LinesError, NoBase64};

/// Captured records can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file, or what stands for it.
    #[error(transparent)]
    Io(#[from] LinesError),
    /// A line is no captured record.
    #[error("{name}:{line}: this is no captured record: {message}")]
    Line {
        /// The file, as it was named.
        name: String,
        /// From 1.
        line: u64,
        /// What is wrong.
        message: String,
    },
}

/// Reads records line by line.
#[derive(Debug)]
pub struct CaptureReader {
    lines: Lines,
    topic: Option<Arc<str>>,
}

impl CaptureReader {
    /// Opens a file; `-` is standard input.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Ok(Self::new(Lines::open(path)?))
    }

    /// Reads from anything; `name` is what messages call it.
    pub fn of(
        name: impl Into<String>,
        input: impl Read + Send + 'static,
    ) -> Result<Self, ReadError> {
        Ok(Self::new(Lines::of(name, input)?))
    }

    fn new(lines: Lines) -> Self {
        Self { lines, topic: None }
    }

    fn parse(&mut self, line: &[u8]) -> Result<RawRecord, String> {
        let captured: Captured = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let mut raw = RawRecord::try_from(captured).map_err(|error: NoBase64| error.to_string())?;
        // Records of one topic share its name.
        match &self.topic {
            Some(topic) if *topic == raw.topic => raw.topic = topic.clone(),
            _ => self.topic = Some(raw.topic.clone()),
        }
        Ok(raw)
    }
}

impl Iterator for CaptureReader {
    type Item = Result<RawRecord, ReadError>;

    /// The next record; blank lines are passed over.
    fn next(&mut self) -> Option<Self::Item> {
        let line = match self.lines.next()? {
            Ok(line) => line,
            Err(error) => return Some(Err(error.into())),
        };
        Some(self.parse(&line).map_err(|message| ReadError::Line {
            name: self.lines.name().to_owned(),
            line: self.lines.line(),
            message,
        }))
    }
}

/// Writes records line by line.
#[derive(Debug)]
pub struct CaptureWriter<W: Write> {
    to: Sink<W>,
}

#[derive(Debug)]
enum Sink<W: Write> {
    Plain(W),
    Gzipped(GzEncoder<W>),
}

impl CaptureWriter<BufWriter<File>> {
    /// Creates a file, gzipped if its name ends in `.gz`.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        let is_gzipped = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        Ok(Self {
            to: if is_gzipped {
                Sink::Gzipped(GzEncoder::new(file, Compression::default()))
            } else {
                Sink::Plain(file)
            },
        })
    }
}

impl<W: Write> CaptureWriter<W> {
    /// Writes plain lines.
    pub fn plain(to: W) -> Self {
        Self {
            to: Sink::Plain(to),
        }
    }

    /// Writes one record.
    pub fn write(&mut self, raw: &RawRecord) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Captured::from(raw))?;
        line.push(b'\n');
        match &mut self.to {
            Sink::Plain(to) => to.write_all(&line),
            Sink::Gzipped(to) => to.write_all(&line),
        }
    }

    /// Lets a reader see all that was written so far.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            Sink::Plain(to) => to.flush(),
            Sink::Gzipped(to) => to.flush(),
        }
    }

    /// Writes what is still held back, and what a gzipped file ends with. A file that is dropped
    /// instead may be cut off.
    pub fn finish(self) -> io::Result<()> {
        match self.to {
            Sink::Plain(mut to) => to.flush(),
            Sink::Gzipped(to) => to.finish()?.flush(),
        }
    }
}
