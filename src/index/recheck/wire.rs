//! Requests to recheck rows as points.
//!
//! A request's bookkeeping object names the topic in a field of its own, by which requests are found,
//! and has all else as JSON. It has no `topic` and no `partition`, so it is never taken for a row's
//! point, and no fence and no sweep matches it.

use qdrant_client::qdrant::{RetrievedPoint, Struct, Value, value::Kind};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::{stored::Object, value};
use crate::record::{
    Answer, AskedRow, Doubt, Offset, PointId, Receipt, Recheck, RowKey, TopicPartition,
};

/// Names the topic of a request; no other point has it.
pub(in super::super) const RECHECK_OF: &str = "recheck_of";

/// The request itself.
pub(super) const RECHECK: &str = "recheck";

/// The id of the point that a request is.
pub(super) fn id_of(id: Uuid) -> qdrant_client::qdrant::PointId {
    value::point_id(PointId::Uuid(id))
}

/// A request as JSON, without its topic and its id.
#[derive(Serialize, Deserialize)]
struct Wire {
    partition: i32,
    asked_ms: i64,
    rows: Vec<WireRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    receipts: Vec<Receipt>,
}

#[derive(Serialize, Deserialize)]
struct WireRow {
    point: String,
    key: String,
    from: i64,
    doubt: Doubt,
}

pub(super) fn to_value(request: &Recheck) -> Value {
    let topic = value::text(&*request.partition.topic);
    value::wrap(Kind::StructValue(Struct {
        fields: [
            (RECHECK_OF.to_owned(), topic),
            (RECHECK.to_owned(), value::text(to_json(request))),
        ]
        .into(),
    }))
}

pub(super) fn to_json(request: &Recheck) -> String {
    let rows = request.rows.iter().map(|row| WireRow {
        point: row.point.to_string(),
        key: row.key.as_str().to_owned(),
        from: row.from.0,
        doubt: row.doubt,
    });
    let answer = request.answer.as_ref();
    let wire = Wire {
        partition: request.partition.partition,
        asked_ms: request.asked_ms,
        rows: rows.collect(),
        answered_ms: answer.map(|answer| answer.at_ms),
        receipts: answer.map_or_else(Vec::new, |answer| answer.receipts.clone()),
    };
    serde_json::to_string(&wire).expect("it has text, numbers and lists alone")
}

/// The request that a point is.
pub(super) fn from_point(point: &RetrievedPoint) -> Option<Recheck> {
    let PointId::Uuid(id) = value::shown_id(point.id.as_ref()?).parse().ok()? else {
        return None;
    };
    let object = Object::of(&point.payload)?;
    let topic = object.text(RECHECK_OF)?;
    let wire: Wire = serde_json::from_str(object.text(RECHECK)?).ok()?;
    let rows = wire.rows.into_iter().map(|row| {
        Some(AskedRow {
            point: row.point.parse().ok()?,
            key: RowKey::from_canonical(row.key),
            from: Offset(row.from),
            doubt: row.doubt,
        })
    });
    let receipts = wire.receipts;
    Some(Recheck {
        id,
        partition: TopicPartition {
            topic: topic.into(),
            partition: wire.partition,
        },
        asked_ms: wire.asked_ms,
        rows: rows.collect::<Option<_>>()?,
        answer: wire.answered_ms.map(|at_ms| Answer { at_ms, receipts }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RESERVED_FIELD;

    fn request() -> Recheck {
        let row = |point, doubt| AskedRow {
            point,
            key: RowKey::from_canonical("[\"B-204\",3]"),
            from: Offset(40),
            doubt,
        };
        Recheck {
            id: Uuid::new_v5(&Uuid::NAMESPACE_OID, b"request"),
            partition: TopicPartition {
                topic: "shop.public.products".into(),
                partition: 3,
            },
            asked_ms: 1_700_000_000_000,
            rows: vec![
                row(PointId::Integer(17), Doubt::Memory),
                row(PointId::Uuid(Uuid::nil()), Doubt::Vector),
            ],
            answer: None,
        }
    }

    fn stored(request: &Recheck) -> RetrievedPoint {
        RetrievedPoint {
            id: Some(id_of(request.id)),
            payload: [(RESERVED_FIELD.to_owned(), to_value(request))].into(),
            ..RetrievedPoint::default()
        }
    }

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let mut request = request();
        assert_eq!(from_point(&stored(&request)), Some(request.clone()));
        let refused = Receipt::Refused {
            stage: "decode".to_owned(),
            reason: "not_json".to_owned(),
            message: "no “JSON”".to_owned(),
        };
        request.answer = Some(Answer {
            at_ms: 1_700_000_000_500,
            receipts: vec![Receipt::Written { offset: 41 }, refused],
        });
        assert_eq!(from_point(&stored(&request)), Some(request));
    }

    #[test]
    fn a_request_is_never_taken_for_a_row() {
        let point = stored(&request());
        let state = super::super::super::stored::from_payload(&point.payload);
        assert_eq!(state, crate::record::PointState::Foreign);
        let Some(Kind::StructValue(object)) = to_value(&request()).kind else {
            unreachable!("it is an object")
        };
        for field in ["topic", "partition", "epoch", "commit_ms"] {
            assert!(!object.fields.contains_key(field), "{field}");
        }
    }
}
