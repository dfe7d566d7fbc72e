//! What is told of a row, and as JSON for programs.

use serde_json::{Value as Json, json};

use crate::{
    index::{Bookkeeping, FoundPoint},
    record::{Fingerprint, Offset, PointId, Stored, TextHash, Value},
};

use super::{
    super::inspect::{News, Outcome, Understood, payload_json},
    difference::Difference,
    look::Looked,
    partition::Place,
    sentence::plan_label,
    verdict::{Reason, Verdict},
};

/// The story of one row.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) group: String,
    pub(super) collection: String,
    pub(super) id: PointId,
    pub(super) point: Option<FoundPoint>,
    /// What the configuration has vectors made by.
    pub(super) fingerprint: Fingerprint,
    pub(super) looked: Looked,
    /// The last records of the row, the last one last.
    pub(super) records: Vec<Understood>,
    pub(super) verdict: Verdict,
    pub(super) now_ms: i64,
}

impl Report {
    /// What the group has committed in the partition of the last record, if it has.
    pub(super) fn committed(&self) -> Option<Offset> {
        let partition = self.records.last()?.place.partition;
        self.looked.committed.get(&partition).copied()
    }

    /// Whether what is to be done will be done without anybody's doing.
    pub(super) fn is_pending(&self) -> bool {
        self.is_unsettled() || self.is_owed()
    }

    /// Whether the row is parked, and lacks nothing but the vector that it is owed: its record has settled, and
    /// only the point says so.
    pub(super) fn is_owed(&self) -> bool {
        let stored = self.point.as_ref().and_then(stored);
        let is_parked = stored.is_some_and(|stored| {
            stored.parked.is_some() && stored.wanted.is_some() && stored.wanted == self.last_text()
        });
        let lacks_a_vector = |reason: &Reason| matches!(reason, Reason::Text | Reason::NoVector);
        let Verdict::Act { reasons, .. } = &self.verdict else {
            return false;
        };
        is_parked && reasons.iter().all(lacks_a_vector)
    }

    /// The hash of the text that the last record makes.
    fn last_text(&self) -> Option<TextHash> {
        match &self.records.last()?.news {
            News::Row(row) => match &row.outcome {
                Outcome::Document(document) => Some(document.text_hash),
                Outcome::Refused(_) | Outcome::Incomplete(_) => None,
            },
            News::Gone { .. } | News::Truncate | News::Skip(_) | News::Unreadable(_) => None,
        }
    }

    /// Whether the last record has not settled, as far as the committed offset tells.
    pub(super) fn is_unsettled(&self) -> bool {
        let committed = self.committed();
        let last = self.records.last().map(|record| record.place.offset);
        last.is_some_and(|last| committed.is_none_or(|committed| last >= committed))
    }

    /// One object, with everything in full.
    pub(super) fn to_json(&self) -> Json {
        let looked = &self.looked;
        let partition = match &looked.place {
            Place::Known { partition, .. } => json!(partition),
            Place::Unsure(_) => Json::Null,
        };
        json!({
            "key": looked.key.as_str(),
            "topic": looked.topic,
            "collection": self.collection,
            "point": self.id.to_string(),
            "index": self.point.as_ref().map(|point| self.point_json(point)),
            "kafka": {
                "partitions": looked.extents.len(),
                "partition_by_hash": partition,
                "records_seen": looked.seen.records,
                "bytes_seen": looked.seen.bytes,
                "looked_back_to": looked.reached,
                "is_complete": looked.is_complete(),
                "ended_by": looked.ended_by.map(|bound| bound.to_string()),
                "group": self.group,
                "committed": self.committed().map(|offset| offset.0),
                "records": self.records.iter().map(Understood::to_json).collect::<Vec<_>>(),
            },
            "verdict": self.verdict_json(),
        })
    }

    fn point_json(&self, point: &FoundPoint) -> Json {
        let made = match &point.bookkeeping {
            Bookkeeping::Row(row) => {
                let stored = &row.stored;
                json!({
                    "topic": stored.topic,
                    "partition": stored.partition,
                    "offset": stored.position.offset.0,
                    "timestamp_ms": stored.position.timestamp_ms,
                    "commit_ms": stored.position.commit_ms,
                    "source_position": stored.position.source.map(|it| it.0),
                    "key": stored.key,
                    "text_hash": stored.text_hash.map(|it| it.to_string()),
                    "wanted": stored.wanted.map(|it| it.to_string()),
                    "parked_ms": stored.parked.as_ref().map(|it| it.at_ms),
                    "payload_hash": stored.payload_hash.to_string(),
                    "model": stored.fingerprint,
                    "model_is_configured": *stored.fingerprint == *self.fingerprint.as_str(),
                    "source_columns": payload_json(&stored.source_columns),
                })
            }
            Bookkeeping::Tombstone(tombstone) => json!({
                "deleted_ms": tombstone.deleted_ms,
                "topic": tombstone.topic,
                "partition": tombstone.partition,
                "offset": tombstone.position.offset.0,
                "timestamp_ms": tombstone.position.timestamp_ms,
                "commit_ms": tombstone.position.commit_ms,
                "source_position": tombstone.position.source.map(|it| it.0),
                "key": tombstone.key,
            }),
            Bookkeeping::None => Json::Null,
        };
        json!({
            "has_vector": point.has_vector,
            "payload": payload_json(&point.payload),
            "made": made,
        })
    }

    fn verdict_json(&self) -> Json {
        let (action, reasons, differences, failure) = match &self.verdict {
            Verdict::NoRecord => ("unknown", &[][..], &[][..], None),
            Verdict::Replay => ("replay", &[][..], &[][..], None),
            Verdict::Nothing => ("nothing", &[][..], &[][..], None),
            Verdict::Act {
                plan,
                reasons,
                differences,
            } => (plan_label(*plan), &reasons[..], &differences[..], None),
            Verdict::Altered(differences) => ("altered", &[][..], &differences[..], None),
            Verdict::DeadLetter(failure) => ("dead_letter", &[][..], &[][..], Some(failure)),
            Verdict::Hold(failure) => ("hold", &[][..], &[][..], Some(failure)),
        };
        json!({
            "action": action,
            "because": reasons.iter().map(reason_label).collect::<Vec<_>>(),
            "text": self.verdict_text(),
            "differences": differences.iter().map(difference_json).collect::<Vec<_>>(),
            "failure": failure.map(|it| json!({"reason": it.reason, "message": it.message})),
            "is_pending": self.is_pending(),
            "differs": self.verdict.differs(),
        })
    }
}

fn stored(point: &FoundPoint) -> Option<&Stored> {
    match &point.bookkeeping {
        Bookkeeping::Row(row) => Some(&row.stored),
        Bookkeeping::Tombstone(_) | Bookkeeping::None => None,
    }
}

fn difference_json(difference: &Difference) -> Json {
    let value = |value: &Option<Value>| value.clone().map(Value::into_json);
    json!({
        "field": difference.field,
        "index": value(&difference.index),
        "table": value(&difference.table),
        "is_ignored": difference.is_ignored,
    })
}

/// A reason as a fixed word.
fn reason_label(reason: &Reason) -> &'static str {
    match reason {
        Reason::Gone => "gone",
        Reason::Truncated => "truncated",
        Reason::NoPoint => "no_point",
        Reason::Foreign => "foreign_point",
        Reason::OtherModel(_) => "other_model",
        Reason::Text => "text",
        Reason::NoVector => "no_vector",
        Reason::Payload => "payload",
        Reason::CreatedSince => "created_since",
    }
}
