//! Parked rows: points that say which text they are owed the vector of.

use qdrant_client::qdrant::{Condition, Range, RetrievedPoint, ScrollPointsBuilder};
use tokio_util::sync::CancellationToken;

use crate::{
    error::Failure,
    record::{KnownPoint, PointId, TopicPartition},
};

use super::{
    Index, conditions,
    lookup::known,
    stored::{PARKED_MS, field},
    value,
};

/// Some of a partition's parked rows.
#[derive(Debug)]
pub struct ParkedRows {
    /// The points, whole but for their vectors.
    pub rows: Vec<(PointId, KnownPoint)>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<PointId>,
}

impl Index {
    /// A page of at most `limit` parked rows of a partition, in the order of their ids. Tries until
    /// Qdrant answers: `None` once `until` is cancelled, or the program stops.
    pub async fn parked_rows(
        &self,
        partition: &TopicPartition,
        from: Option<PointId>,
        limit: u32,
        until: &CancellationToken,
    ) -> Option<ParkedRows> {
        let attempt = || self.page(partition, from, limit);
        self.connection.insist(until, attempt).await
    }

    async fn page(
        &self,
        partition: &TopicPartition,
        from: Option<PointId>,
        limit: u32,
    ) -> Result<ParkedRows, Failure> {
        let connection = &self.connection;
        let mut filter = conditions::of_partition(&partition.topic, partition.partition);
        let any = Range {
            gte: Some(0.0),
            ..Range::default()
        };
        filter.must.push(Condition::range(field(PARKED_MS), any));
        let mut request = ScrollPointsBuilder::new(&connection.collection)
            .filter(filter)
            .limit(limit)
            .with_payload(true)
            .with_vectors(false);
        if let Some(from) = from {
            request = request.offset(value::point_id(from));
        }
        let answer = connection.client.points().scroll(request.build()).await;
        connection.metrics.count_call("parked", answer.is_ok());
        let page = answer
            .map_err(|error| connection.failure(&error))?
            .into_inner();
        Ok(ParkedRows {
            rows: page.result.iter().filter_map(row).collect(),
            next: page.next_page_offset.as_ref().and_then(value::record_id),
        })
    }
}

fn row(point: &RetrievedPoint) -> Option<(PointId, KnownPoint)> {
    let id = value::record_id(point.id.as_ref()?)?;
    Some((id, known(&point.payload)?))
}
