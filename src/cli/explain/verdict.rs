//! What the pipeline would do about the last record of a row, were it read now. The only file here
//! that asks the reconciler.

use crate::{
    error::{Disposition, Failure},
    index::{Bookkeeping, FoundPoint},
    reconcile::{Observed, Observer, Plan, Present, plan},
    record::{
        Desired, Epoch, Fingerprint, Offset, Payload, PointState, Position, Stored, TopicPartition,
        TruncateMark,
    },
};

use super::difference::{Difference, Ignored, differences};

/// What the last record of a row says.
#[derive(Debug, Clone)]
pub(super) struct Last {
    pub(super) partition: TopicPartition,
    pub(super) position: Position,
    /// What the table says by it; or why nothing can be made of it.
    pub(super) desired: Result<Desired, Failure>,
    /// Whether it says that there was no such row before.
    pub(super) is_new: bool,
}

/// What would be done, and why.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// Kafka has no record of the row, as far as was looked.
    NoRecord,
    /// The index holds something later.
    Replay,
    /// Index and table agree.
    Nothing,
    /// This.
    Act {
        plan: Plan,
        reasons: Vec<Reason>,
        differences: Vec<Difference>,
    },
    /// Index and table agree by the hashes, but not by these fields: somebody else changed them.
    Altered(Vec<Difference>),
    /// The record's own fault keeps it from being processed.
    DeadLetter(Failure),
    /// A fault that concerns the whole table does.
    Hold(Failure),
}

/// Why something would be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    /// The row was deleted.
    Gone,
    /// The row is from before the table was truncated.
    Truncated,
    /// The index has no point for the row.
    NoPoint,
    /// The point was written by somebody else.
    Foreign,
    /// The point's vector is of this other model.
    OtherModel(String),
    /// The point's vector is of another text.
    Text,
    /// The point has no vector yet.
    NoVector,
    /// The payload differs.
    Payload,
    /// The row was deleted and created since; the point is from before.
    CreatedSince,
}

impl Verdict {
    /// Whether index and table differ by it.
    pub(super) fn differs(&self) -> bool {
        match self {
            Self::NoRecord | Self::Replay | Self::Nothing => false,
            Self::Act { .. } | Self::Altered(_) | Self::DeadLetter(_) | Self::Hold(_) => true,
        }
    }
}

/// Compares the last record with the point, as the reconciler does.
pub(super) fn judge(
    last: &Last,
    point: Option<&FoundPoint>,
    truncated: Option<&TruncateMark>,
    fingerprint: &Fingerprint,
    ignored: &Ignored,
) -> Verdict {
    let observed = observed(last, point, fingerprint);
    if observed.compare(&last.position).is_later {
        return Verdict::Replay;
    }
    let is_truncated = truncated.is_some_and(|mark| mark.covers(&last.position));
    let desired = match &last.desired {
        Ok(Desired::Row(_)) if is_truncated => &Desired::Gone,
        Ok(desired) => desired,
        Err(failure) if failure.disposition == Disposition::Blocked => {
            return Verdict::Hold(failure.clone());
        }
        Err(failure) => return Verdict::DeadLetter(failure.clone()),
    };
    if *desired == Desired::Gone && observed == Observed::Absent {
        // A tombstone would be left, but no searcher sees a difference.
        return Verdict::Nothing;
    }
    let comparable = since_created(observed.clone(), last);
    let differences = differences_of(desired, point, ignored);
    match plan(desired, &comparable, None) {
        Plan::Nothing if differences.iter().all(|it| it.is_ignored) => Verdict::Nothing,
        Plan::Nothing => Verdict::Altered(differences),
        plan => Verdict::Act {
            plan,
            reasons: reasons(
                plan,
                point,
                fingerprint,
                is_truncated,
                comparable != observed,
            ),
            differences,
        },
    }
}

fn observed(last: &Last, point: Option<&FoundPoint>, fingerprint: &Fingerprint) -> Observed {
    let observer = Observer {
        partition: last.partition.clone(),
        fingerprint: fingerprint.clone(),
        since: Epoch(0),
    };
    match point.map(|point| &point.bookkeeping) {
        None => Observed::Absent,
        Some(Bookkeeping::Tombstone(tombstone)) => observer.observe_tombstone(tombstone, None),
        Some(Bookkeeping::Row(row)) => observer.observe_row(&row.stored, row.epoch),
        Some(Bookkeeping::None) => observer.observe(&PointState::Foreign),
    }
}

/// Of a created row over a point from before, only the vector counts; see
/// [`Creation`](crate::record::Creation).
fn since_created(observed: Observed, last: &Last) -> Observed {
    match observed {
        Observed::Present(present)
            if last.is_new && present.written.offset() < Some(last.position.offset) =>
        {
            Observed::Present(Present {
                payload: None,
                ..present
            })
        }
        observed => observed,
    }
}

fn differences_of(
    desired: &Desired,
    point: Option<&FoundPoint>,
    ignored: &Ignored,
) -> Vec<Difference> {
    let (Desired::Row(document), Some(point)) = (desired, point) else {
        return Vec::new();
    };
    let mut found = differences(&document.payload, &point.payload, ignored);
    if let Bookkeeping::Row(row) = &point.bookkeeping {
        let kept = &row.stored.source_columns;
        // Where the configuration has changed, one side has none.
        if !kept.fields().is_empty() && !document.source_columns.fields().is_empty() {
            found.extend(differences(&document.source_columns, kept, ignored));
        }
    }
    found
}

fn reasons(
    plan: Plan,
    point: Option<&FoundPoint>,
    fingerprint: &Fingerprint,
    is_truncated: bool,
    is_created_since: bool,
) -> Vec<Reason> {
    if plan == Plan::Delete {
        return vec![if is_truncated {
            Reason::Truncated
        } else {
            Reason::Gone
        }];
    }
    let row = match point.map(|point| &point.bookkeeping) {
        None | Some(Bookkeeping::Tombstone(_)) => return vec![Reason::NoPoint],
        Some(Bookkeeping::None) => return vec![Reason::Foreign],
        Some(Bookkeeping::Row(row)) => row,
    };
    let mut reasons = Vec::new();
    if matches!(plan, Plan::Patch | Plan::PatchThenEmbed) {
        reasons.push(if is_created_since {
            Reason::CreatedSince
        } else {
            Reason::Payload
        });
    }
    if matches!(plan, Plan::Embed | Plan::PatchThenEmbed) {
        reasons.push(why_another_vector(&row.stored, fingerprint));
    }
    reasons
}

fn why_another_vector(stored: &Stored, fingerprint: &Fingerprint) -> Reason {
    if *stored.fingerprint != *fingerprint.as_str() {
        Reason::OtherModel(stored.fingerprint.to_string())
    } else if stored.text_hash.is_none() {
        Reason::NoVector
    } else {
        Reason::Text
    }
}

/// The record that a point is as of, if Vectide wrote it.
pub(super) fn written_by(point: &FoundPoint) -> Option<(&str, i32, Offset)> {
    match &point.bookkeeping {
        Bookkeeping::Row(row) => Some((
            &row.stored.topic,
            row.stored.partition,
            row.stored.position.offset,
        )),
        Bookkeeping::Tombstone(gone) => Some((&gone.topic, gone.partition, gone.position.offset)),
        Bookkeeping::None => None,
    }
}

/// What a point knows of values that a record does not repeat: payload, and source columns.
pub(super) fn known_values(point: Option<&FoundPoint>) -> Option<(Payload, Payload)> {
    match &point?.bookkeeping {
        Bookkeeping::Row(row) => Some((row.payload.clone(), row.stored.source_columns.clone())),
        Bookkeeping::Tombstone(_) | Bookkeeping::None => None,
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
