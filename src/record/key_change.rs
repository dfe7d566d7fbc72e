//! What the table says about one key, ready to be compared with the index.

use super::{Ack, Document, PointId, Position, RawRecord, RowKey};

/// What the table says about a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Desired {
    /// The row exists, and this is its document.
    Row(Box<Document>),
    /// The row is gone.
    Gone,
}

/// News of one key, with its document made, so that nothing about it can fail any more but its
/// embedding and its write.
#[derive(Debug)]
pub struct KeyChange {
    /// Which row.
    pub key: RowKey,
    /// Its point.
    pub point: PointId,
    /// What the table says.
    pub desired: Desired,
    /// As of when.
    pub position: Position,
    /// The record that says so, in case it has to be dead-lettered.
    pub raw: RawRecord,
    /// Settles the record.
    pub ack: Ack,
}
