//! Decode: a [`RawRecord`] comes in, what it says about one row goes out.
//!
//! Key and value are told apart from their schemas independently: each may be `{schema, payload}`
//! or bare, as Kafka Connect's JSON converter is configured for each. What carries no row is
//! recognised and skipped; what can't be read is a [`Failure`] of that record alone.

mod column;
mod decimal;
mod envelope;
mod key;
mod schema;

use crate::{
    error::Failure,
    record::{Position, RawRecord, RowChange, RowKey, RowState},
};

use envelope::{EnvelopeReader, Operation};

/// What one record turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// News about a row.
    Change(RowChange),
    /// A record that carries no row.
    Skip(Skip),
}

/// Records that carry no row, told by their shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// A logical-decoding message (`op` is `m`).
    Message,
    /// A heartbeat.
    Heartbeat,
    /// A transaction marker.
    Transaction,
}

impl Skip {
    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Heartbeat => "heartbeat",
            Self::Transaction => "transaction",
        }
    }
}

/// Reads Debezium's JSON. It remembers the schemas and column names it has met, so each partition
/// has one of its own.
#[derive(Debug, Default)]
pub struct Decoder {
    envelopes: EnvelopeReader,
}

impl Decoder {
    /// The canonical key of a record; see [`RowKey`].
    ///
    /// Cheaper than decoding the record: enough to know that the index already reflects it.
    pub fn key(raw: &RawRecord) -> Result<RowKey, Failure> {
        let bytes = raw.key.as_deref().ok_or_else(|| {
            Failure::record(
                "no_key",
                "the record has no key; give the table a primary key, or set the connector's message.key.columns",
            )
        })?;
        key::canonical(bytes)
    }

    /// What a record says; `key` is what [`key`](Self::key) made of it, needed only if it is
    /// about a row.
    pub fn decode(
        &mut self,
        raw: &RawRecord,
        key: Result<RowKey, Failure>,
    ) -> Result<Decoded, Failure> {
        let Some(value) = raw.value.as_deref().filter(|value| *value != b"null") else {
            // A tombstone; flattened without schemas it arrives as the literal `null`.
            return Ok(change(raw, key?, RowState::Gone, None, None));
        };
        let envelope = self.envelopes.read(value)?;
        let state = match envelope.operation {
            Operation::Skip(skip) => return Ok(Decoded::Skip(skip)),
            Operation::Upsert(row) => RowState::Present(row),
            Operation::Delete => RowState::Gone,
        };
        Ok(change(raw, key?, state, envelope.commit_ms, envelope.lsn))
    }
}

fn change(
    raw: &RawRecord,
    key: RowKey,
    state: RowState,
    commit_ms: Option<i64>,
    lsn: Option<u64>,
) -> Decoded {
    let position = Position {
        offset: raw.offset,
        timestamp_ms: raw.timestamp_ms.unwrap_or(0),
        commit_ms,
        lsn,
    };
    Decoded::Change(RowChange {
        key,
        state,
        position,
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
