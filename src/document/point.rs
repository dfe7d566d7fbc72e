//! Point ids: the same row always has the same point.

use uuid::Uuid;

use crate::{
    config::PointIdKind,
    error::{Failure, quoted},
    record::{PointId, RowKey},
};

/// Gives each row of a table its point id.
///
/// By default a UUID of version 5 (RFC 9562) in the OID name space, of the topic's name, a line
/// feed and the canonical key, so that any program can compute it: in Python,
/// `uuid.uuid5(uuid.NAMESPACE_OID, "shop.public.products\n[17]")`.
#[derive(Debug, Clone, Copy)]
pub struct PointIds(pub PointIdKind);

impl PointIds {
    /// The point of a row, by the topic that carries its table and its key.
    ///
    /// Fails, as a fault of the record, when ids are integers and the key isn't one.
    pub fn of(self, topic: &str, key: &RowKey) -> Result<PointId, Failure> {
        match self.0 {
            PointIdKind::Uuid5 => {
                let mut name = Vec::with_capacity(topic.len() + key.as_str().len() + 1);
                name.extend_from_slice(topic.as_bytes());
                name.push(b'\n');
                name.extend_from_slice(key.as_str().as_bytes());
                Ok(PointId::Uuid(Uuid::new_v5(&Uuid::NAMESPACE_OID, &name)))
            }
            PointIdKind::Integer => key.as_integer().map(PointId::Integer).ok_or_else(|| {
                Failure::record(
                    "key_is_no_integer",
                    format!(
                        "key {} is not one non-negative integer, which document.point_id = \"integer\" needs; use \"uuid5\"",
                        quoted(key)
                    ),
                )
            }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn anyone_can_compute_the_uuid_of_a_row() {
        let id = PointIds(PointIdKind::Uuid5)
            .of("shop.public.products", &RowKey::from_canonical("[17]"))
            .unwrap();
        // python3 -c 'import uuid; print(uuid.uuid5(uuid.NAMESPACE_OID, "shop.public.products\n[17]"))'
        assert_eq!(id.to_string(), "3bd4be93-5ada-54cb-a758-9df189d4b1b7");
    }

    #[test]
    fn integer_ids_take_only_integer_keys() {
        let ids = PointIds(PointIdKind::Integer);
        let id = |key: &str| ids.of("t", &RowKey::from_canonical(key));
        assert_eq!(id("[17]").unwrap(), PointId::Integer(17));
        for key in ["[-1]", "[\"17\"]", "[1,2]"] {
            assert_eq!(id(key).unwrap_err().reason, "key_is_no_integer");
        }
    }
}
