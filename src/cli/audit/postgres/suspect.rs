//! A row that seems to differ, until it is known whether it does.

use std::time::{Duration, Instant};

use super::super::{
    Drift, Judgement,
    table::{LastRecord, Said},
};
use crate::record::{Offset, RowKey};

/// A row that seems to differ.
#[derive(Debug)]
pub(super) struct Suspect {
    pub(super) key: RowKey,
    /// What was last seen of it, and since when it has been so.
    seen: Option<Seen>,
    /// Whether it differed when the group had passed its last record, which is the row as it is.
    has_differed: bool,
}

/// A row, and its last record in the topic.
#[derive(Debug, Clone, Copy)]
struct Seen {
    row: Said,
    record: Option<(i32, Offset)>,
    since: Instant,
}

/// What came of one look at a suspect.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It is to be looked at again.
    Unsettled,
    Cleared,
    Owed,
    Unusable,
    /// It differs; `true` where the topic tells of the row as it is.
    Differs(Vec<Drift>, bool),
}

/// What is known of a suspect when it is looked at.
pub(super) struct Facts {
    pub(super) row: Said,
    pub(super) record: Option<(i32, Offset)>,
    /// Whether the topic says what the row says.
    pub(super) is_told: bool,
    /// Whether the group has passed the record.
    pub(super) is_passed: bool,
    pub(super) judgement: Judgement,
}

impl Suspect {
    pub(super) fn new(key: RowKey) -> Self {
        Self {
            key,
            seen: None,
            has_differed: false,
        }
    }

    /// Takes in what is known as of `now`.
    pub(super) fn look(&mut self, facts: Facts, now: Instant, settle: Duration) -> Look {
        let drift = match facts.judgement {
            Judgement::Equal => return Look::Cleared,
            Judgement::Owed => return Look::Owed,
            Judgement::Unusable => return Look::Unusable,
            Judgement::Later => None,
            Judgement::Differs(drift) => Some(drift),
        };
        let known = self
            .seen
            .filter(|seen| seen.record == facts.record && (seen.row == facts.row));
        let has_differed = known.is_some() && self.has_differed;
        let since = known.map_or(now, |seen| seen.since);
        self.seen = Some(Seen {
            row: facts.row,
            record: facts.record,
            since,
        });
        self.has_differed = facts.is_told && facts.is_passed && drift.is_some();
        match drift {
            Some(drift) if self.has_differed && has_differed => Look::Differs(drift, true),
            Some(drift) if !facts.is_told && now.duration_since(since) >= settle => {
                Look::Differs(drift, false)
            }
            _ => Look::Unsettled,
        }
    }
}

/// Whether the last record of a row says what the row says, as far as both can be compared.
pub(super) fn says_the_same(row: Said, last: Option<&LastRecord>) -> bool {
    match (row, last.map(|last| last.said)) {
        (Said::Gone, None | Some(Said::Gone)) => true,
        (
            Said::Row {
                text,
                payload,
                unrepeated,
            },
            Some(Said::Row {
                text: told_text,
                payload: told_payload,
                unrepeated: told_unrepeated,
            }),
        ) => {
            let is_same_text = text.is_none() || told_text.is_none() || text == told_text;
            is_same_text && (unrepeated != told_unrepeated || payload == told_payload)
        }
        _ => false,
    }
}

#[cfg(test)]
#[path = "suspect_tests.rs"]
mod tests;
