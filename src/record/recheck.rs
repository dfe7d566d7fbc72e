//! Requests to look again at rows, and what came of them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Offset, PointId, RowKey, TopicPartition};

/// A request to the owner of a partition: look again at these rows, each from a record on, and make
/// the index equal to the last record that the partition has of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recheck {
    /// Its own name.
    pub id: Uuid,
    /// Whose owner it is for.
    pub partition: TopicPartition,
    /// When it was made, in milliseconds since 1970.
    pub asked_ms: i64,
    /// The rows; each has a point of its own.
    pub rows: Vec<AskedRow>,
    /// What came of it.
    pub answer: Option<Answer>,
}

/// A row that is to be looked at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedRow {
    /// Its point.
    pub point: PointId,
    /// Its key.
    pub key: RowKey,
    /// Its last record stands here or behind. Where that is 0 and the partition has no record of the
    /// row, there is no such row.
    pub from: Offset,
    /// What of the point is not to be relied on.
    pub doubt: Doubt,
}

/// What the comparison of a row with its point must not rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// What is remembered of the point: it is read anew.
    Memory,
    /// Nor the payload, whatever its hash says: it is written anew.
    Payload,
    /// Nor the vector: it is bought anew.
    Vector,
}

impl Recheck {
    /// The rows with what came of each; none while it is not answered.
    pub fn receipts(&self) -> impl Iterator<Item = (&AskedRow, &Receipt)> {
        let receipts = self.answer.iter().flat_map(|answer| &answer.receipts);
        self.rows.iter().zip(receipts)
    }
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What came of each row, in the order of the rows.
    pub receipts: Vec<Receipt>,
}

/// What came of one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Receipt {
    /// The point was written; it is as of the record at this offset.
    Written {
        /// The record's.
        offset: i64,
    },
    /// The row is gone, and so is its point, as of this offset.
    Deleted {
        /// The record's; where there is none, that of the last record before.
        offset: i64,
    },
    /// The index reflected the record at this offset already, or something later.
    Unchanged {
        /// The record's.
        offset: i64,
    },
    /// A later record of the row came meanwhile, and is processed as all are.
    Overtaken,
    /// The record can't be processed, or waits until somebody mends what concerns its table.
    Refused {
        /// The stage at which it failed.
        stage: String,
        /// Why, as a fixed word.
        reason: String,
        /// Why, for people.
        message: String,
    },
    /// It can't be told any more what the row's last record is, so nothing was done.
    Unknown {
        /// Why, for people.
        message: String,
    },
}

impl Receipt {
    /// The outcome as one word, for metrics and programs.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Written { .. } => "written",
            Self::Deleted { .. } => "deleted",
            Self::Unchanged { .. } => "unchanged",
            Self::Overtaken => "overtaken",
            Self::Refused { .. } => "refused",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// The offset of the record that the index reflects now.
    pub fn offset(&self) -> Option<Offset> {
        match self {
            Self::Written { offset } | Self::Deleted { offset } | Self::Unchanged { offset } => {
                Some(Offset(*offset))
            }
            Self::Overtaken | Self::Refused { .. } | Self::Unknown { .. } => None,
        }
    }
}
