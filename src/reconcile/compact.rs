//! What is remembered of a point, in as few bytes as it takes.

use crate::record::{Offset, PointId, ShortHash, ShortVersion, TextHash};

use super::observed::{Observed, Present, Writer, Written};

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
    /// There is no point.
    pub(super) const ABSENT: u8 = 0;
    /// There is a row.
    pub(super) const PRESENT: u8 = 1 << 1;
    /// There is a tombstone.
    pub(super) const TOMBSTONE: u8 = 2 << 1;
    /// It is not known what there is.
    pub(super) const UNKNOWN: u8 = 3 << 1;
    /// The two bits that say what there is.
    pub(super) const KIND: u8 = 3 << 1;
    /// An owner of the partition at hand wrote it: the offset counts.
    pub(super) const THIS_PARTITION: u8 = 1 << 3;
    /// Under the present assignment.
    pub(super) const CURRENT: u8 = 1 << 4;
    /// There is a vector of this text.
    pub(super) const TEXT: u8 = 1 << 5;
    /// There is a payload of this hash.
    pub(super) const PAYLOAD: u8 = 1 << 6;
    /// There is a version.
    pub(super) const VERSION: u8 = 1 << 7;
}

/// In place of a text's hash, where there is none but a vector of another model.
const OTHER_MODEL: [u8; 16] = [1; 16];

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
        let kind = match observed {
            Observed::Absent => flag::ABSENT,
            Observed::Tombstone(written) if compact.set_written(written) => flag::TOMBSTONE,
            Observed::Present(present) if compact.set_written(&present.written) => {
                compact.set_hashes(present);
                flag::PRESENT
            }
            // What is only assumed is not to be relied on twice.
            Observed::AssumedAbsent | Observed::Tombstone(_) | Observed::Present(_) => {
                flag::UNKNOWN
            }
        };
        compact.flags |= kind;
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
        match self.flags & flag::KIND {
            flag::ABSENT => Some(Observed::Absent),
            flag::TOMBSTONE => Some(Observed::Tombstone(self.written())),
            flag::PRESENT => Some(Observed::Present(Present {
                written: self.written(),
                text: self
                    .has(flag::TEXT)
                    .then(|| TextHash::from_bytes(self.text)),
                doubted_text: None,
                payload: self
                    .has(flag::PAYLOAD)
                    .then(|| ShortHash(u64::from_ne_bytes(self.payload))),
                version: self
                    .has(flag::VERSION)
                    .then_some(ShortVersion(self.version)),
                other_model: !self.has(flag::TEXT) && self.text == OTHER_MODEL,
            })),
            _ => None,
        }
    }

    fn written(&self) -> Written {
        Written {
            by: if self.has(flag::THIS_PARTITION) {
                Writer::ThisPartition {
                    offset: Offset(widened(self.offset)),
                    is_current: self.has(flag::CURRENT),
                }
            } else {
                Writer::SomebodyElse
            },
            timestamp_ms: widened(self.timestamp_ms),
        }
    }

    /// `false` when it does not fit. What the owner of another partition wrote is seldom, and large.
    fn set_written(&mut self, written: &Written) -> bool {
        let (offset, is_current) = match written.by {
            Writer::ThisPartition { offset, is_current } => (Some(offset), is_current),
            Writer::SomebodyElse => (None, false),
            Writer::AnotherPartition { .. } => return false,
        };
        let (Some(narrow_offset), Some(narrow_timestamp)) = (
            narrowed(offset.map_or(0, |Offset(offset)| offset)),
            narrowed(written.timestamp_ms),
        ) else {
            return false;
        };
        self.offset = narrow_offset;
        self.timestamp_ms = narrow_timestamp;
        self.mark(flag::THIS_PARTITION, offset.is_some());
        self.mark(flag::CURRENT, is_current);
        true
    }

    fn set_hashes(&mut self, present: &Present) {
        let Present {
            text,
            payload,
            version,
            other_model,
            ..
        } = present;
        let no_text = if *other_model { OTHER_MODEL } else { [0; 16] };
        self.text = text.map_or(no_text, TextHash::to_bytes);
        self.payload = payload.map_or([0; 8], |ShortHash(hash)| hash.to_ne_bytes());
        self.version = version.map_or([0; 3], |ShortVersion(version)| version);
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
    let by = prop_oneof![
        1 => Just(Writer::SomebodyElse),
        4 => (small.clone(), any::<bool>()).prop_map(|(offset, is_current)| {
            Writer::ThisPartition { offset: Offset(offset), is_current }
        }),
    ];
    let written = (by, small).prop_map(|(by, timestamp_ms)| Written { by, timestamp_ms });
    let present = (
        written.clone(),
        prop::option::of(any::<[u8; 16]>().prop_map(TextHash::from_bytes)),
        prop::option::of(any::<u64>().prop_map(ShortHash)),
        prop::option::of(any::<u64>().prop_map(ShortVersion::of)),
        any::<bool>(),
    )
        .prop_map(|(written, text, payload, version, other_model)| {
            Observed::Present(Present {
                written,
                text,
                doubted_text: None,
                payload,
                version,
                other_model: other_model && text.is_none(),
            })
        });
    prop_oneof![
        1 => Just(Observed::Absent),
        1 => written.prop_map(Observed::Tombstone),
        4 => present,
    ]
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
    use crate::record::{TopicPartition, WrittenUnder};

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
    fn what_does_not_fit_leaves_the_point_unknown() {
        let id = CompactId::from(&PointId::Integer(7));
        for timestamp_ms in [1 << 47, i64::MAX, i64::MIN] {
            let observed = Observed::Tombstone(Written {
                by: Writer::SomebodyElse,
                timestamp_ms,
            });
            assert_eq!(Compact::new(id, &observed).observed(), None);
        }
        let elsewhere = Observed::Tombstone(Written {
            by: Writer::AnotherPartition {
                under: Box::new(WrittenUnder {
                    partition: TopicPartition {
                        topic: "t".into(),
                        partition: 1,
                    },
                    epoch: None,
                }),
                source: None,
            },
            timestamp_ms: 0,
        });
        assert_eq!(Compact::new(id, &elsewhere).observed(), None);
    }
}
