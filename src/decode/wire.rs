//! Which schema a key or value was written with: what serializers put in front of its bytes, or
//! into the record's headers.
//!
//! | who writes it | what | where from |
//! |---|---|---|
//! | Confluent, Apicurio | byte 0, id in 4 bytes | Confluent's manual, "Wire format" |
//! | Apicurio, by default until 2.x | byte 0, id in 8 bytes | its `DefaultIdHandler`; ids are far below 2³², so that the first four are 0 |
//! | Confluent, in headers | `__key_schema_id`, `__value_schema_id`: byte 0 and an id in 4 bytes, or byte 1 and a GUID in 16 | its `SchemaId` |
//! | Apicurio, in headers | `apicurio.key.contentId`, `apicurio.value.globalId` and so on: 8 bytes | its `SerdeHeaders` |
//!
//! JSON never begins with byte 0, so one topic may hold both.

use uuid::Uuid;

use crate::{
    error::Failure,
    record::{Header, SchemaId},
};

/// One of the two parts of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Key,
    Value,
}

impl Part {
    /// A failure of this part that nothing but its bytes is to blame for.
    pub(super) fn undecodable(self, message: String) -> Failure {
        let reason = match self {
            Self::Key => "undecodable_key",
            Self::Value => "undecodable_value",
        };
        Failure::record(reason, message)
    }

    /// As messages name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Value => "value",
        }
    }

    fn confluent_header(self) -> &'static str {
        match self {
            Self::Key => "__key_schema_id",
            Self::Value => "__value_schema_id",
        }
    }

    fn content_id_header(self) -> &'static str {
        match self {
            Self::Key => "apicurio.key.contentId",
            Self::Value => "apicurio.value.contentId",
        }
    }

    fn global_id_header(self) -> &'static str {
        match self {
            Self::Key => "apicurio.key.globalId",
            Self::Value => "apicurio.value.globalId",
        }
    }
}

/// The bytes of a key or value, and which schema they were written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Framed<'a> {
    /// None for JSON without a registry.
    pub(crate) schema: Option<SchemaId>,
    pub(crate) data: &'a [u8],
}

/// Takes a key or value out of its frame. Headers count before the bytes in front, as Confluent's
/// deserializers have it.
pub(crate) fn unframe<'a>(
    part: Part,
    bytes: &'a [u8],
    headers: &[Header],
) -> Result<Framed<'a>, Failure> {
    if let Some(schema) = from_headers(part, headers)? {
        return Ok(Framed {
            schema: Some(schema),
            data: bytes,
        });
    }
    let Some(framed) = bytes.strip_prefix(&[0]) else {
        return Ok(Framed {
            schema: None,
            data: bytes,
        });
    };
    if let Some((long, data)) = framed.split_first_chunk::<8>()
        && long.starts_with(&[0; 4])
    {
        return Ok(Framed {
            schema: Some(SchemaId::Id(u64::from_be_bytes(*long))),
            data,
        });
    }
    let (id, data) = framed.split_first_chunk::<4>().ok_or_else(|| {
        let part_name = part.name();
        part.undecodable(format!(
            "the record's {part_name} begins like one with a schema id and ends before it"
        ))
    })?;
    Ok(Framed {
        schema: Some(SchemaId::Id(u32::from_be_bytes(*id).into())),
        data,
    })
}

/// The last header counts, as everywhere in Kafka.
fn from_headers(part: Part, headers: &[Header]) -> Result<Option<SchemaId>, Failure> {
    for header in headers.iter().rev() {
        let name = &*header.name;
        let value = header.value.as_deref();
        let schema = if name == part.confluent_header() {
            match value.and_then(<[u8]>::split_first) {
                Some((0, id)) => id
                    .try_into()
                    .ok()
                    .map(|id| SchemaId::Id(u32::from_be_bytes(id).into())),
                Some((1, guid)) => Uuid::from_slice(guid).ok().map(SchemaId::Guid),
                _ => None,
            }
        } else if name == part.content_id_header() {
            long(value).map(SchemaId::Id)
        } else if name == part.global_id_header() {
            long(value).map(SchemaId::Global)
        } else {
            continue;
        };
        return match schema {
            Some(schema) => Ok(Some(schema)),
            None => Err(part.undecodable(format!("the record's header {name} holds no schema id"))),
        };
    }
    Ok(None)
}

fn long(value: Option<&[u8]>) -> Option<u64> {
    value?.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn header(name: &str, value: &[u8]) -> Header {
        Header {
            name: name.into(),
            value: Some(value.into()),
        }
    }

    fn value<'a>(bytes: &'a [u8], headers: &[Header]) -> (Option<SchemaId>, &'a [u8]) {
        let Framed { schema, data } = unframe(Part::Value, bytes, headers).unwrap();
        (schema, data)
    }

    #[test]
    fn json_has_no_frame() {
        for json in ["{}", "null", "17", "\"a\"", ""] {
            assert_eq!(value(json.as_bytes(), &[]), (None, json.as_bytes()));
        }
    }

    #[test]
    fn an_id_stands_in_front_in_four_bytes_or_in_eight() {
        assert_eq!(
            value(b"\0\0\0\x01\x02data", &[]),
            (Some(SchemaId::Id(258)), &b"data"[..])
        );
        assert_eq!(
            value(b"\0\0\0\0\0\0\0\x01\x02data", &[]),
            (Some(SchemaId::Id(258)), &b"data"[..])
        );
        assert_eq!(
            value(b"\0\0\0\0\x07", &[]),
            (Some(SchemaId::Id(7)), &b""[..])
        );
    }

    #[test]
    fn an_id_in_a_header_is_that_of_its_part_only_and_the_last_one_counts() {
        let guid = Uuid::from_u128(7);
        let with_version = [&[1], &guid.as_bytes()[..]].concat();
        for (name, bytes, id) in [
            ("__value_schema_id", &[0, 0, 0, 1, 2][..], SchemaId::Id(258)),
            ("__value_schema_id", &with_version, SchemaId::Guid(guid)),
            (
                "apicurio.value.contentId",
                &258_u64.to_be_bytes(),
                SchemaId::Id(258),
            ),
            (
                "apicurio.value.globalId",
                &258_u64.to_be_bytes(),
                SchemaId::Global(258),
            ),
        ] {
            let headers = [
                header("__value_schema_id", &[0, 0, 0, 0, 9]),
                header(name, bytes),
                header("__key_schema_id", &[0, 0, 0, 0, 8]),
            ];
            assert_eq!(value(b"\0data", &headers), (Some(id), &b"\0data"[..]));
        }
    }

    #[test]
    fn what_is_no_id_is_a_fault_of_the_record() {
        for bytes in [&b"\0"[..], b"\0\0\0\0"] {
            let failure = unframe(Part::Key, bytes, &[]).unwrap_err();
            assert_eq!(failure.reason, "undecodable_key");
        }
        for wrong in [&b""[..], b"\0\0\0\0", b"\x01abc", b"\x02\0\0\0\x07"] {
            let headers = [header("__value_schema_id", wrong)];
            let failure = unframe(Part::Value, b"{}", &headers).unwrap_err();
            assert_eq!(failure.reason, "undecodable_value");
            assert!(failure.message.contains("__value_schema_id"));
        }
    }
}
