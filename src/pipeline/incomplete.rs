//! Rows that came without some values, because those did not change, while the index is asked for
//! what they were.

use std::collections::HashMap;

use crate::record::{
    Ack, Completion, Desired, KeyChange, PointId, Provenance, Row, RowKey, Ticket, TruncateMark,
};

/// A row with unavailable values, and the records that say so.
#[derive(Debug)]
pub(super) struct IncompleteRow {
    pub(super) key: RowKey,
    pub(super) point: PointId,
    pub(super) row: Row,
    pub(super) from: Provenance,
}

impl IncompleteRow {
    /// The same record, after a truncate took the row.
    pub(super) fn gone(self) -> KeyChange {
        KeyChange {
            key: self.key,
            point: self.point,
            desired: Desired::Gone,
            from: self.from,
            replaces: true,
        }
    }
}

/// The rows of one partition that wait, one a key: of two the later one has more to say, and takes
/// from the earlier one what it lacks.
#[derive(Debug, Default)]
pub(super) struct IncompleteRows {
    waiting: HashMap<PointId, (Ticket, IncompleteRow)>,
    asked: HashMap<Ticket, PointId>,
    next: u64,
}

impl IncompleteRows {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a row of the key waits.
    pub(super) fn holds(&self, point: &PointId) -> bool {
        self.waiting.contains_key(point)
    }

    /// Takes a row in. If an earlier one of its key waits, the two become one; else the point is to
    /// be looked up with the ticket that is returned.
    pub(super) fn wait(&mut self, mut row: IncompleteRow) -> Option<Ticket> {
        if let Some((_, waiting)) = self.waiting.get_mut(&row.point) {
            row.row.fill(|column| waiting.row.get(column).cloned());
            row.from.completion = Completion::owed();
            let earlier = std::mem::replace(waiting, row).from;
            let kept = waiting
                .from
                .completion
                .keep(std::iter::once(earlier.ack).chain(earlier.completion.into_acks()));
            debug_assert!(kept.is_empty(), "it owes them something");
            return None;
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        self.asked.insert(ticket, row.point);
        self.waiting.insert(row.point, (ticket, row));
        Some(ticket)
    }

    /// The row of a key that has later, complete news: it needs not be completed any more.
    pub(super) fn supersede(&mut self, point: &PointId) -> Vec<Ack> {
        let Some((ticket, row)) = self.waiting.remove(point) else {
            return Vec::new();
        };
        self.asked.remove(&ticket);
        let mut superseded = row.from.completion.into_acks();
        superseded.push(row.from.ack);
        superseded
    }

    /// Takes out the rows from before a truncate.
    pub(super) fn take_covered(&mut self, mark: &TruncateMark) -> Vec<IncompleteRow> {
        let asked = &mut self.asked;
        self.waiting
            .extract_if(|_, (_, row)| mark.covers(&row.from.position))
            .map(|(_, (ticket, row))| {
                asked.remove(&ticket);
                row
            })
            .collect()
    }

    /// The row for which the point was looked up, if it still waits.
    pub(super) fn answered(&mut self, ticket: Ticket) -> Option<IncompleteRow> {
        let point = self.asked.remove(&ticket)?;
        self.waiting.remove(&point).map(|(_, row)| row)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        commit::OffsetLedger,
        record::{Offset, Value},
    };

    fn row(ledger: &mut OffsetLedger, offset: i64, columns: &[(&str, Value)]) -> IncompleteRow {
        let offset = Offset(offset);
        let ack = ledger.receive(offset, 0, 1).unwrap();
        IncompleteRow {
            key: RowKey::single_integer(1),
            point: PointId::Integer(1),
            row: Row::new(
                columns
                    .iter()
                    .map(|(name, value)| (Arc::from(*name), value.clone()))
                    .collect(),
            ),
            from: Provenance::of_offset(offset, ack),
        }
    }

    #[test]
    fn a_later_row_takes_what_it_lacks_from_the_one_that_waits() {
        let (mut rows, mut ledger) = (IncompleteRows::default(), OffsetLedger::default());
        let first = [("image", Value::Unavailable), ("text", Value::Int(1))];
        let ticket = rows.wait(row(&mut ledger, 0, &first)).unwrap();
        let second = [
            ("image", Value::Unavailable),
            ("text", Value::Unavailable),
            ("stock", Value::Int(5)),
        ];
        assert_eq!(rows.wait(row(&mut ledger, 1, &second)), None);
        let waited = rows.answered(ticket).unwrap();
        assert_eq!(waited.from.position.offset, Offset(1));
        assert_eq!(waited.row.get("text"), Some(&Value::Int(1)));
        assert_eq!(waited.row.get("image"), Some(&Value::Unavailable));
        assert_eq!(rows.len(), 0);
        let earlier = waited.from.completion.into_acks();
        assert_eq!(earlier.len(), 1, "which settles with it and no earlier");
    }

    #[test]
    fn an_answer_for_a_row_that_was_superseded_finds_nobody() {
        let (mut rows, mut ledger) = (IncompleteRows::default(), OffsetLedger::default());
        let columns = [("image", Value::Unavailable)];
        let late = rows.wait(row(&mut ledger, 0, &columns)).unwrap();
        assert_eq!(rows.supersede(&PointId::Integer(1)).len(), 1);
        assert!(rows.supersede(&PointId::Integer(1)).is_empty());
        let ticket = rows.wait(row(&mut ledger, 1, &columns)).unwrap();
        assert!(rows.answered(late).is_none());
        assert!(rows.answered(ticket).is_some());
    }
}
