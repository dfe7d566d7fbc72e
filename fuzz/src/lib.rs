//! What the fuzz targets have in common: records of any bytes, and what must hold of them.

use vectide::{
    decode::{Decoded, Decoder},
    error::Failure,
    record::{Offset, RawRecord, SchemaId, SchemaLanguage, WriterSchema},
};

/// A record of these bytes.
pub fn record(key: Option<&[u8]>, value: Option<&[u8]>) -> RawRecord {
    RawRecord {
        topic: "shop.public.products".into(),
        partition: 0,
        offset: Offset(1),
        timestamp_ms: Some(1_700_000_000_000),
        key: key.map(Into::into),
        value: value.map(Into::into),
        headers: Vec::new(),
    }
}

/// Decodes a record.
pub fn decode(decoder: &mut Decoder, raw: &RawRecord) -> Result<Decoded, Failure> {
    let key = decoder.key(raw);
    decoder.decode(raw, key)
}

/// Decodes a record twice: what the decoder remembers of it must not change what it says.
pub fn decode_twice(mut decoder: Decoder, raw: &RawRecord) {
    let first = decode(&mut decoder, raw);
    let second = decode(&mut decoder, raw);
    match (first, second) {
        (Ok(first), Ok(second)) => assert_eq!(first, second),
        (Err(first), Err(second)) => {
            assert_eq!(first.reason, second.reason);
            assert!(first.message.len() < 1_100, "a message stays readable");
        }
        (first, second) => panic!("{first:?}, then {second:?}"),
    }
}

/// Avro bytes as converters send them: behind the id of their schema, which is 1.
pub fn avro(bytes: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, 1], bytes].concat()
}

/// A decoder that has the schema with this text as number 1.
pub fn learned(schema: &str) -> Decoder {
    let mut decoder = Decoder::default();
    decoder.learn(
        SchemaId::Id(1),
        &WriterSchema {
            language: SchemaLanguage::Avro,
            text: schema.into(),
            references: Vec::new(),
        },
    );
    decoder
}
