//! The canonical key of a row.

use std::fmt;

/// A row's primary key in canonical form: a JSON array of its values in the order of the key's
/// columns, without spaces: `[17]`, `["B-204",3]`.
///
/// The form tags types (`[1,"23"]` is not `["12",3]`), does not depend on the key's encoding (the
/// same key from JSON and from Avro, or under two schema ids, is one key), and leaves out the
/// columns' names, so that renaming a key column keeps every point's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey(Box<str>);

impl RowKey {
    /// Takes a key that is in canonical form already.
    pub(crate) fn from_canonical(canonical: impl Into<Box<str>>) -> Self {
        Self(canonical.into())
    }

    /// The key of a table with one integer key column.
    pub fn single_integer(id: i64) -> Self {
        Self(format!("[{id}]").into())
    }

    /// The canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key as an unsigned integer, if it is a single non-negative one.
    pub fn as_integer(&self) -> Option<u64> {
        self.0.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
    }
}

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
