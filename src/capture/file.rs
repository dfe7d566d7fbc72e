//! Reading and writing captured records, gzipped or not.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Cursor, Read, Write},
    path::Path,
    sync::Arc,
};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};

use crate::record::RawRecord;

use super::{Captured, NoBase64};

/// The name that stands for standard input or output.
const STANDARD: &str = "-";

/// What a gzipped file begins with (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Captured records can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file, or what stands for it.
    #[error("cannot read {name}: {cause}")]
    Io {
        /// As it was named.
        name: String,
        /// Why.
        cause: io::Error,
    },
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

/// Reads records line by line. What it was given may be gzipped: that is seen by its first bytes.
pub struct CaptureReader {
    name: String,
    lines: Box<dyn BufRead + Send>,
    line: u64,
    topic: Option<Arc<str>>,
}

impl CaptureReader {
    /// Opens a file; `-` is standard input.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let (name, input): (_, Box<dyn Read + Send>) = if path == Path::new(STANDARD) {
            ("standard input".to_owned(), Box::new(io::stdin()))
        } else {
            let name = path.display().to_string();
            match File::open(path) {
                Ok(file) => (name, Box::new(file)),
                Err(cause) => return Err(ReadError::Io { name, cause }),
            }
        };
        Self::of(name, input)
    }

    /// Reads from anything; `name` is what messages call it.
    pub fn of(
        name: impl Into<String>,
        input: impl Read + Send + 'static,
    ) -> Result<Self, ReadError> {
        let (name, mut input) = (name.into(), BufReader::new(input));
        let mut start = Vec::with_capacity(GZIP.len());
        if let Err(cause) = input
            .by_ref()
            .take(GZIP.len() as u64)
            .read_to_end(&mut start)
        {
            return Err(ReadError::Io { name, cause });
        }
        let is_gzipped = start == GZIP;
        let whole = Cursor::new(start).chain(input);
        Ok(Self {
            name,
            lines: if is_gzipped {
                Box::new(BufReader::new(MultiGzDecoder::new(whole)))
            } else {
                Box::new(whole)
            },
            line: 0,
            topic: None,
        })
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
        let mut line = Vec::new();
        loop {
            line.clear();
            self.line += 1;
            match self.lines.read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => {
                    return Some(self.parse(&line).map_err(|message| ReadError::Line {
                        name: self.name.clone(),
                        line: self.line,
                        message,
                    }));
                }
                Err(cause) => {
                    return Some(Err(ReadError::Io {
                        name: self.name.clone(),
                        cause,
                    }));
                }
            }
        }
    }
}

impl std::fmt::Debug for CaptureReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CaptureReader({}:{})", self.name, self.line)
    }
}

/// Writes records line by line.
#[derive(Debug)]
pub struct CaptureWriter<W: Write> {
    to: Lines<W>,
}

#[derive(Debug)]
enum Lines<W: Write> {
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
                Lines::Gzipped(GzEncoder::new(file, Compression::default()))
            } else {
                Lines::Plain(file)
            },
        })
    }
}

impl<W: Write> CaptureWriter<W> {
    /// Writes plain lines.
    pub fn plain(to: W) -> Self {
        Self {
            to: Lines::Plain(to),
        }
    }

    /// Writes one record.
    pub fn write(&mut self, raw: &RawRecord) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Captured::from(raw))?;
        line.push(b'\n');
        match &mut self.to {
            Lines::Plain(to) => to.write_all(&line),
            Lines::Gzipped(to) => to.write_all(&line),
        }
    }

    /// Lets a reader see all that was written so far.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            Lines::Plain(to) => to.flush(),
            Lines::Gzipped(to) => to.flush(),
        }
    }

    /// Writes what is still held back, and what a gzipped file ends with. A file that is dropped
    /// instead may be cut off.
    pub fn finish(self) -> io::Result<()> {
        match self.to {
            Lines::Plain(mut to) => to.flush(),
            Lines::Gzipped(to) => to.finish()?.flush(),
        }
    }
}
