//! The request that is under way: how far each of its rows has come. Pure.

use std::collections::HashMap;

use uuid::Uuid;

use crate::{
    error::Failure,
    record::{Answer, AskedRow, Doubt, Offset, PointId, Receipt, Recheck, RowKey, Settled, Ticket},
};

use super::Found;

/// The request under way.
#[derive(Debug)]
pub(super) struct UnderWay {
    request: Recheck,
    /// Up to where the worker had received when it took the request.
    received: Offset,
    rows: HashMap<PointId, Stage>,
    applied: HashMap<Ticket, (PointId, Offset)>,
    receipts: HashMap<PointId, Receipt>,
}

/// How far a row has come that was not applied yet.
#[derive(Debug)]
enum Stage {
    /// Its records are being read.
    Reading,
    /// What they say waits for what is unsettled of its key.
    Waiting(Found),
}

/// A row that can be applied now.
#[derive(Debug)]
pub(in super::super) struct Ready {
    pub(in super::super) ticket: Ticket,
    pub(in super::super) point: PointId,
    pub(in super::super) key: RowKey,
    pub(in super::super) doubt: Doubt,
    /// News, or that there is no record of it.
    pub(in super::super) found: Found,
    /// The last offset before which the records were read.
    pub(in super::super) last: Offset,
}

/// What a key has that was received before and is not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Unsettled {
    /// Nothing.
    Nothing,
    /// News on their way.
    News,
    /// A record that is held, because something is wrong with its table.
    Held,
}

impl UnderWay {
    /// A request that is taken once everything before `received` was received.
    pub(super) fn new(request: Recheck, received: Offset) -> Self {
        let (mut rows, mut receipts) = (HashMap::new(), HashMap::new());
        for row in &request.rows {
            if row.from < received {
                rows.insert(row.point, Stage::Reading);
            } else {
                // Its record has yet to be received.
                receipts.insert(row.point, Receipt::Overtaken);
            }
        }
        Self {
            request,
            received,
            rows,
            applied: HashMap::new(),
            receipts,
        }
    }

    pub(super) fn id(&self) -> Uuid {
        self.request.id
    }

    /// The rows whose records are to be read.
    pub(super) fn to_be_read(&self) -> Vec<AskedRow> {
        let rows = self.request.rows.iter();
        let rows = rows.filter(|row| self.rows.contains_key(&row.point));
        rows.cloned().collect()
    }

    /// The records of the rows were read.
    pub(super) fn on_found(&mut self, found: HashMap<PointId, Found>) {
        for (point, found) in found {
            // It may have been overtaken meanwhile.
            if let Some(stage) = self.rows.get_mut(&point) {
                *stage = Stage::Waiting(found);
            }
        }
    }

    /// Later news of a key was received.
    pub(super) fn overtake(&mut self, point: &PointId) {
        if self.rows.remove(point).is_some() {
            self.receipts.insert(*point, Receipt::Overtaken);
        }
    }

    /// Takes out what can be applied, and notes what can't be. `unsettled` tells what a key has that
    /// came before.
    pub(super) fn ready(
        &mut self,
        next_ticket: &mut u64,
        unsettled: impl Fn(&PointId) -> Unsettled,
    ) -> Vec<Ready> {
        let mut ready = Vec::new();
        for row in &self.request.rows {
            if !matches!(self.rows.get(&row.point), Some(Stage::Waiting(_))) {
                continue;
            }
            let unsettled = unsettled(&row.point);
            if unsettled == Unsettled::News {
                continue;
            }
            let Some(Stage::Waiting(found)) = self.rows.remove(&row.point) else {
                continue;
            };
            let receipt = match found {
                _ if unsettled == Unsettled::Held => refused("document", &held_back()),
                Found::Refused(stage, failure) => refused(stage, &failure),
                Found::Unknown(message) => Receipt::Unknown { message },
                found @ (Found::News(_) | Found::Nothing) => {
                    let ticket = Ticket(*next_ticket);
                    *next_ticket += 1;
                    let last = Offset(self.received.0.saturating_sub(1));
                    let offset = match &found {
                        Found::News(news) => news.0.position.offset,
                        _ => last,
                    };
                    self.applied.insert(ticket, (row.point, offset));
                    ready.push(Ready {
                        ticket,
                        point: row.point,
                        key: row.key.clone(),
                        doubt: row.doubt,
                        found,
                        last,
                    });
                    continue;
                }
            };
            self.receipts.insert(row.point, receipt);
        }
        ready
    }

    /// A row that was applied came to rest.
    pub(super) fn settled(&mut self, ticket: Ticket, settled: Settled) {
        self.receive(ticket, |Offset(offset)| match settled {
            Settled::Written | Settled::Parked => Receipt::Written { offset },
            Settled::Deleted => Receipt::Deleted { offset },
            Settled::Unchanged => Receipt::Unchanged { offset },
            Settled::Superseded | Settled::DeadLettered | Settled::Skipped => Receipt::Overtaken,
        });
    }

    /// A row that was applied can't be processed.
    pub(super) fn refused(&mut self, ticket: Ticket, stage: &'static str, failure: &Failure) {
        self.receive(ticket, |_| refused(stage, failure));
    }

    fn receive(&mut self, ticket: Ticket, receipt: impl FnOnce(Offset) -> Receipt) {
        if let Some((point, offset)) = self.applied.remove(&ticket) {
            self.receipts.insert(point, receipt(offset));
        }
    }

    /// The request with its answer, once there is a receipt for each of its rows.
    pub(super) fn answered(&self, now_ms: i64) -> Option<Recheck> {
        let rows = self.request.rows.iter();
        let receipts = rows.map(|row| self.receipts.get(&row.point).cloned());
        let receipts = receipts.collect::<Option<Vec<_>>>()?;
        let mut request = self.request.clone();
        request.answer = Some(Answer {
            at_ms: now_ms,
            receipts,
        });
        Some(request)
    }
}

fn refused(stage: &str, failure: &Failure) -> Receipt {
    Receipt::Refused {
        stage: stage.to_owned(),
        reason: failure.reason.to_owned(),
        message: failure.message.clone(),
    }
}

fn held_back() -> Failure {
    Failure::blocked(
        "held",
        "a record of the row is held until its table is mended: see /readyz",
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::record::{Origin, Position, RawRecord, RowChange, RowState, TopicPartition};

    const RECEIVED: Offset = Offset(50);

    /// Of rows 1, 2, …, whose records stand at these offsets.
    fn request(offsets: &[i64]) -> UnderWay {
        let rows = (1..).zip(offsets).map(|(key, from)| AskedRow {
            point: point(key),
            key: RowKey::single_integer(key),
            from: Offset(*from),
            doubt: Doubt::Payload,
        });
        let request = Recheck {
            id: Uuid::nil(),
            partition: TopicPartition {
                topic: "t".into(),
                partition: 0,
            },
            asked_ms: 0,
            rows: rows.collect(),
            answer: None,
        };
        UnderWay::new(request, RECEIVED)
    }

    fn point(key: i64) -> PointId {
        PointId::Integer(key.unsigned_abs())
    }

    fn news(key: i64, offset: i64) -> (PointId, Found) {
        let raw = RawRecord {
            topic: "t".into(),
            partition: 0,
            offset: Offset(offset),
            timestamp_ms: None,
            key: None,
            value: None,
            headers: Vec::new(),
        };
        let change = RowChange {
            key: RowKey::single_integer(key),
            state: RowState::Gone,
            position: Position::of_record(&raw),
            origin: Origin::Changed,
        };
        (point(key), Found::News(Box::new((change, raw))))
    }

    fn receipts(request: &UnderWay) -> Option<Vec<Receipt>> {
        request.answered(7).map(|it| it.answer.unwrap().receipts)
    }

    fn nothing(_: &PointId) -> Unsettled {
        Unsettled::Nothing
    }

    #[test]
    fn it_is_answered_once_each_row_has_come_to_rest() {
        let mut request = request(&[40, 41]);
        assert!(request.ready(&mut 0, nothing).is_empty(), "nothing is read");
        request.on_found([news(1, 44), news(2, 41)].into());
        let ready = request.ready(&mut 7, nothing);
        let tickets: Vec<_> = ready.iter().map(|ready| ready.ticket).collect();
        assert_eq!(tickets, [Ticket(7), Ticket(8)]);
        request.settled(Ticket(7), Settled::Written);
        assert_eq!(receipts(&request), None);
        request.refused(Ticket(8), "embed", &Failure::record("http_400", "no"));
        let expected = Receipt::Refused {
            stage: "embed".to_owned(),
            reason: "http_400".to_owned(),
            message: "no".to_owned(),
        };
        let written = Receipt::Written { offset: 44 };
        assert_eq!(receipts(&request), Some(vec![written, expected]));
    }

    #[test]
    fn a_row_waits_for_what_came_before_it_and_is_overtaken_by_what_comes_behind() {
        let mut request = request(&[40, 41]);
        request.on_found([news(1, 40), news(2, 41)].into());
        let is_busy = |it: &PointId| {
            if *it == point(1) {
                Unsettled::News
            } else {
                Unsettled::Held
            }
        };
        assert!(request.ready(&mut 0, is_busy).is_empty());
        assert_eq!(receipts(&request), None, "row 1 waits");
        request.overtake(&point(1));
        assert!(request.ready(&mut 0, nothing).is_empty());
        let receipts = receipts(&request).unwrap();
        assert_eq!(receipts.first(), Some(&Receipt::Overtaken));
        assert!(matches!(receipts.last(), Some(Receipt::Refused { .. })));
    }

    #[test]
    fn a_row_that_is_overtaken_while_its_records_are_read_is_not_applied() {
        let mut request = request(&[40]);
        request.overtake(&point(1));
        request.on_found([news(1, 40)].into());
        assert!(request.ready(&mut 0, nothing).is_empty());
        assert_eq!(receipts(&request), Some(vec![Receipt::Overtaken]));
    }

    #[test]
    fn a_record_that_has_yet_to_be_received_comes_by_itself() {
        let request = request(&[50, 40]);
        let read: Vec<_> = request.to_be_read().iter().map(|row| row.point).collect();
        assert_eq!(read, [point(2)]);
    }

    #[test]
    fn a_row_without_a_record_is_gone_as_of_what_was_received_last() {
        let mut request = request(&[0]);
        request.on_found([(point(1), Found::Nothing)].into());
        let ready = request.ready(&mut 0, nothing);
        assert_eq!(ready.first().unwrap().last, Offset(49));
        request.settled(Ticket(0), Settled::Deleted);
        let deleted = Receipt::Deleted { offset: 49 };
        assert_eq!(receipts(&request), Some(vec![deleted]));
    }
}
