//! Which records are traced, where nobody has decided it before: by where they stand, so that a record
//! that is read again is traced again.

use crate::record::RawRecord;

/// Takes a part of all records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampler {
    /// Of 2³² records.
    takes: u64,
}

impl Sampler {
    /// Takes this part of all: from 0, none, to 1, all.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is clamped, and `as` saturates"
    )]
    pub(super) fn new(ratio: f64) -> Self {
        Self {
            takes: (ratio.clamp(0.0, 1.0) * 2_f64.powi(32)) as u64,
        }
    }

    pub(super) fn takes(self, raw: &RawRecord) -> bool {
        if self.takes == 0 {
            return false;
        }
        // FNV-1a, and MurmurHash3's last steps, as neighbouring offsets differ in a few bits only.
        let place = [
            raw.offset.0.to_le_bytes(),
            i64::from(raw.partition).to_le_bytes(),
        ];
        let bytes = raw.topic.bytes().chain(place.into_iter().flatten());
        let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        (hash >> 32) < self.takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Offset;

    fn record(partition: i32, offset: i64) -> RawRecord {
        RawRecord {
            topic: "shop.public.products".into(),
            partition,
            offset: Offset(offset),
            timestamp_ms: None,
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    fn taken(ratio: f64) -> usize {
        let sampler = Sampler::new(ratio);
        let all = (0..10).flat_map(|partition| (0..10_000).map(move |it| record(partition, it)));
        all.filter(|raw| sampler.takes(raw)).count()
    }

    #[test]
    fn so_many_are_taken_as_are_asked_for() {
        assert_eq!(taken(0.0), 0);
        assert_eq!(taken(1.0), 100_000);
        assert!((9_500..10_500).contains(&taken(0.1)), "{}", taken(0.1));
        assert!((60..140).contains(&taken(0.001)), "{}", taken(0.001));
    }
}
