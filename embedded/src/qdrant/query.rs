//! Search: nearest points, points in the order of a field, or a sample, out of those that match.

use std::cmp::min;

use qdrant_client::qdrant::{self as proto, query::Variant, vector_input};
use qdrant_edge::{
    Condition, DEFAULT_VECTOR_NAME, EdgeShard, Filter, HasIdCondition, NamedQuery, PointId,
    QueryEnum, QueryRequest, Sample, ScoringQuery, TypedMultiDenseVector, VectorInternal,
    VectorStructInternal, WithPayloadInterface, WithVector, external::ordered_float::OrderedFloat,
};
use tonic::Status;

use super::{
    collection::Collection,
    convert::{
        filter, id,
        operation::no_shard_key,
        read,
        vector::{self, VectorSizes},
    },
    error::{bad_input, engine, invalid_field, not_found, unimplemented},
};

/// The server's limit where the client sets none.
const DEFAULT_LIMIT: u64 = 10;

/// Answers one query. Every search is exact; `params` tune the real server's approximate one.
pub(super) fn query(
    collection: &Collection,
    query: proto::QueryPoints,
) -> Result<Vec<proto::ScoredPoint>, Status> {
    if !query.prefetch.is_empty() {
        return Err(unimplemented("`prefetch` of queries"));
    }
    if query.lookup_from.is_some() {
        return Err(unimplemented("`lookup_from` of queries"));
    }
    no_shard_key(query.shard_key_selector.as_ref())?;
    let limit = usize_of("limit", query.limit.unwrap_or(DEFAULT_LIMIT))?;
    if limit == 0 {
        return Err(invalid_field(
            "limit",
            "value 0 invalid, must be 1 or larger",
        ));
    }
    let offset = usize_of("offset", query.offset.unwrap_or(0))?;
    let using = query.using.as_deref().unwrap_or(DEFAULT_VECTOR_NAME);
    let mut filter = filter::optional(query.filter)?;
    let with_payload = read::with_payload(query.with_payload, false)?;
    let with_vector = read::with_vectors(query.with_vectors);
    let variant = query.query.and_then(|query| query.variant);
    collection.read(|shard| {
        let scoring = match variant {
            None => None,
            Some(Variant::Nearest(input)) => {
                let target = target(shard, collection.sizes(), input, using)?;
                if let Some(id) = target.id {
                    filter = Some(without(filter.take(), id));
                }
                Some(ScoringQuery::Vector(QueryEnum::Nearest(NamedQuery::new(
                    target.vector,
                    using,
                ))))
            }
            Some(Variant::OrderBy(order)) => Some(ScoringQuery::OrderBy(read::order_by(order)?)),
            Some(Variant::Sample(_)) => Some(ScoringQuery::Sample(Sample::Random)),
            Some(other) => return Err(unimplemented(format!("`{}` query", name_of(&other)))),
        };
        let mut points = shard
            .query(QueryRequest {
                prefetches: Vec::new(),
                query: scoring,
                filter,
                score_threshold: query.score_threshold.map(OrderedFloat),
                // The engine reserves memory for `limit` points, and counts the offset differently
                // from one kind of query to another.
                limit: limit
                    .saturating_add(offset)
                    .min(shard.info().points_count.max(1)),
                offset: 0,
                params: None,
                with_vector,
                with_payload,
            })
            .map_err(engine)?;
        points.drain(..min(offset, points.len()));
        points.into_iter().map(read::scored_to_proto).collect()
    })
}

/// A search call of older clients, as a query.
pub(super) fn from_search(search: proto::SearchPoints) -> Result<proto::QueryPoints, Status> {
    if search.sparse_indices.is_some() {
        return Err(unimplemented("sparse vectors"));
    }
    let nearest = proto::VectorInput {
        variant: Some(vector_input::Variant::Dense(proto::DenseVector {
            data: search.vector,
        })),
    };
    Ok(proto::QueryPoints {
        collection_name: search.collection_name,
        query: Some(proto::Query {
            variant: Some(Variant::Nearest(nearest)),
        }),
        using: search.vector_name,
        filter: search.filter,
        params: search.params,
        score_threshold: search.score_threshold,
        limit: Some(search.limit),
        offset: search.offset,
        with_vectors: search.with_vectors,
        with_payload: search.with_payload,
        shard_key_selector: search.shard_key_selector,
        ..proto::QueryPoints::default()
    })
}

/// What to be near to: a vector, perhaps that of a point, which isn't its own neighbour.
struct Target {
    vector: VectorInternal,
    id: Option<PointId>,
}

fn target(
    shard: &EdgeShard,
    sizes: &VectorSizes,
    input: proto::VectorInput,
    using: &str,
) -> Result<Target, Status> {
    match input.variant {
        Some(vector_input::Variant::Dense(vector)) => {
            sizes.check(using, &vector.data)?;
            Ok(Target {
                vector: VectorInternal::Dense(vector.data),
                id: None,
            })
        }
        Some(vector_input::Variant::Id(point)) => {
            sizes.check_name(using)?;
            let id = id::from_proto(Some(point))?;
            Ok(Target {
                vector: vector_of(shard, id, using)?,
                id: Some(id),
            })
        }
        Some(vector_input::Variant::Sparse(_)) => Err(unimplemented("sparse vectors")),
        Some(vector_input::Variant::MultiDense(multi)) => {
            let vectors = vector::rows(multi);
            sizes.check_multi(using, &vectors)?;
            let vectors = TypedMultiDenseVector::try_from_matrix(vectors).map_err(engine)?;
            Ok(Target {
                vector: VectorInternal::MultiDense(vectors),
                id: None,
            })
        }
        Some(
            vector_input::Variant::Document(_)
            | vector_input::Variant::Image(_)
            | vector_input::Variant::Object(_),
        ) => Err(unimplemented("inference (documents, images, objects)")),
        None => Err(Status::invalid_argument("No vector provided")),
    }
}

fn vector_of(shard: &EdgeShard, id: PointId, using: &str) -> Result<VectorInternal, Status> {
    let record = shard
        .retrieve(
            &[id],
            Some(WithPayloadInterface::Bool(false)),
            Some(WithVector::Selector(vec![using.to_owned()])),
        )
        .map_err(engine)?
        .pop()
        .ok_or_else(|| not_found(format!("No point with id {id} found")))?;
    let vector = match record.vector {
        Some(VectorStructInternal::Single(vector)) => Some(VectorInternal::Dense(vector)),
        Some(VectorStructInternal::MultiDense(vectors)) => {
            Some(VectorInternal::MultiDense(vectors))
        }
        Some(VectorStructInternal::Named(mut named)) => named.remove(using),
        None => None,
    };
    vector.ok_or_else(|| {
        bad_input(format!(
            "No vector named {using:?} in the point with id {id}"
        ))
    })
}

/// The filter, but not this point.
fn without(filter: Option<Filter>, id: PointId) -> Filter {
    let mut filter = filter.unwrap_or_default();
    filter
        .must_not
        .get_or_insert_default()
        .push(Condition::HasId(HasIdCondition::from_iter([id])));
    filter
}

fn name_of(variant: &Variant) -> &'static str {
    match variant {
        Variant::Nearest(_) => "nearest",
        Variant::Recommend(_) => "recommend",
        Variant::Discover(_) => "discover",
        Variant::Context(_) => "context",
        Variant::OrderBy(_) => "order_by",
        Variant::Fusion(_) => "fusion",
        Variant::Sample(_) => "sample",
        Variant::Formula(_) => "formula",
        Variant::NearestWithMmr(_) => "nearest_with_mmr",
        Variant::Rrf(_) => "rrf",
        Variant::RelevanceFeedback(_) => "relevance_feedback",
        Variant::Text(_) => "text",
    }
}

fn usize_of(field: &str, number: u64) -> Result<usize, Status> {
    usize::try_from(number).map_err(|_| {
        Status::invalid_argument(format!("could not parse '{field}' param into usize"))
    })
}
