//! Reads that score nothing: points by id, page by page, and how many there are.

use qdrant_client::qdrant as proto;
use qdrant_edge::{CountRequest, OrderByInterface, ScrollRequest};
use tonic::Status;

use super::{
    collection::Collection,
    convert::{filter, id, operation::no_shard_key, read},
    error::{bad_input, engine, invalid_field},
};

/// The server's page size where the client sets none.
const DEFAULT_PAGE: u32 = 10;

/// The points of these ids that exist, in the order asked for.
pub(super) fn get(
    collection: &Collection,
    request: proto::GetPoints,
) -> Result<Vec<proto::RetrievedPoint>, Status> {
    no_shard_key(request.shard_key_selector.as_ref())?;
    let ids = id::all_from_proto(request.ids)?;
    let with_payload = read::with_payload(request.with_payload, false)?;
    let with_vectors = read::with_vectors(request.with_vectors);
    let records = collection.read(|shard| {
        shard
            .retrieve(&ids, Some(with_payload), Some(with_vectors))
            .map_err(engine)
    })?;
    records.into_iter().map(read::record_to_proto).collect()
}

/// A page of the points that match, in the order of their ids or of a field, and the id at which
/// the next page begins.
pub(super) fn scroll(
    collection: &Collection,
    request: proto::ScrollPoints,
) -> Result<(Vec<proto::RetrievedPoint>, Option<proto::PointId>), Status> {
    no_shard_key(request.shard_key_selector.as_ref())?;
    let limit = request.limit.unwrap_or(DEFAULT_PAGE);
    if limit == 0 {
        return Err(invalid_field(
            "limit",
            "value 0 invalid, must be 1 or larger",
        ));
    }
    if request.order_by.is_some() && request.offset.is_some() {
        return Err(bad_input(
            "Cannot use an `offset` when using `order_by`. The alternative for paging is to use \
             `order_by.start_from` and a filter to exclude the IDs that you've already seen for the \
             `order_by.start_from` value",
        ));
    }
    let scroll = ScrollRequest {
        offset: request
            .offset
            .map(|offset| id::from_proto(Some(offset)))
            .transpose()?,
        limit: usize::try_from(limit).ok(),
        filter: filter::optional(request.filter)?,
        with_payload: Some(read::with_payload(request.with_payload, true)?),
        with_vector: read::with_vectors(request.with_vectors),
        order_by: request
            .order_by
            .map(|order| read::order_by(order).map(OrderByInterface::Struct))
            .transpose()?,
    };
    let (records, next) = collection.read(|shard| {
        let every = shard.info().points_count.max(1);
        let scroll = ScrollRequest {
            // The engine reserves memory for a whole page.
            limit: scroll.limit.map(|limit| limit.min(every)),
            ..scroll
        };
        shard.scroll(scroll).map_err(engine)
    })?;
    let points = records
        .into_iter()
        .map(read::record_to_proto)
        .collect::<Result<_, _>>()?;
    Ok((points, next.map(id::to_proto)))
}

/// How many points match; exactly, unless the client wants an estimate.
pub(super) fn count(collection: &Collection, request: proto::CountPoints) -> Result<u64, Status> {
    no_shard_key(request.shard_key_selector.as_ref())?;
    let count = CountRequest {
        filter: filter::optional(request.filter)?,
        exact: request.exact.unwrap_or(true),
    };
    collection
        .read(|shard| shard.count(count).map_err(engine))
        .map(|count| count as u64)
}
