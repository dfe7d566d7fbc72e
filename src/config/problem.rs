//! What is wrong with a configuration, and where: one line a problem, all of them at once.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// One thing that is wrong, as one line: `vectide.toml:12: kafka.brokerz: unknown key; …`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where the value stands; [`Place::Default`] when nothing sets it.
    pub place: Place,
    /// The key with its sections, such as `kafka.topics`; empty where the problem is no key's.
    pub key: String,
    /// What is wrong and, where it helps, what to do.
    pub message: String,
}

/// Where a value was set. Problems are told in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A file, with line and column (from 1) as far as they are known.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line, from 1.
        line: Option<usize>,
        /// The column, from 1, in characters.
        column: Option<usize>,
    },
    /// An environment variable, by name.
    Environment(String),
    /// An option of the command line, such as `--log-level`.
    Flag(&'static str),
    /// Nowhere: the built-in default.
    #[default]
    Default,
}

/// Every problem of a configuration; at least one. Displays as one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl From<Vec<Problem>> for Problems {
    fn from(problems: Vec<Problem>) -> Self {
        Self(problems)
    }
}

impl Problem {
    /// A problem of a key, wherever it is set.
    pub(crate) fn of_key(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self::at(Place::Default, key, message)
    }

    /// A problem of a key that is set at `place`.
    pub(super) fn at(place: Place, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            place,
            key: key.into(),
            message: message.into(),
        }
    }
}

impl Problems {
    /// `Err` with the problems in the order in which a reader meets their causes, or `Ok`.
    pub(crate) fn refuse_any(mut problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort();
        problems.dedup();
        Err(Self(problems))
    }

    /// These, which may all come of there being no file at `path`, where one is looked for by default.
    pub(super) fn and_no_file(mut self, path: &Path) -> Self {
        let message =
            "there is no such file, and neither --config nor VECTIDE_CONFIG names another";
        self.0.push(Problem::at(Place::file(path), "", message));
        self.0.sort();
        self
    }

    /// The problems, in the order in which a reader meets their causes.
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }
}

impl Place {
    /// The beginning of a file that is not looked into.
    pub(super) fn file(path: impl Into<PathBuf>) -> Self {
        Self::File {
            path: path.into(),
            line: None,
            column: None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => {
                write!(f, "{}", path.display())?;
                for number in [line, column].into_iter().flatten() {
                    write!(f, ":{number}")?;
                }
                Ok(())
            }
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(flag) => f.write_str(flag),
            Self::Default => f.write_str("default"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A variable's and an option's name say which key is meant.
        let key = match self.place {
            Place::Environment(_) | Place::Flag(_) => "",
            Place::File { .. } | Place::Default => &self.key,
        };
        if self.place != Place::Default {
            write!(f, "{}: ", self.place)?;
        }
        if !key.is_empty() {
            write!(f, "{key}: ")?;
        }
        // One problem is one line, whatever a parser has to say.
        for (i, line) in self.message.lines().enumerate() {
            let space = if i == 0 { "" } else { " " };
            write!(f, "{space}{}", line.trim())?;
        }
        Ok(())
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            let line_end = if i == 0 { "" } else { "\n" };
            write!(f, "{line_end}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
