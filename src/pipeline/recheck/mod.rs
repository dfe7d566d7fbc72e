//! Rows that somebody asked to have looked at again: read anew from the topic, then handed to the
//! reconciler like any other news, so that nothing is written but under the partition's fence and in
//! the order of its records.
//!
//! One request is under way at a time. A row of it is *read* first, up to what the worker has
//! received when it takes the request. It *waits* until nothing earlier of its key is unsettled, then is
//! *applied*. Whatever the worker receives of the key before that is later, and is processed anyway:
//! the row is *overtaken*.

mod scan;
mod under_way;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    watch,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    backoff::Backoff,
    error::Failure,
    index::{self, Claim},
    record::{Doubt, Offset, PointId, Recheck, Settled, Ticket},
    registry::Registry,
    source::PastRecords,
};

pub(super) use scan::Found;
pub(super) use under_way::{Ready, Unsettled};

use super::RowReader;
use scan::Scan;
use under_way::UnderWay;

/// The pauses between attempts to read records again, while Kafka does not let them be read.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What was read of a request's rows.
#[derive(Debug)]
pub(super) struct Scanned {
    request: Uuid,
    found: HashMap<PointId, Found>,
}

/// The requests of one partition.
#[derive(Debug)]
pub(super) struct Rechecks {
    partition: i32,
    index: index::Rechecks,
    past: PastRecords,
    open: Arc<[Recheck]>,
    current: Option<UnderWay>,
    /// Answered, and perhaps not seen to be so yet.
    answered: HashSet<Uuid>,
    next_ticket: u64,
    scanned: UnboundedSender<Scanned>,
    until: CancellationToken,
    _given_up: DropGuard,
}

impl Rechecks {
    /// Those of one partition; with them comes a channel that tells what was read.
    pub(super) fn new(
        index: index::Rechecks,
        partition: i32,
        past: PastRecords,
    ) -> (Self, UnboundedReceiver<Scanned>) {
        let (scanned, read) = unbounded_channel();
        let until = CancellationToken::new();
        let rechecks = Self {
            partition,
            index,
            past,
            open: Arc::default(),
            current: None,
            answered: HashSet::new(),
            next_ticket: 0,
            scanned,
            _given_up: until.clone().drop_guard(),
            until,
        };
        (rechecks, read)
    }

    /// The requests of all partitions of the table.
    pub(super) fn watch(&self) -> watch::Receiver<Arc<[Recheck]>> {
        self.index.watch()
    }

    /// What is asked for now.
    pub(super) fn learn(&mut self, open: Arc<[Recheck]>) {
        let is_open: HashSet<Uuid> = open.iter().map(|request| request.id).collect();
        self.answered.retain(|id| is_open.contains(id));
        self.open = open;
    }

    /// Another member has claimed the partition meanwhile, and now it is this one's again: what could
    /// not be answered is to be begun anew.
    pub(super) fn take_over_again(&mut self) {
        self.answered.clear();
    }

    /// Whether a request is to be begun.
    pub(super) fn is_due(&self) -> bool {
        self.current.is_none() && self.next_request().is_some()
    }

    fn next_request(&self) -> Option<&Recheck> {
        self.open.iter().find(|request| {
            request.partition.partition == self.partition && !self.answered.contains(&request.id)
        })
    }

    /// Begins with the next request, once everything before `received` was received. Returns the rows
    /// whose points are not to be relied on from now on.
    pub(super) fn begin(
        &mut self,
        received: Offset,
        registry: &Registry,
        reader: RowReader,
    ) -> Vec<(PointId, Doubt)> {
        let Some(request) = self.next_request().cloned() else {
            return Vec::new();
        };
        let partition = request.partition.clone();
        info!(%partition, request = %request.id, rows = request.rows.len(), "rows are rechecked on request");
        let current = UnderWay::new(request, received);
        let rows = current.to_be_read();
        let doubts = rows.iter().map(|row| (row.point, row.doubt)).collect();
        let scan = Scan {
            partition,
            rows,
            to: received,
            past: self.past.clone(),
            registry: registry.clone(),
            reader,
        };
        let (scanned, until) = (self.scanned.clone(), self.until.clone());
        tokio::spawn(read(scan, current.id(), scanned, until));
        self.current = Some(current);
        doubts
    }

    /// The records of the rows were read.
    pub(super) fn on_scanned(&mut self, scanned: Scanned) {
        let current = self.current.as_mut();
        if let Some(current) = current.filter(|current| current.id() == scanned.request) {
            current.on_found(scanned.found);
        }
    }

    /// The worker received later news of a key.
    pub(super) fn overtake(&mut self, point: &PointId) {
        if let Some(current) = &mut self.current {
            current.overtake(point);
        }
    }

    /// Takes out what can be applied; `unsettled` tells what a key has that came before.
    pub(super) fn ready(&mut self, unsettled: impl Fn(&PointId) -> Unsettled) -> Vec<Ready> {
        let next_ticket = &mut self.next_ticket;
        let current = self.current.as_mut();
        current.map_or_else(Vec::new, |current| current.ready(next_ticket, unsettled))
    }

    /// A row that was applied came to rest.
    pub(super) fn settled(&mut self, ticket: Ticket, settled: Settled) {
        if let Some(current) = &mut self.current {
            current.settled(ticket, settled);
        }
    }

    /// A row that was applied can't be processed.
    pub(super) fn refused(&mut self, ticket: Ticket, stage: &'static str, failure: &Failure) {
        if let Some(current) = &mut self.current {
            current.refused(ticket, stage, failure);
        }
    }

    /// Answers the request under way, once there is a receipt for each of its rows, as long as the
    /// `claim` holds; returns it with the answer.
    pub(super) fn finish(&mut self, claim: &Claim, now_ms: i64) -> Option<Recheck> {
        let answered = self.current.as_ref()?.answered(now_ms)?;
        self.current = None;
        self.answered.insert(answered.id);
        let (index, until) = (self.index.clone(), self.until.clone());
        let (claim, answer) = (claim.clone(), answered.clone());
        tokio::spawn(async move { index.answer(&answer, &claim, &until).await });
        Some(answered)
    }
}

/// Reads until it is done.
async fn read(
    mut scan: Scan,
    request: Uuid,
    scanned: UnboundedSender<Scanned>,
    until: CancellationToken,
) {
    let backoff = Backoff::new(PAUSES.0, PAUSES.1);
    for failures in 1_u32.. {
        let failure = tokio::select! {
            () = until.cancelled() => return,
            found = scan.run() => match found {
                Ok(found) => {
                    let _ = scanned.send(Scanned { request, found });
                    return;
                }
                Err(failure) => failure,
            },
        };
        warn!(partition = %scan.partition, "can't read records again: {failure}");
        tokio::select! {
            () = until.cancelled() => return,
            () = tokio::time::sleep(backoff.delay(failures, fastrand::f64())) => {}
        }
    }
}
