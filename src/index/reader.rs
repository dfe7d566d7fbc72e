//! The reading service: what points say about their making, as far as planning needs it.

use qdrant_client::qdrant::RetrievedPoint;

use crate::record::{PointId, PointState};

use super::{IndexReply, ReadRequest, points::PointRequest, stored};

impl PointRequest for ReadRequest {
    const LABEL: &'static str = "read";

    fn point(&self) -> PointId {
        self.point
    }

    fn fields(_: &[Self]) -> Vec<String> {
        stored::fields()
    }

    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn answer(self, point: Option<&RetrievedPoint>) {
        let reply = IndexReply::Read {
            ticket: self.ticket,
            point: point.map_or(PointState::Absent, |point| {
                stored::from_payload(&point.payload)
            }),
        };
        // The worker may be gone: then nobody needs the answer.
        let _ = self.reply.send(reply);
    }
}
