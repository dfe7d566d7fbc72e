//! A collection as a whole: how many rows it has, some of them, and which are near to one another.

use std::collections::BTreeSet;

use qdrant_client::qdrant::{
    Condition, CountPointsBuilder, Filter, Query, QueryPointsBuilder, Sample, ScrollPointsBuilder,
};
use tonic::Status;

use crate::{
    error::Failure,
    record::{KnownPoint, PointId},
};

use super::{Client, lookup::known, value};

/// Asks one collection. Rows are what has a vector: those that were deleted and what is kept beside the rows
/// have none, nor have rows whose first vector is still owed.
#[derive(Debug, Clone)]
pub struct Survey {
    client: Client,
    collection: String,
    vector: String,
}

impl Survey {
    /// Of `collection`, whose vector is called `vector`.
    pub fn new(client: Client, collection: &str, vector: &str) -> Self {
        Self {
            client,
            collection: collection.to_owned(),
            vector: vector.to_owned(),
        }
    }

    /// How many rows there are.
    pub async fn rows(&self) -> Result<u64, Failure> {
        let count = CountPointsBuilder::new(&self.collection)
            .filter(self.is_row())
            .exact(true);
        let answer = self.client.points().count(count.build()).await;
        let answer = answer.map_err(|error| self.failure(&error))?.into_inner();
        Ok(answer.result.map_or(0, |result| result.count))
    }

    /// Up to `count` rows at random, with what their points say; `None` for those that somebody else wrote.
    pub async fn sample(&self, count: u64) -> Result<Vec<(PointId, Option<KnownPoint>)>, Failure> {
        let query = QueryPointsBuilder::new(&self.collection)
            .query(Query::new_sample(Sample::Random))
            .filter(self.is_row())
            .with_payload(true)
            .limit(count);
        let answer = self.client.points().query(query.build()).await;
        let answer = answer.map_err(|error| self.failure(&error))?.into_inner();
        let rows = answer.result.into_iter().filter_map(|point| {
            let id = value::record_id(&point.id?)?;
            Some((id, known(&point.payload)))
        });
        Ok(rows.collect())
    }

    /// Which of these are rows here, too.
    pub async fn among(&self, ids: &[PointId]) -> Result<BTreeSet<PointId>, Failure> {
        let mut filter = self.is_row();
        let wanted = ids.iter().map(|id| value::point_id(*id));
        filter.must.push(Condition::has_id(wanted));
        let limit = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let scroll = ScrollPointsBuilder::new(&self.collection)
            .filter(filter)
            .limit(limit.max(1))
            .with_payload(false)
            .with_vectors(false);
        let answer = self.client.points().scroll(scroll.build()).await;
        let answer = answer.map_err(|error| self.failure(&error))?.into_inner();
        let found = answer.result.iter().filter_map(|point| point.id.as_ref());
        Ok(found.filter_map(value::record_id).collect())
    }

    /// The rows nearest to one of them, without itself.
    pub async fn neighbours(&self, id: PointId, count: u64) -> Result<BTreeSet<PointId>, Failure> {
        let query = QueryPointsBuilder::new(&self.collection)
            .query(Query::new_nearest(value::point_id(id)))
            .using(&self.vector)
            .with_payload(false)
            .limit(count);
        let answer = self.client.points().query(query.build()).await;
        let answer = answer.map_err(|error| self.failure(&error))?.into_inner();
        let found = answer.result.iter().filter_map(|point| point.id.as_ref());
        Ok(found.filter_map(value::record_id).collect())
    }

    fn is_row(&self) -> Filter {
        Filter::must([Condition::has_vector(&self.vector)])
    }

    fn failure(&self, error: &Status) -> Failure {
        self.client.failure_of_no_record(
            error,
            &self.collection,
            "refused",
            "Qdrant refuses the question",
        )
    }
}
