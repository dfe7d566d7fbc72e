//! A record as Kafka delivered it, byte for byte.

use std::sync::Arc;

use super::Offset;

/// One header: a name, and bytes or null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The header's name; names may repeat.
    pub name: Box<str>,
    /// The header's value.
    pub value: Option<Box<[u8]>>,
}

/// A record as Kafka delivered it: kept whole until it settles, because a dead letter must carry
/// the original key, value, headers and timestamp byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecord {
    /// The topic it came from.
    pub topic: Arc<str>,
    /// The partition it came from.
    pub partition: i32,
    /// Its offset in that partition.
    pub offset: Offset,
    /// Kafka's timestamp in milliseconds since 1970, if it has one.
    pub timestamp_ms: Option<i64>,
    /// The key's bytes, or null.
    pub key: Option<Box<[u8]>>,
    /// The value's bytes, or null: a tombstone.
    pub value: Option<Box<[u8]>>,
    /// The headers, in order.
    pub headers: Vec<Header>,
}

impl RawRecord {
    /// What a row with news takes beside its bytes and its vector: its slot, its document, its fields, the
    /// write and the text in their queues, and what the allocator adds to each. Measured where all of them
    /// waited for their writes at once, which is the most that any takes.
    pub const BOOKKEEPING: usize = 2_560;

    /// What a record costs in memory while it is in flight, in bytes: its own bytes twice, raw and
    /// decoded, and [`BOOKKEEPING`](Self::BOOKKEEPING).
    pub fn charge(&self) -> u64 {
        let length = |bytes: &Option<Box<[u8]>>| bytes.as_ref().map_or(0, |b| b.len());
        let headers: usize = self
            .headers
            .iter()
            .map(|header| header.name.len() + length(&header.value))
            .sum();
        (2 * (length(&self.key) + length(&self.value)) + headers + Self::BOOKKEEPING) as u64
    }
}
