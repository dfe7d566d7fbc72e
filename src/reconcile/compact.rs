//! What is remembered of a point, in as few bytes as it takes.

use crate::record::{Offset, PointId, ShortHash, ShortVersion, TextHash};

use super::observed::{Observed, Present};

/// A point's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CompactId {
    bytes: [u8; 16],
    is_integer: bool,
}

impl CompactId {
    /// What to look it up by.
    pub(super) fn hash_key(&self) -> u128 {
        u128::from_ne_bytes(self.bytes)
    }
}

impl From<&PointId> for CompactId {
    fn from(point: &PointId) -> Self {
        match point {
            PointId::Uuid(id) => Self {
                bytes: id.into_bytes(),
                is_integer: false,
            },
            PointId::Integer(id) => Self {
                bytes: u128::from(*id).to_ne_bytes(),
                is_integer: true,
            },
        }
    }
}

/// A point's id and what the index holds for it, in 56 bytes of alignment 1.
///
/// Offset and timestamp have 6 bytes each, which is enough for 140 × 10¹² records, and until the
/// year 6429. Of what lies beyond nothing is remembered but that there may be a point.
#[derive(Debug)]
pub(super) struct Compact {
    id: [u8; 16],
    text: [u8; 16],
    payload: [u8; 8],
    offset: [u8; 6],
    timestamp_ms: [u8; 6],
    version: [u8; 3],
    flags: u8,
}

/// Bits of [`Compact::flags`].
mod flag {
    /// The id is an integer.
    pub(super) const INTEGER: u8 = 1;
    /// It is not known what the index holds; no other bit but that of the id counts.
    pub(super) const UNKNOWN: u8 = 1 << 1;
    /// There is a point; without this bit only that of the id counts.
    pub(super) const PRESENT: u8 = 1 << 2;
    /// The offset is known.
    pub(super) const OFFSET: u8 = 1 << 3;
    /// There is a vector of this text.
    pub(super) const TEXT: u8 = 1 << 4;
    /// There is a payload of this hash.
    pub(super) const PAYLOAD: u8 = 1 << 5;
    /// There is a version.
    pub(super) const VERSION: u8 = 1 << 6;
}

impl Compact {
    pub(super) fn new(id: CompactId, observed: &Observed) -> Self {
        let mut compact = Self {
            id: id.bytes,
            text: [0; 16],
            payload: [0; 8],
            offset: [0; 6],
            timestamp_ms: [0; 6],
            version: [0; 3],
            flags: 0,
        };
        compact.mark(flag::INTEGER, id.is_integer);
        match observed {
            Observed::Absent => {}
            Observed::Present(present) => compact.set_present(present),
        }
        compact
    }

    pub(super) fn id(&self) -> CompactId {
        CompactId {
            bytes: self.id,
            is_integer: self.has(flag::INTEGER),
        }
    }

    /// What the index holds, if that is known.
    pub(super) fn observed(&self) -> Option<Observed> {
        if self.has(flag::UNKNOWN) {
            return None;
        }
        if !self.has(flag::PRESENT) {
            return Some(Observed::Absent);
        }
        Some(Observed::Present(Present {
            offset: self.has(flag::OFFSET).then(|| Offset(widened(self.offset))),
            timestamp_ms: widened(self.timestamp_ms),
            text: self
                .has(flag::TEXT)
                .then(|| TextHash::from_bytes(self.text)),
            payload: self
                .has(flag::PAYLOAD)
                .then(|| ShortHash(u64::from_ne_bytes(self.payload))),
            version: self
                .has(flag::VERSION)
                .then_some(ShortVersion(self.version)),
        }))
    }

    fn set_present(&mut self, present: &Present) {
        let Present {
            offset,
            timestamp_ms,
            text,
            payload,
            version,
        } = *present;
        let (Some(narrow_offset), Some(narrow_timestamp)) = (
            narrowed(offset.map_or(0, |Offset(offset)| offset)),
            narrowed(timestamp_ms),
        ) else {
            return self.mark(flag::UNKNOWN, true);
        };
        self.offset = narrow_offset;
        self.timestamp_ms = narrow_timestamp;
        self.text = text.map_or([0; 16], TextHash::to_bytes);
        self.payload = payload.map_or([0; 8], |ShortHash(hash)| hash.to_ne_bytes());
        self.version = version.map_or([0; 3], |ShortVersion(version)| version);
        self.mark(flag::PRESENT, true);
        self.mark(flag::OFFSET, offset.is_some());
        self.mark(flag::TEXT, text.is_some());
        self.mark(flag::PAYLOAD, payload.is_some());
        self.mark(flag::VERSION, version.is_some());
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn mark(&mut self, flag: u8, set: bool) {
        if set {
            self.flags |= flag;
        }
    }
}

/// The lower 6 bytes, if they say it all.
fn narrowed(number: i64) -> Option<[u8; 6]> {
    let [low @ .., _, _] = number.to_le_bytes();
    (widened(low) == number).then_some(low)
}

fn widened(low: [u8; 6]) -> i64 {
    let mut bytes = [0; 8];
    let [_, _, top @ ..] = &mut bytes;
    *top = low;
    // Shifting down from the top gives all 8 bytes the sign of these 6.
    i64::from_le_bytes(bytes) >> 16
}

/// A few of everything that may be observed.
#[cfg(test)]
pub(super) fn any_observed() -> impl proptest::strategy::Strategy<Value = Observed> {
    use proptest::prelude::*;

    let small = -(1_i64 << 47)..(1 << 47);
    let present = (
        prop::option::of(small.clone().prop_map(Offset)),
        small,
        prop::option::of(any::<[u8; 16]>().prop_map(TextHash::from_bytes)),
        prop::option::of(any::<u64>().prop_map(ShortHash)),
        prop::option::of(any::<u64>().prop_map(ShortVersion::of)),
    )
        .prop_map(|(offset, timestamp_ms, text, payload, version)| {
            Observed::Present(Present {
                offset,
                timestamp_ms,
                text,
                payload,
                version,
            })
        });
    prop_oneof![1 => Just(Observed::Absent), 4 => present]
}

/// Few enough ids to meet again, and the same bytes as integers and as uuids.
#[cfg(test)]
pub(super) fn any_point() -> impl proptest::strategy::Strategy<Value = PointId> {
    use proptest::prelude::*;

    prop_oneof![
        (0_u64..40).prop_map(PointId::Integer),
        (0_u128..40).prop_map(|id| PointId::Uuid(uuid::Uuid::from_bytes(id.to_ne_bytes()))),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_remembered_is_what_was_observed(point in any_point(), observed in any_observed()) {
            let id = CompactId::from(&point);
            let compact = Compact::new(id, &observed);
            prop_assert_eq!(compact.id(), id);
            prop_assert_eq!(compact.observed(), Some(observed));
        }
    }

    #[test]
    fn a_timestamp_that_does_not_fit_leaves_the_point_unknown() {
        let id = CompactId::from(&PointId::Integer(7));
        for timestamp_ms in [1 << 47, i64::MAX, i64::MIN] {
            let observed = Observed::Present(Present {
                offset: Some(Offset(1)),
                timestamp_ms,
                text: None,
                payload: None,
                version: None,
            });
            assert_eq!(Compact::new(id, &observed).observed(), None);
        }
    }
}
