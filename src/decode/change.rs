//! What a change record says, whatever it was written in: the parts of an envelope, and what they
//! mean together.

use std::borrow::Cow;

use crate::{
    error::{Failure, quoted},
    record::{Row, SourcePosition},
};

use super::Skip;

/// What a record's value says, as far as the key doesn't.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) operation: Operation,
    pub(super) commit_ms: Option<i64>,
    pub(super) source: Option<SourcePosition>,
    /// The row before the change, where it was asked for and given.
    pub(super) before: Option<Row>,
}

impl Change {
    /// A flattened row that was deleted: null in the place of the row.
    pub(super) fn gone() -> Self {
        Self {
            operation: Operation::Delete(None),
            commit_ms: None,
            source: None,
            before: None,
        }
    }
}

/// What happened to the row.
#[derive(Debug)]
pub(super) enum Operation {
    /// Updated: this is the row now.
    Upsert(Row),
    /// Read by a snapshot: this is the row.
    Read(Row),
    /// Created: this is the row.
    Create(Row),
    /// Deleted; a flattened record repeats some of the row.
    Delete(Option<Row>),
    /// The table was emptied.
    Truncate,
    /// No row.
    Skip(Skip),
}

/// The parts of an envelope, as met; which of them must be there depends on the operation.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    pub(super) op: Option<Cow<'a, str>>,
    pub(super) before: Option<Row>,
    pub(super) after: Option<Row>,
    pub(super) source: Source,
    /// Which names were there.
    pub(super) names: Names,
}

/// The names by which records are told apart.
#[derive(Debug, Default, Clone, Copy)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each tells whether a name was there"
)]
pub(super) struct Names {
    /// `before`, `after` or `message`.
    pub(super) row: bool,
    /// `source`.
    pub(super) source: bool,
    /// `status`.
    pub(super) status: bool,
    /// `ddl` or `tableChanges`.
    pub(super) schema_change: bool,
    /// `ts_ms`.
    pub(super) time: bool,
    /// `id`, `event_count` or `data_collections`.
    pub(super) marker: bool,
    /// Any other.
    pub(super) other: bool,
}

impl Names {
    /// Notes a name; says whether it is one that envelopes, markers and heartbeats begin with.
    pub(super) fn note(&mut self, name: &str) {
        match name {
            "before" | "after" | "message" => self.row = true,
            "source" => self.source = true,
            "status" => self.status = true,
            "ddl" | "tableChanges" => self.schema_change = true,
            "ts_ms" => self.time = true,
            "id" | "event_count" | "data_collections" => self.marker = true,
            "op" | "ts_us" | "ts_ns" | "transaction" => {}
            _ => self.other = true,
        }
    }
}

/// Whether a record whose first field is called so may be an envelope, a marker or a heartbeat.
/// Columns may be called so, too: then the record turns out to be none of these at its end.
pub(super) fn may_begin_envelope(name: &str) -> bool {
    matches!(
        name,
        "before"
            | "after"
            | "source"
            | "op"
            | "ts_ms"
            | "ts_us"
            | "ts_ns"
            | "transaction"
            | "message"
            | "status"
    )
}

/// What an envelope says of the change's place in the database.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) ts_ms: Option<i64>,
    /// PostgreSQL's log sequence number.
    pub(super) lsn: Option<i64>,
    /// MySQL's and MariaDB's binary log file.
    pub(super) file: Option<Box<str>>,
    /// The position in that file.
    pub(super) pos: Option<i64>,
    /// Oracle's system change number.
    pub(super) scn: Option<i64>,
}

impl Source {
    /// The change's place in the log as one number; see [`SourcePosition`].
    pub(super) fn position(&self) -> Option<SourcePosition> {
        if let Some(number) = self.lsn.or(self.scn) {
            return Some(SourcePosition(number));
        }
        // `mysql-bin.000003`: files are numbered. Positions stay below 2^36, numbers below 2^27.
        let number: i64 = self.file.as_deref()?.rsplit('.').next()?.parse().ok()?;
        let pos = self.pos.filter(|pos| (0..1 << 36).contains(pos))?;
        (0..1 << 27)
            .contains(&number)
            .then_some(SourcePosition(number << 36 | pos))
    }
}

impl Parts<'_> {
    /// What the parts say together; `None` when they are no envelope, no marker and no heartbeat,
    /// but the columns of a flattened row.
    pub(super) fn into_change(self) -> Option<Result<Change, Failure>> {
        let names = self.names;
        let Some(op) = self.op.as_deref() else {
            let skip = if names.source && names.schema_change {
                Skip::SchemaChange
            } else if names.row || names.source || names.other {
                return None;
            } else if names.status && names.time {
                Skip::Transaction
            } else if names.time && !names.marker {
                Skip::Heartbeat
            } else {
                return None;
            };
            return Some(Ok(Change {
                operation: Operation::Skip(skip),
                commit_ms: None,
                source: None,
                before: None,
            }));
        };
        if !(names.row || names.source) {
            return None;
        }
        let operation = match op {
            "c" | "u" | "r" => match self.after {
                Some(row) if op == "c" => Operation::Create(row),
                Some(row) if op == "r" => Operation::Read(row),
                Some(row) => Operation::Upsert(row),
                None => {
                    return Some(Err(Failure::record(
                        "no_row",
                        "the envelope's `after` is missing or null; for MongoDB set the connector's capture.mode=change_streams_update_full",
                    )));
                }
            },
            "d" => Operation::Delete(None),
            "t" => Operation::Truncate,
            "m" => Operation::Skip(Skip::Message),
            other => {
                return Some(Err(Failure::record(
                    "unknown_operation",
                    format!(
                        "the envelope's operation {} is unknown",
                        quoted(other.chars().take(40).collect::<String>().escape_debug())
                    ),
                )));
            }
        };
        Some(Ok(Change {
            operation,
            commit_ms: self.source.ts_ms,
            source: self.source.position(),
            before: self.before,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_has_its_place_in_the_log() {
        let postgres = Source {
            lsn: Some(22_653_688),
            ..Source::default()
        };
        assert_eq!(postgres.position(), Some(SourcePosition(22_653_688)));
        let maria = |file: &str, pos| {
            let source = Source {
                file: Some(file.into()),
                pos: Some(pos),
                ..Source::default()
            };
            source.position()
        };
        assert!(maria("bin.000001", 20_070) < maria("bin.000001", 23_934));
        assert!(maria("bin.000001", 1 << 30) < maria("bin.000002", 4));
        assert_eq!(maria("bin", 4), None);
        assert_eq!(maria("bin.000001", -1), None);
        assert_eq!(Source::default().position(), None);
    }
}
