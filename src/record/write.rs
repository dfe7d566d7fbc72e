//! Writes to points, and what became of them.

use std::sync::Arc;

use crate::error::Failure;

use super::{
    Epoch, Offset, Payload, PointId, PointState, PointVector, Stored, TextHash, Tombstone,
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
        /// What the point must be, where another partition wrote it.
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
        /// Whether somebody else may write the point at the same time: a former owner, or the owner
        /// of another partition. Then the patch must be sure of the vector that it keeps.
        contested: bool,
        /// What the point must be, where another partition wrote it.
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
        /// What the point must be, where another partition wrote it.
        expected: Option<Expected>,
    },
}

/// The assignment of another partition that must have written a point last, for a write to take it
/// over: epochs of different partitions say nothing about each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The topic,
    pub topic: Arc<str>,
    /// the partition,
    pub partition: i32,
    /// and the epoch, if the point says one.
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
            Self::Upsert { stored, .. } | Self::PatchPayload { stored, .. } => stored.offset,
            Self::Delete { tombstone, .. } => tombstone.offset,
        }
    }

    /// The text that the point will say is owed.
    pub fn parks(&self) -> Option<TextHash> {
        match self {
            Self::Upsert { stored, .. } | Self::PatchPayload { stored, .. } => {
                stored.wanted.filter(|_| stored.parked.is_some())
            }
            Self::Delete { .. } => None,
        }
    }

    /// What the point must be, where another partition wrote it.
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
