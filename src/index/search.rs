//! The index as whoever asks sees it: the nearest points of a vector, and one point whole.

use std::{collections::HashMap, sync::Arc};

use qdrant_client::qdrant::{
    GetPointsBuilder, QueryPointsBuilder, RetrievedPoint, Value as Field,
    vectors_output::VectorsOptions,
};
use tonic::Status;

use crate::{
    error::Failure,
    record::{
        Content, KnownPoint, Payload, PointId, PointState, Tombstone, TruncateMark, Value, Vector,
    },
};

use super::{
    Client, FieldFilter, MarkState, collection, filter,
    lookup::{known, payload_of},
    mark,
    stored::{self, Object},
    value,
};

/// Asks one collection. Each question is asked once: whoever asks wants to know why there is no
/// answer.
#[derive(Clone)]
pub struct Searcher {
    pub(super) client: Client,
    pub(super) collection: String,
    pub(super) vector: String,
}

/// A search's result.
#[derive(Debug, Clone)]
pub struct Hit {
    /// How near it is, by the collection's measure.
    pub score: f32,
    /// The point.
    pub id: String,
    /// The row's key in canonical form, if Vectide wrote the point.
    pub key: Option<String>,
    /// The fields that searchers see, sorted by name.
    pub payload: Payload,
}

/// A point as it is stored.
#[derive(Debug, Clone)]
pub struct FoundPoint {
    /// The fields that searchers see, sorted by name.
    pub payload: Payload,
    /// Whether it has the vector by which it is found.
    pub has_vector: bool,
    /// What it says about its making.
    pub bookkeeping: Bookkeeping,
}

/// What a point says about its making.
#[derive(Debug, Clone)]
pub enum Bookkeeping {
    /// It was made of a row.
    Row(Box<KnownPoint>),
    /// It stands for a row that was deleted.
    Tombstone(Box<Tombstone>),
    /// Nothing, or nothing whole: somebody else wrote it.
    None,
}

/// A value as it comes back from the index: a decimal as the number or the text it is stored as.
pub fn as_stored(column: &Value) -> Value {
    value::column(value::value(column))
}

impl Searcher {
    /// Asks `collection`, whose vector is called `vector`.
    pub fn new(client: Client, collection: &str, vector: &str) -> Self {
        Self {
            client,
            collection: collection.to_owned(),
            vector: vector.to_owned(),
        }
    }

    /// The collection's name.
    pub fn collection(&self) -> &str {
        &self.collection
    }

    /// Fails, saying what to do, when the server is away or the collection is not there.
    pub async fn ask(&self) -> Result<(), Failure> {
        let exists = collection::exists(&self.client, &self.collection).await;
        if exists.map_err(|error| self.failure(&error))? {
            return Ok(());
        }
        Err(Failure::blocked(
            "absent",
            format!(
                "the collection {} does not exist: `vectide run` makes it; or correct index.collection",
                self.collection
            ),
        ))
    }

    /// The nearest points of which the filters are true; of one topic's table, if it is named.
    /// What has no vector is never found: deleted rows, and what is kept beside the rows.
    pub async fn search(
        &self,
        vector: &Vector,
        filters: &[FieldFilter],
        topic: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Hit>, Failure> {
        let query = QueryPointsBuilder::new(&self.collection)
            .query(vector.floats().collect::<Vec<f32>>())
            .using(&self.vector)
            .filter(filter::of(filters, topic))
            .with_payload(true)
            .limit(limit);
        let answer = self.client.points().query(query.build()).await;
        let answer = answer.map_err(|error| self.failure(&error))?.into_inner();
        let hits = answer.result.into_iter().map(|point| Hit {
            score: point.score,
            id: point.id.as_ref().map(value::shown_id).unwrap_or_default(),
            key: key(&point.payload),
            payload: sorted(&point.payload),
        });
        Ok(hits.collect())
    }

    /// One point, if there is one.
    pub async fn point(&self, id: PointId) -> Result<Option<FoundPoint>, Failure> {
        let point = self.get(id, true).await?;
        Ok(point.map(|point| FoundPoint::of(&point, &self.vector)))
    }

    /// The last truncate of a topic's table.
    pub async fn truncated(&self, topic: &str) -> Result<Option<TruncateMark>, Failure> {
        let point = self.get(mark::id_of(topic), false).await?;
        let state = point.and_then(|point| mark::from_payload(&point.payload));
        Ok(state.and_then(|state| match state {
            MarkState::Truncated { mark, .. } => Some(mark),
            MarkState::Unread | MarkState::Never => None,
        }))
    }

    async fn get(&self, id: PointId, vectors: bool) -> Result<Option<RetrievedPoint>, Failure> {
        let request = GetPointsBuilder::new(&self.collection, [value::point_id(id)])
            .with_payload(true)
            .with_vectors(vectors);
        let answer = self.client.points().get(request.build()).await;
        let points = answer
            .map_err(|error| self.failure(&error))?
            .into_inner()
            .result;
        Ok(points.into_iter().next())
    }

    pub(super) fn failure(&self, error: &Status) -> Failure {
        self.client.failure(error, &self.collection)
    }
}

impl std::fmt::Debug for Searcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Searcher({})", self.collection)
    }
}

impl FoundPoint {
    /// What was read of a point; `vector` is the name of the one by which it is found.
    pub(super) fn of(point: &RetrievedPoint, vector: &str) -> Self {
        Self {
            payload: sorted(&point.payload),
            has_vector: has_vector(point, vector),
            bookkeeping: bookkeeping(&point.payload),
        }
    }
}

fn sorted(payload: &HashMap<String, Field>) -> Payload {
    let mut fields = payload_of(payload).fields().to_vec();
    fields.sort_by(|(a, _), (b, _): &(Arc<str>, Value)| a.cmp(b));
    fields.into()
}

fn has_vector(point: &RetrievedPoint, name: &str) -> bool {
    let vectors = point.vectors.as_ref();
    let vectors = vectors.and_then(|vectors| vectors.vectors_options.as_ref());
    match vectors {
        Some(VectorsOptions::Vectors(named)) => named.vectors.contains_key(name),
        Some(VectorsOptions::Vector(_)) | None => false,
    }
}

fn bookkeeping(payload: &HashMap<String, Field>) -> Bookkeeping {
    if let Some(point) = known(payload) {
        return Bookkeeping::Row(Box::new(point));
    }
    match stored::from_payload(payload) {
        PointState::Ours {
            content: Content::Tombstone(tombstone),
            ..
        } => Bookkeeping::Tombstone(Box::new(tombstone)),
        _ => Bookkeeping::None,
    }
}

/// The row's key in canonical form.
fn key(payload: &HashMap<String, Field>) -> Option<String> {
    Object::of(payload)?.text("key").map(str::to_owned)
}
