//! What one record says about one row.

use super::{Offset, RawRecord, Row, RowKey};

/// The news a record brings: the state of one row as of one position.
#[derive(Debug, Clone, PartialEq)]
pub struct RowChange {
    /// Which row.
    pub key: RowKey,
    /// What the row is now.
    pub state: RowState,
    /// As of when.
    pub position: Position,
    /// How the row came to be so.
    pub origin: Origin,
}

/// How a row came to be what a record says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was created: it wasn't there right before.
    Created,
    /// It was changed or deleted.
    Changed,
    /// A snapshot read it: nothing has happened to it.
    Read,
}

/// A row as the table holds it after a change.
#[derive(Debug, Clone, PartialEq)]
pub enum RowState {
    /// The row exists, with these columns.
    Present(Row),
    /// The row was deleted.
    Gone,
}

/// Where a change stands: in Kafka, and in the database that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The record's offset. Per key, the offset is the only total order there is.
    pub offset: Offset,
    /// Kafka's timestamp, in milliseconds since 1970; 0 when the record has none.
    pub timestamp_ms: i64,
    /// When the database committed the change, in milliseconds since 1970. A clock, not an order.
    pub commit_ms: Option<i64>,
    /// Where the change stands in the database's log, where the source says so.
    pub source: Option<SourcePosition>,
}

impl Position {
    /// As far as the record itself tells it, without its value.
    pub fn of_record(raw: &RawRecord) -> Self {
        Self {
            offset: raw.offset,
            timestamp_ms: raw.timestamp_ms.unwrap_or(0),
            commit_ms: None,
            source: None,
        }
    }

    /// When the row changed, in milliseconds since 1970: when the database committed it or, where
    /// that is not known, Kafka's timestamp.
    pub fn changed_ms(&self) -> i64 {
        self.commit_ms.unwrap_or(self.timestamp_ms)
    }
}

/// Where a change stands in the database's log, as one number: PostgreSQL's log sequence number,
/// MySQL's and MariaDB's file number and position, Oracle's system change number.
///
/// It orders the changes of *one table* around its truncates, because a truncate locks the table
/// against every other transaction. It orders nothing else: PostgreSQL's numbers go up and down
/// between transactions, and after a failover they may start lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourcePosition(pub i64);
