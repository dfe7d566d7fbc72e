//! The looking-up service: whole points, for rows that come without the values that did not
//! change.

use std::{collections::HashMap, sync::Arc};

use qdrant_client::qdrant::{self, RetrievedPoint, value::Kind};
use tokio::sync::mpsc::UnboundedSender;

use crate::record::{Content, KnownPoint, Payload, PointId, PointState, RESERVED_FIELD, Ticket};

use super::{points::PointRequest, stored, value};

/// A request to look a point up.
#[derive(Debug)]
pub(crate) struct LookupRequest {
    pub(super) ticket: Ticket,
    pub(super) point: PointId,
    /// The payload fields that are asked for.
    pub(super) fields: Vec<Arc<str>>,
    pub(super) reply: UnboundedSender<LookedUp>,
}

/// What a look at a point found.
#[derive(Debug)]
pub struct LookedUp {
    /// The request's ticket.
    pub ticket: Ticket,
    /// The row's point; `None` when there is none, or one that somebody else wrote.
    pub point: Option<Box<KnownPoint>>,
}

impl PointRequest for LookupRequest {
    const LABEL: &'static str = "lookup";

    fn point(&self) -> PointId {
        self.point
    }

    fn fields(batch: &[Self]) -> Vec<String> {
        let mut fields: Vec<String> = batch
            .iter()
            .flat_map(|request| &request.fields)
            .map(ToString::to_string)
            .collect();
        fields.sort_unstable();
        fields.dedup();
        fields.push(RESERVED_FIELD.to_owned());
        fields
    }

    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn answer(self, point: Option<&RetrievedPoint>) {
        let reply = LookedUp {
            ticket: self.ticket,
            point: point.and_then(|point| known(&point.payload)).map(Box::new),
        };
        // The worker may be gone: then nobody needs the answer.
        let _ = self.reply.send(reply);
    }
}

/// What a point's payload says; `None` when Vectide didn't write it.
pub(super) fn known(payload: &HashMap<String, qdrant::Value>) -> Option<KnownPoint> {
    let PointState::Ours {
        epoch,
        content: Content::Row(mut stored),
    } = stored::from_payload(payload)
    else {
        return None;
    };
    if let Some(Kind::StructValue(object)) = &payload.get(RESERVED_FIELD)?.kind
        && let Some(columns) = object.fields.get(stored::SOURCE_COLUMNS)
        && let Some(Kind::StructValue(columns)) = &columns.kind
    {
        stored.source_columns = payload_of(&columns.fields);
    }
    Some(KnownPoint {
        epoch,
        stored,
        payload: payload_of(payload),
    })
}

/// The columns in a point's payload, or in its bookkeeping.
pub(super) fn payload_of(fields: &HashMap<String, qdrant::Value>) -> Payload {
    fields
        .iter()
        .filter(|(name, _)| *name != RESERVED_FIELD)
        .map(|(name, field)| (Arc::from(name.as_str()), value::column(field.clone())))
        .collect::<Vec<_>>()
        .into()
}
