//! A point's bookkeeping, as the object `_vectide` of its payload.

use std::{collections::HashMap, hash::BuildHasher, sync::Arc};

use qdrant_client::qdrant::{self, Struct, value::Kind};

use crate::record::{
    Content, Epoch, Offset, Parked, PointState, Position, RESERVED_FIELD, SourcePosition, Stored,
    Tombstone,
};

use super::wire::Fields;

/// The columns of the text that the payload doesn't hold.
pub(super) const SOURCE_COLUMNS: &str = "source_columns";

/// Under which epoch the point was written.
pub(super) const EPOCH: &str = "epoch";

/// When a row's delete was written; only tombstones have it.
pub(super) const DELETED_MS: &str = "deleted_ms";

/// The offset of a tombstone once more, in a field that no row has: only it needs an index.
pub(super) const DELETED_OFFSET: &str = "deleted_offset";

/// When a row was parked; only parked rows have it.
pub(super) const PARKED_MS: &str = "parked_ms";

/// The text whose vector a parked row is owed.
pub(super) const PARKED_TEXT: &str = "parked_text";

/// What is read back of it: all but texts and source columns, which are most of its bytes.
const READ_BACK: [&str; 14] = [
    "topic",
    "partition",
    "offset",
    "timestamp_ms",
    "commit_ms",
    "source_position",
    "key",
    "text_hash",
    "wanted",
    "payload_hash",
    "model",
    "version",
    EPOCH,
    DELETED_MS,
];

/// The payload fields to ask for, to read bookkeeping.
pub(super) fn fields() -> Vec<String> {
    READ_BACK.iter().map(|name| field(name)).collect()
}

/// The payload field of a part of the bookkeeping.
pub(super) fn field(name: &str) -> String {
    format!("{RESERVED_FIELD}.{name}")
}

/// Writes what a row's point says, when it is written under `epoch`.
pub(super) fn write(fields: &mut Fields<'_>, stored: &Stored, epoch: Epoch) {
    fields.text("topic", &stored.topic);
    fields.integer("partition", i64::from(stored.partition));
    write_position(fields, &stored.position);
    fields.text("key", &stored.key);
    fields.integer(EPOCH, epoch.0);
    fields.text("payload_hash", &stored.payload_hash.to_string());
    fields.text("model", &stored.fingerprint);
    if let Some(hash) = stored.text_hash {
        fields.text("text_hash", &hash.to_string());
    }
    if let Some(hash) = stored.wanted {
        fields.text("wanted", &hash.to_string());
    }
    if let Some(version) = stored.version {
        fields.text("version", &format!("{version:016x}"));
    }
    if let Some(Parked { text, at_ms }) = &stored.parked {
        fields.integer(PARKED_MS, *at_ms);
        fields.text(PARKED_TEXT, text);
    }
    let columns = stored.source_columns.fields();
    if !columns.is_empty() {
        fields.object(SOURCE_COLUMNS, |fields| {
            for (name, column) in columns {
                fields.column(name, column);
            }
        });
    }
}

/// Writes what the point says that takes the place of a row that is gone.
pub(super) fn write_tombstone(fields: &mut Fields<'_>, tombstone: &Tombstone, epoch: Epoch) {
    fields.text("topic", &tombstone.topic);
    fields.integer("partition", i64::from(tombstone.partition));
    write_position(fields, &tombstone.position);
    fields.text("key", &tombstone.key);
    fields.integer(EPOCH, epoch.0);
    fields.integer(DELETED_MS, tombstone.deleted_ms);
    fields.integer(DELETED_OFFSET, tombstone.position.offset.0);
}

fn write_position(fields: &mut Fields<'_>, position: &Position) {
    fields.integer("offset", position.offset.0);
    fields.integer("timestamp_ms", position.timestamp_ms);
    if let Some(commit_ms) = position.commit_ms {
        fields.integer("commit_ms", commit_ms);
    }
    if let Some(SourcePosition(position)) = position.source {
        fields.integer("source_position", position);
    }
}

/// What a point's payload says about its making. The source columns are not read back.
pub fn from_payload(payload: &HashMap<String, qdrant::Value, impl BuildHasher>) -> PointState {
    let Some(object) = Object::of(payload) else {
        return PointState::Foreign;
    };
    let content = match object.integer(DELETED_MS) {
        Some(deleted_ms) => object.tombstone(deleted_ms).map(Content::Tombstone),
        None => object.row().map(Content::Row),
    };
    content.map_or(PointState::Foreign, |content| PointState::Ours {
        epoch: object.integer(EPOCH).map(Epoch),
        content,
    })
}

/// The bookkeeping object of a point.
#[derive(Clone, Copy)]
pub(super) struct Object<'a>(pub(super) &'a Struct);

impl<'a> Object<'a> {
    /// That of a point's payload, if there is one.
    pub(super) fn of(
        payload: &'a HashMap<String, qdrant::Value, impl BuildHasher>,
    ) -> Option<Self> {
        match &payload.get(RESERVED_FIELD)?.kind {
            Some(Kind::StructValue(object)) => Some(Self(object)),
            _ => None,
        }
    }

    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        match &self.0.fields.get(name)?.kind {
            Some(Kind::StringValue(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn integer(self, name: &str) -> Option<i64> {
        match self.0.fields.get(name)?.kind {
            Some(Kind::IntegerValue(integer)) => Some(integer),
            _ => None,
        }
    }

    fn topic(self) -> Option<Arc<str>> {
        self.text("topic").map(Arc::from)
    }

    fn position(self) -> Option<Position> {
        Some(Position {
            offset: Offset(self.integer("offset")?),
            timestamp_ms: self.integer("timestamp_ms")?,
            commit_ms: self.integer("commit_ms"),
            source: self.integer("source_position").map(SourcePosition),
        })
    }

    fn row(self) -> Option<Stored> {
        Some(Stored {
            topic: self.topic()?,
            partition: self.integer("partition")?.try_into().ok()?,
            position: self.position()?,
            key: self.text("key")?.into(),
            text_hash: self.text("text_hash").and_then(|hash| hash.parse().ok()),
            wanted: self.text("wanted").and_then(|hash| hash.parse().ok()),
            payload_hash: self.text("payload_hash")?.parse().ok()?,
            fingerprint: self.text("model")?.into(),
            version: self
                .text("version")
                .and_then(|hash| u64::from_str_radix(hash, 16).ok()),
            source_columns: crate::record::Payload::default(),
            parked: self.parked(),
        })
    }

    fn parked(self) -> Option<Parked> {
        Some(Parked {
            text: self.text(PARKED_TEXT)?.into(),
            at_ms: self.integer(PARKED_MS)?,
        })
    }

    fn tombstone(self, deleted_ms: i64) -> Option<Tombstone> {
        Some(Tombstone {
            topic: self.topic()?,
            partition: self.integer("partition")?.try_into().ok()?,
            position: self.position()?,
            key: self.text("key")?.into(),
            deleted_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use prost::Message as _;

    use super::*;
    use crate::{
        index::value,
        record::{Payload, PayloadHash, TextHash},
    };

    /// A payload with the bookkeeping that is written.
    fn payload(write: impl FnOnce(&mut Fields<'_>)) -> HashMap<String, qdrant::Value> {
        let mut buffer = Vec::new();
        // The fields of a `Struct`.
        Fields::of_map(&mut buffer, 1).object(RESERVED_FIELD, write);
        Struct::decode(&*buffer).unwrap().fields
    }

    #[test]
    fn what_is_stored_is_read_back() {
        let stored = Stored {
            topic: "shop.public.products".into(),
            partition: 3,
            position: Position {
                offset: Offset(40),
                timestamp_ms: 1_700_000_000_500,
                commit_ms: Some(1_700_000_000_000),
                source: Some(SourcePosition(7)),
            },
            key: "[17]".into(),
            text_hash: Some(TextHash::of_text("a")),
            wanted: Some(TextHash::of_text("b")),
            payload_hash: PayloadHash::of(&[]),
            fingerprint: "m/8@e".into(),
            version: Some(u64::MAX),
            source_columns: Payload::default(),
            parked: Some(Parked {
                text: "b".into(),
                at_ms: 1_700_000_000_900,
            }),
        };
        let epoch = Epoch(1 << 50);
        let payload = payload(|fields| write(fields, &stored, epoch));
        let content = Content::Row(stored);
        let epoch = Some(epoch);
        assert_eq!(from_payload(&payload), PointState::Ours { epoch, content });
    }

    #[test]
    fn a_tombstone_is_read_back_as_one() {
        let tombstone = Tombstone {
            topic: "shop.public.products".into(),
            partition: 3,
            position: Position {
                offset: Offset(40),
                timestamp_ms: 1_700_000_000_500,
                commit_ms: None,
                source: Some(SourcePosition(7)),
            },
            key: "[17]".into(),
            deleted_ms: 1_700_000_000_600,
        };
        let payload = payload(|fields| write_tombstone(fields, &tombstone, Epoch(5)));
        let content = Content::Tombstone(tombstone);
        let epoch = Some(Epoch(5));
        assert_eq!(from_payload(&payload), PointState::Ours { epoch, content });
    }

    #[test]
    fn a_point_of_somebody_else_has_no_bookkeeping() {
        let none = HashMap::<String, _>::new();
        assert_eq!(from_payload(&none), PointState::Foreign);
        let odd = HashMap::from([(RESERVED_FIELD.to_owned(), value::text("?"))]);
        assert_eq!(from_payload(&odd), PointState::Foreign);
    }
}
