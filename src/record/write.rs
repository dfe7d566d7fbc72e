//! Writes to points, and what became of them.

use crate::error::Failure;

use super::{
    Epoch, Offset, Payload, PointId, PointState, PointVector, Stored, TextHash, Tombstone,
    TopicPartition,
};

/// One write to one point. Whoever carries it out fences it: it changes nothing where the point was
/// written under a greater [`Epoch`](super::Epoch).
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Vector and payload: the point is replaced as a whole, or made.
    Upsert {
        /// Which point.
        point: PointId,
        /// The vector, or vectors, of the configured length; `None` where the row is parked and never had one, so
        /// that no vector search finds it.
        vector: Option<PointVector>,
        /// What searchers see.
        payload: Payload,
        /// What Vectide keeps.
        stored: Box<Stored>,
        /// Whether the point was taken for absent without a look.
        unread: bool,
        /// What the point must be, if the fence is not enough.
        expected: Option<Expected>,
    },
    /// The payload only: it is replaced as a whole, the vector stays.
    PatchPayload {
        /// Which point.
        point: PointId,
        /// What searchers see.
        payload: Payload,
        /// What Vectide keeps.
        stored: Box<Stored>,
        /// The text that the point must say its vector is of, for the patch to be made; `None` where it
        /// must have none of this model's. A former owner's vector may arrive after the point was
        /// looked at: what the patch says of the text would not be true then.
        kept_text: Option<TextHash>,
        /// What the point must be, if the fence is not enough.
        expected: Option<Expected>,
    },
    /// The row goes: the point becomes a tombstone.
    Delete {
        /// Which point.
        point: PointId,
        /// What is left of it.
        tombstone: Box<Tombstone>,
        /// Whether the point was taken for absent without a look.
        unread: bool,
        /// What the point must be, if the fence is not enough.
        expected: Option<Expected>,
    },
}

/// What a point must be for a [`Write`] to be made, where the fence is not enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// An assignment of another partition wrote it last, and now it is taken over: epochs of different
    /// partitions say nothing about each other.
    WrittenUnder(WrittenUnder),
    /// It is as of this record of the partition's own. The write is of a record that has settled
    /// before, so that the next owner does not read it again: it must not arrive late, in the place of
    /// what the next owner has found to be right.
    Offset(Offset),
}

/// Under what a point was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenUnder {
    /// The partition.
    pub partition: TopicPartition,
    /// The epoch, if the point says one.
    pub epoch: Option<Epoch>,
}

/// What a [`Write`] does. Patches and deletes are the fast lane: they wait for no vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WriteKind {
    /// It writes vector and payload.
    Upsert,
    /// It replaces the payload.
    PatchPayload,
    /// It leaves a tombstone.
    Delete,
}

impl WriteKind {
    /// All kinds, in the order in which metrics list them.
    pub const ALL: [Self; 3] = [Self::Upsert, Self::PatchPayload, Self::Delete];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Upsert => "upsert",
            Self::PatchPayload => "patch_payload",
            Self::Delete => "delete",
        }
    }
}

impl Write {
    /// The point written to.
    pub fn point(&self) -> PointId {
        match self {
            Self::Upsert { point, .. }
            | Self::PatchPayload { point, .. }
            | Self::Delete { point, .. } => *point,
        }
    }

    /// The offset of the record that the point will be as of.
    pub fn offset(&self) -> Offset {
        match self {
            Self::Upsert { stored, .. } | Self::PatchPayload { stored, .. } => {
                stored.position.offset
            }
            Self::Delete { tombstone, .. } => tombstone.position.offset,
        }
    }

    /// The text that the point will say is owed.
    pub fn owes(&self) -> Option<TextHash> {
        match self {
            Self::Upsert { stored, .. } | Self::PatchPayload { stored, .. } => {
                stored.wanted.filter(|_| stored.parked.is_some())
            }
            Self::Delete { .. } => None,
        }
    }

    /// What the point must be, if the fence is not enough.
    pub fn expected(&self) -> Option<&Expected> {
        match self {
            Self::Upsert { expected, .. }
            | Self::PatchPayload { expected, .. }
            | Self::Delete { expected, .. } => expected.as_ref(),
        }
    }

    /// What it does.
    pub fn kind(&self) -> WriteKind {
        match self {
            Self::Upsert { .. } => WriteKind::Upsert,
            Self::PatchPayload { .. } => WriteKind::PatchPayload,
            Self::Delete { .. } => WriteKind::Delete,
        }
    }
}

/// What became of a [`Write`].
#[derive(Debug, Clone, PartialEq)]
pub enum WriteOutcome {
    /// It was applied, as far as the index tells: a write that a fence rejected looks the same unless
    /// it is read back.
    Applied,
    /// It was not applied: the index holds this instead.
    NotApplied(PointState),
    /// It was not applied, because a later owner of the partition has written the point.
    Fenced,
    /// It was refused for good.
    Refused(Failure),
}
