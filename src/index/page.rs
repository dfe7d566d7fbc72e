//! All points of a table, page by page, and some by their ids.

use std::collections::HashMap;

use qdrant_client::qdrant::{Condition, Filter, GetPointsBuilder, ScrollPointsBuilder};

use crate::{error::Failure, record::PointId};

use super::{
    FoundPoint, Searcher,
    stored::{DELETED_MS, field},
    value,
};

/// Points of a page.
const PAGE: u32 = 1_000;

/// Which points of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfTable {
    /// Those that are found by their vector.
    WithVector,
    /// The others, but for those that stand for deleted rows.
    WithoutVector,
}

/// Some points, and where the next ones begin; `None` at the end.
#[derive(Debug)]
pub struct Page {
    /// The points.
    pub points: Vec<(PointId, FoundPoint)>,
    /// What to ask for next.
    pub next: Option<PointId>,
}

impl Searcher {
    /// A page of the points that say to be of a topic, from a point on; without their vectors. Points
    /// that are written meanwhile may be there or not.
    pub async fn page(
        &self,
        topic: &str,
        which: OfTable,
        from: Option<PointId>,
    ) -> Result<Page, Failure> {
        let mut filter = Filter::must([Condition::matches(field("topic"), topic.to_owned())]);
        let has_vector = Condition::has_vector(&self.vector);
        match which {
            OfTable::WithVector => filter.must.push(has_vector),
            OfTable::WithoutVector => {
                filter.must_not.push(has_vector);
                filter.must.push(Condition::is_empty(field(DELETED_MS)));
            }
        }
        let mut request = ScrollPointsBuilder::new(&self.collection)
            .filter(filter)
            .limit(PAGE)
            .with_payload(true)
            .with_vectors(false);
        if let Some(from) = from {
            request = request.offset(value::point_id(from));
        }
        let answer = self.client.points().scroll(request.build()).await;
        let answer = answer.map_err(|error| self.failure(&error))?.into_inner();
        let id = |id: &qdrant_client::qdrant::PointId| value::shown_id(id).parse().ok();
        let points = answer.result.into_iter().filter_map(|point| {
            let id = point.id.as_ref().and_then(id)?;
            let found = FoundPoint {
                has_vector: which == OfTable::WithVector,
                ..FoundPoint::of(&point, &self.vector)
            };
            Some((id, found))
        });
        Ok(Page {
            points: points.collect(),
            next: answer.next_page_offset.as_ref().and_then(id),
        })
    }

    /// The points with these ids, as far as there are some.
    pub async fn points(&self, ids: &[PointId]) -> Result<HashMap<PointId, FoundPoint>, Failure> {
        let wanted: Vec<_> = ids.iter().copied().map(value::point_id).collect();
        let request = GetPointsBuilder::new(&self.collection, wanted)
            .with_payload(true)
            .with_vectors(true);
        let answer = self.client.points().get(request.build()).await;
        let points = answer.map_err(|error| self.failure(&error))?.into_inner();
        let points = points.result.into_iter().filter_map(|point| {
            let id = value::shown_id(point.id.as_ref()?).parse().ok()?;
            Some((id, FoundPoint::of(&point, &self.vector)))
        });
        Ok(points.collect())
    }
}
