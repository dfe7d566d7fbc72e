//! The lines of a file, gzipped or not.

use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;

/// The name that stands for standard input or output.
const STANDARD: &str = "-";

/// What a gzipped file begins with (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Reads line by line. What it was given may be gzipped: that is seen by its first bytes.
pub struct Lines {
    name: String,
    input: Box<dyn BufRead + Send>,
    line: u64,
}

/// Lines can't be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {name}: {cause}")]
pub struct LinesError {
    /// The file, as it was named, or what stands for it.
    pub name: String,
    /// Why.
    pub cause: io::Error,
}

impl Lines {
    /// Opens a file; `-` is standard input.
    pub fn open(path: &Path) -> Result<Self, LinesError> {
        let (name, input): (_, Box<dyn Read + Send>) = if path == Path::new(STANDARD) {
            ("standard input".to_owned(), Box::new(io::stdin()))
        } else {
            let name = path.display().to_string();
            match File::open(path) {
                Ok(file) => (name, Box::new(file)),
                Err(cause) => return Err(LinesError { name, cause }),
            }
        };
        Self::of(name, input)
    }

    /// Reads from anything; `name` is what messages call it.
    pub fn of(
        name: impl Into<String>,
        input: impl Read + Send + 'static,
    ) -> Result<Self, LinesError> {
        let (name, mut input) = (name.into(), BufReader::new(input));
        let mut start = Vec::with_capacity(GZIP.len());
        if let Err(cause) = input
            .by_ref()
            .take(GZIP.len() as u64)
            .read_to_end(&mut start)
        {
            return Err(LinesError { name, cause });
        }
        let is_gzipped = start == GZIP;
        let whole = Cursor::new(start).chain(input);
        Ok(Self {
            name,
            input: if is_gzipped {
                Box::new(BufReader::new(MultiGzDecoder::new(whole)))
            } else {
                Box::new(whole)
            },
            line: 0,
        })
    }

    /// Where the last line stands, as `file:12`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.name, self.line)
    }

    /// The file, as it was named.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The last line's number, from 1 on.
    pub fn line(&self) -> u64 {
        self.line
    }
}

impl Iterator for Lines {
    type Item = Result<Vec<u8>, LinesError>;

    /// The next line; blank ones are passed over.
    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        loop {
            line.clear();
            self.line += 1;
            match self.input.read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => return Some(Ok(line)),
                Err(cause) => {
                    return Some(Err(LinesError {
                        name: self.name.clone(),
                        cause,
                    }));
                }
            }
        }
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lines({})", self.place())
    }
}
