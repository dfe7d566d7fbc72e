//! In which partition the records of a key are: by Kafka's hash of the key's bytes, where it can be
//! told what those bytes are.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::record::RowKey;

/// With fewer records to learn from, all partitions are looked at: that costs nothing.
const ENOUGH: usize = 8;

/// The partition that Kafka's Java producer, which Debezium uses, gives a record with this key.
pub(super) fn partition_of(key: &[u8], partitions: i32) -> i32 {
    // As in `Utils.toPositive`: not the absolute value.
    (murmur2(key) & i32::MAX) % partitions.max(1)
}

/// Kafka's 32-bit murmur2 (`org.apache.kafka.common.utils.Utils.murmur2`).
fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    // The length is an int there.
    #[expect(clippy::cast_possible_truncation, reason = "keys are no gigabytes")]
    let mut hash = SEED ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (byte, shift) in rest.iter().zip([0, 8, 16]) {
            hash ^= u32::from(*byte) << shift;
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    (hash ^ (hash >> 15)).cast_signed()
}

/// How keys are written in a topic: by what the converter puts around the values.
#[derive(Debug, Clone, PartialEq, Eq)]
struct KeyForm {
    before: String,
    /// The columns' names as they are written; none where the key is one bare value.
    columns: Vec<String>,
    after: &'static str,
}

impl KeyForm {
    /// The form of a key in JSON; `None` of another.
    fn of(key: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wrapped<'a> {
            #[serde(borrow)]
            schema: &'a RawValue,
            #[serde(borrow)]
            payload: &'a RawValue,
        }
        let text = std::str::from_utf8(key).ok()?;
        let (payload, before, after) = match serde_json::from_str::<Wrapped<'_>>(text) {
            Ok(Wrapped { schema, payload }) if !schema.get().starts_with(['"', '[']) => {
                let before = format!("{{\"schema\":{schema},\"payload\":");
                (payload.get(), before, "}")
            }
            _ => (text, String::new(), ""),
        };
        let columns = match serde_json::from_str(payload).ok()? {
            serde_json::Value::Object(fields) => fields
                .keys()
                .map(|name| serde_json::Value::from(name.as_str()).to_string())
                .collect(),
            _ => Vec::new(),
        };
        Some(Self {
            before,
            columns,
            after,
        })
    }

    /// The bytes of another row's key; `None` where it has another number of columns.
    fn write(&self, key: &RowKey) -> Option<Vec<u8>> {
        let values: Vec<&RawValue> = serde_json::from_str(key.as_str()).ok()?;
        let payload = match (self.columns.as_slice(), values.as_slice()) {
            ([], [value]) => value.get().to_owned(),
            (names, values) if names.len() == values.len() => {
                let fields: Vec<String> = names
                    .iter()
                    .zip(values)
                    .map(|(name, value)| format!("{name}:{value}"))
                    .collect();
                format!("{{{}}}", fields.join(","))
            }
            _ => return None,
        };
        Some(format!("{}{payload}{}", self.before, self.after).into_bytes())
    }
}

/// A record whose key and partition are known.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) partition: i32,
    pub(super) bytes: Box<[u8]>,
    pub(super) key: RowKey,
}

/// Where the records of a key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In this partition, by the hash of these bytes.
    Known { partition: i32, bytes: Vec<u8> },
    /// In any, because of this.
    Unsure(&'static str),
}

/// Learns from the topic's last records how keys are written, and whether they are spread by
/// Kafka's own hash. Unless all of them agree, that is not known.
pub(super) fn place_of(key: &RowKey, samples: &[Sample], partitions: i32) -> Place {
    if partitions == 1 {
        return Place::Unsure("the topic has one partition");
    }
    if samples.len() < ENOUGH {
        return Place::Unsure("the topic has few records with keys to learn from");
    }
    let Some(form) = samples
        .first()
        .and_then(|sample| KeyForm::of(&sample.bytes))
    else {
        return Place::Unsure(
            "its keys are not in JSON, so the bytes that are hashed are not known",
        );
    };
    for sample in samples {
        if form.write(&sample.key).as_deref() != Some(&*sample.bytes) {
            return Place::Unsure("its keys are written in more than one way");
        }
        if partition_of(&sample.bytes, partitions) != sample.partition {
            return Place::Unsure("its records are not spread by Kafka's default hash of the key");
        }
    }
    match form.write(key) {
        Some(bytes) => Place::Known {
            partition: partition_of(&bytes, partitions),
            bytes,
        },
        None => Place::Unsure("its keys have another number of columns"),
    }
}

/// Whether the keys of the topic are all one text, so that a number was meant as text, too.
pub(super) fn are_texts(samples: &[Sample]) -> bool {
    let is_text = |sample: &Sample| {
        matches!(
            serde_json::from_str::<Vec<serde_json::Value>>(sample.key.as_str()).as_deref(),
            Ok([serde_json::Value::String(_)])
        )
    };
    !samples.is_empty() && samples.iter().all(is_text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// From Kafka's `UtilsTest.testMurmur2`.
    #[test]
    fn the_hash_is_kafkas() {
        for (data, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(data.as_bytes()), hash, "{data}");
        }
    }

    #[test]
    fn a_negative_hash_is_made_positive_by_its_sign_bit() {
        // -973932308 & 0x7fffffff = 1173551340
        assert_eq!(partition_of(b"21", 1000), 340);
    }

    fn canonical(text: &str) -> RowKey {
        RowKey::from_canonical(text)
    }

    fn sample(bytes: &str, key: &str, partitions: i32) -> Sample {
        Sample {
            partition: partition_of(bytes.as_bytes(), partitions),
            bytes: bytes.as_bytes().into(),
            key: canonical(key),
        }
    }

    fn samples(partitions: i32) -> Vec<Sample> {
        (0..20)
            .map(|id| sample(&format!("{{\"id\":{id}}}"), &format!("[{id}]"), partitions))
            .collect()
    }

    #[test]
    fn a_key_is_written_as_the_others_are() {
        for (bytes, other, written) in [
            ("{\"id\":17}", "[5]", "{\"id\":5}"),
            (
                "{\"sku\":\"A\",\"shop\":1}",
                "[\"B-204\",3]",
                "{\"sku\":\"B-204\",\"shop\":3}",
            ),
            (
                "{\"schema\":{\"type\":\"struct\"},\"payload\":{\"id\":17}}",
                "[5]",
                "{\"schema\":{\"type\":\"struct\"},\"payload\":{\"id\":5}}",
            ),
            (
                "{\"schema\":\"eu\",\"payload\":4}",
                "[\"us\",5]",
                "{\"schema\":\"us\",\"payload\":5}",
            ),
            ("17", "[5]", "5"),
        ] {
            let form = KeyForm::of(bytes.as_bytes()).unwrap();
            let text = form.write(&canonical(other)).map(String::from_utf8);
            assert_eq!(text, Some(Ok(written.to_owned())), "{bytes}");
        }
        assert_eq!(KeyForm::of(b"\0\0\0\0\x01\x22"), None);
    }

    #[test]
    fn where_all_records_agree_the_partition_is_known() {
        let key = canonical("[99]");
        let bytes = b"{\"id\":99}".to_vec();
        let partition = partition_of(&bytes, 7);
        let known = Place::Known { partition, bytes };
        assert_eq!(place_of(&key, &samples(7), 7), known);
    }

    #[test]
    fn where_they_don_t_any_partition_may_have_it() {
        let is_unsure = |key: &str, samples: &[Sample]| {
            matches!(place_of(&canonical(key), samples, 7), Place::Unsure(_))
        };
        let mut moved = samples(7);
        moved.last_mut().unwrap().partition += 1;
        assert!(is_unsure("[99]", &moved));
        let mut mixed = samples(7);
        mixed.push(sample("{\"id\": 5}", "[5]", 7));
        assert!(is_unsure("[99]", &mixed));
        assert!(is_unsure("[99]", samples(7).get(..3).unwrap()));
        assert!(is_unsure("[99,1]", &samples(7)));
        let avro: Vec<Sample> = (0..9)
            .map(|_| sample("\0\0\0\0\x01\x22", "[17]", 7))
            .collect();
        assert!(is_unsure("[99]", &avro));
        assert!(!is_unsure("[99]", &samples(7)));
    }

    #[test]
    fn a_topic_whose_keys_are_texts_is_known_by_all_of_them() {
        let text = sample("{\"id\":\"17\"}", "[\"17\"]", 7);
        assert!(are_texts(&[text.clone(), text.clone()]));
        let number = sample("{\"id\":17}", "[17]", 7);
        assert!(!are_texts(&[text, number]));
        assert!(!are_texts(&[]));
    }
}
