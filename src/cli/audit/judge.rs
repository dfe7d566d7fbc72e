//! Whether a point is what its row's last record says.

use serde::Serialize;

use crate::{
    index::{Bookkeeping, FoundPoint},
    reconcile::Observer,
    record::{Doubt, Epoch, Fingerprint, PointState, TopicPartition},
};

use super::table::{LastRecord, Said, Table};

/// How a point differs from its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Drift {
    /// The row has no point.
    Missing,
    /// The point has no row.
    Extra,
    /// The row's point was written by somebody else, or its bookkeeping is not whole.
    Foreign,
    /// The payload is another.
    Payload,
    /// The vector is of another text.
    Text,
    /// The vector is of another model.
    Model,
    /// It says to have a vector, and has none.
    NoVector,
}

/// What a comparison came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Index and table agree.
    Equal,
    /// They don't.
    Differs(Vec<Drift>),
    /// The index is as of something later than the record.
    Later,
    /// The point waits for its vector, and says so.
    Owed,
    /// Nothing can be made of the record.
    Unusable,
}

impl Drift {
    /// All, in the order in which they are told.
    pub(super) const ALL: [Self; 7] = [
        Self::Missing,
        Self::Extra,
        Self::Foreign,
        Self::Payload,
        Self::Text,
        Self::Model,
        Self::NoVector,
    ];

    /// As it is counted.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Foreign => "foreign",
            Self::Payload => "payload",
            Self::Text => "text",
            Self::Model => "model",
            Self::NoVector => "no_vector",
        }
    }

    /// What it means, for people.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Missing => "rows without a point",
            Self::Extra => "points without a row",
            Self::Foreign => "points of rows that somebody else wrote",
            Self::Payload => "points with another payload",
            Self::Text => "points with the vector of another text",
            Self::Model => "points with the vector of another model",
            Self::NoVector => "points that have lost their vector",
        }
    }

    /// What must not be relied on where it is mended.
    pub(super) fn doubt(self) -> Doubt {
        match self {
            Self::NoVector => Doubt::Vector,
            _ => Doubt::Payload,
        }
    }
}

/// Compares the points of one topic with its rows.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) topic: std::sync::Arc<str>,
    pub(super) fingerprint: Fingerprint,
}

impl Judge {
    pub(super) fn judge(
        &self,
        table: &Table,
        last: &LastRecord,
        point: Option<&FoundPoint>,
    ) -> Judgement {
        if self.is_later(last, point) {
            return Judgement::Later;
        }
        self.compare(table, last.said, point)
    }

    /// Compares a point with its row, whatever the point is as of.
    pub(super) fn compare(
        &self,
        table: &Table,
        said: Said,
        point: Option<&FoundPoint>,
    ) -> Judgement {
        let (text, payload, unrepeated) = match said {
            Said::Unusable => return Judgement::Unusable,
            Said::Gone => {
                return match point.map(|point| &point.bookkeeping) {
                    Some(Bookkeeping::Row(_)) => Judgement::Differs(vec![Drift::Extra]),
                    _ => Judgement::Equal,
                };
            }
            Said::Row {
                text,
                payload,
                unrepeated,
            } => (text, payload, unrepeated),
        };
        let Some(point) = point else {
            return Judgement::Differs(vec![Drift::Missing]);
        };
        let stored = match &point.bookkeeping {
            Bookkeeping::Tombstone(_) => return Judgement::Differs(vec![Drift::Missing]),
            Bookkeeping::None => return Judgement::Differs(vec![Drift::Foreign]),
            Bookkeeping::Row(row) => &row.stored,
        };
        let mut drifts = Vec::new();
        if table.hash(&point.payload, unrepeated) != payload {
            drifts.push(Drift::Payload);
        }
        let is_owed =
            stored.wanted.is_some() && text.is_none_or(|text| stored.wanted == Some(text));
        if !is_owed {
            let is_other_text = text.is_some() && stored.text_hash != text;
            if *stored.fingerprint != *self.fingerprint.as_str() {
                drifts.push(Drift::Model);
            } else if is_other_text {
                drifts.push(Drift::Text);
            } else if !point.has_vector {
                drifts.push(Drift::NoVector);
            }
        }
        match (drifts.is_empty(), is_owed) {
            (false, _) => Judgement::Differs(drifts),
            (true, true) => Judgement::Owed,
            (true, false) => Judgement::Equal,
        }
    }

    /// Whether the point is as of something later than the record, as the reconciler tells it.
    fn is_later(&self, last: &LastRecord, point: Option<&FoundPoint>) -> bool {
        let owner = Observer {
            partition: TopicPartition {
                topic: self.topic.clone(),
                partition: last.partition,
            },
            fingerprint: self.fingerprint.clone(),
            since: Epoch(0),
        };
        let observed = match point.map(|point| &point.bookkeeping) {
            None => return false,
            Some(Bookkeeping::None) => owner.observe(&PointState::Foreign),
            Some(Bookkeeping::Tombstone(gone)) => owner.observe_tombstone(gone, None),
            Some(Bookkeeping::Row(row)) => owner.observe_row(&row.stored, row.epoch),
        };
        observed.compare(&last.position()).is_later
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
