//! The collection: made when it is absent, refused when it isn't what it must be.

use std::collections::BTreeMap;

use qdrant_client::qdrant::{
    CollectionExistsRequest, CollectionInfo, CreateCollectionBuilder,
    CreateFieldIndexCollectionBuilder, Distance, FieldType, GetCollectionInfoRequest,
    IntegerIndexParams, KeywordIndexParams, MultiVectorComparator, MultiVectorConfigBuilder,
    VectorParams, VectorParamsBuilder, VectorsConfigBuilder, payload_index_params::IndexParams,
    vectors_config,
};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::info;

use crate::{
    backoff::Backoff,
    error::{Disposition, Failure},
    telemetry::{LanePart, LaneState},
};

use super::{
    Calls, Client,
    recheck::RECHECK_OF,
    stored::{DELETED_MS, DELETED_OFFSET, EPOCH, PARKED_MS, field},
};

/// What the collection must be.
#[derive(Debug, Clone)]
pub struct CollectionSpec {
    /// Its name, or an alias of it.
    pub name: String,
    /// The name of the vector.
    pub vector: String,
    /// The vector's length.
    pub dimensions: u32,
    /// Whether points have several vectors by that name, each of that length, of which a search takes the
    /// best: Qdrant's multivectors.
    pub is_multivector: bool,
    /// How vectors are compared.
    pub distance: Distance,
    /// Payload fields to index, when the collection is made.
    pub payload_indexes: BTreeMap<String, FieldType>,
    /// Whether it may be made.
    pub create: bool,
}

/// The collection can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CollectionError {
    /// It has another vector than configured.
    #[error(
        "collection `{collection}` does not fit: {found}, but the configuration wants {wanted}; change embed.dimensions, index.vector or index.distance, or name another collection in index.collection"
    )]
    Mismatch {
        /// The collection's name.
        collection: String,
        /// What it has.
        found: String,
        /// What is configured.
        wanted: String,
    },
    /// It has one vector a point, and texts are split.
    #[error(
        "collection `{0}` has one vector a point, and embed.over_long = \"chunk\" needs a multivector, which Qdrant makes of no vector that is there: name a new collection in index.collection and go over to it by `vectide reindex`, or set embed.over_long = \"truncate\""
    )]
    NoMultivector(String),
    /// It is absent and may not be made.
    #[error("collection `{0}` does not exist, and index.create_collection is false")]
    Absent(String),
    /// The server refused.
    #[error(transparent)]
    Refused(Failure),
    /// The program was asked to stop before the server answered.
    #[error("stopped while waiting for Qdrant")]
    Stopped,
}

/// Makes or checks the collection, waiting for the server as long as it takes.
pub(super) async fn ensure(
    client: &Client,
    spec: &CollectionSpec,
    calls: Calls,
    health: &LanePart,
    shutdown: &CancellationToken,
) -> Result<(), CollectionError> {
    let backoff = Backoff::new(calls.retry_initial, calls.retry_max);
    for failures in 1_u32.. {
        let failure = match try_ensure(client, spec).await {
            Ok(()) => {
                health.set(LaneState::Ready);
                return Ok(());
            }
            Err(CollectionError::Refused(failure)) => failure,
            Err(error) => return Err(error),
        };
        match failure.disposition {
            Disposition::Transient | Disposition::Throttled { .. } => {
                health.set(LaneState::Waiting(failure.message));
            }
            // A refused key may be mended while this waits; a refused request is ours to mend.
            Disposition::Blocked => health.set(LaneState::Blocked(failure.message)),
            Disposition::Record => return Err(CollectionError::Refused(failure)),
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.delay(failures, fastrand::f64())) => {}
            () = shutdown.cancelled() => return Err(CollectionError::Stopped),
        }
    }
    Err(CollectionError::Stopped)
}

/// One attempt.
pub(crate) async fn try_ensure(
    client: &Client,
    spec: &CollectionSpec,
) -> Result<(), CollectionError> {
    let refused = |error: Status| CollectionError::Refused(client.failure(&error, &spec.name));
    if !exists(client, &spec.name).await.map_err(refused)? {
        if !spec.create {
            return Err(CollectionError::Absent(spec.name.clone()));
        }
        create(client, spec).await?;
    }
    check(client, spec).await?;
    index_bookkeeping(client, spec).await
}

/// The fields of the bookkeeping by which points are fenced, claimed, swept and rechecked.
const BOOKKEEPING: [(&str, FieldType); 7] = [
    ("topic", FieldType::Keyword),
    ("partition", FieldType::Integer),
    (EPOCH, FieldType::Integer),
    (DELETED_MS, FieldType::Integer),
    (DELETED_OFFSET, FieldType::Integer),
    (PARKED_MS, FieldType::Integer),
    (RECHECK_OF, FieldType::Keyword),
];

/// Indexes what every write and every claim filters by, where that isn't done yet: servers in strict
/// mode refuse filters by other fields, and all are slow without.
async fn index_bookkeeping(client: &Client, spec: &CollectionSpec) -> Result<(), CollectionError> {
    let refused = |error: Status| CollectionError::Refused(client.failure(&error, &spec.name));
    let info = info(client, &spec.name).await.map_err(refused)?;
    let indexed = info.unwrap_or_default().payload_schema;
    for (name, kind) in BOOKKEEPING {
        let name = field(name);
        if !indexed.contains_key(&name) {
            let request = CreateFieldIndexCollectionBuilder::new(&spec.name, name, kind)
                .field_index_params(not_for_searches(kind))
                .wait(true);
            let made = client.points().create_field_index(request.build()).await;
            made.map_err(refused)?;
        }
    }
    Ok(())
}

/// Nobody searches by bookkeeping, so the graph of the vectors needs no further links for it.
fn not_for_searches(kind: FieldType) -> IndexParams {
    match kind {
        FieldType::Keyword => IndexParams::KeywordIndexParams(KeywordIndexParams {
            enable_hnsw: Some(false),
            ..KeywordIndexParams::default()
        }),
        _ => IndexParams::IntegerIndexParams(IntegerIndexParams {
            lookup: Some(true),
            range: Some(true),
            enable_hnsw: Some(false),
            ..IntegerIndexParams::default()
        }),
    }
}

/// Whether there is a collection, or an alias, of this name.
pub(super) async fn exists(client: &Client, name: &str) -> Result<bool, Status> {
    let request = CollectionExistsRequest {
        collection_name: name.to_owned(),
    };
    let answer = client.collections().collection_exists(request).await?;
    Ok(answer.into_inner().result.is_some_and(|found| found.exists))
}

async fn info(client: &Client, name: &str) -> Result<Option<CollectionInfo>, Status> {
    let request = GetCollectionInfoRequest {
        collection_name: name.to_owned(),
    };
    let answer = client.collections().get(request).await?;
    Ok(answer.into_inner().result)
}

async fn create(client: &Client, spec: &CollectionSpec) -> Result<(), CollectionError> {
    let refused = |error: Status| CollectionError::Refused(client.failure(&error, &spec.name));
    let mut vectors = VectorsConfigBuilder::default();
    let mut vector = VectorParamsBuilder::new(u64::from(spec.dimensions), spec.distance);
    if spec.is_multivector {
        let config = MultiVectorConfigBuilder::new(MultiVectorComparator::MaxSim);
        vector = vector.multivector_config(config);
    }
    vectors.add_named_vector_params(&spec.vector, vector);
    let collection = CreateCollectionBuilder::new(&spec.name).vectors_config(vectors);
    let made = client.collections().create(collection.build()).await;
    match made {
        Ok(_) => info!(
            collection = spec.name,
            vector = spec.vector,
            dimensions = spec.dimensions,
            is_multivector = spec.is_multivector,
            "made the collection"
        ),
        // Another member of the group was faster.
        Err(_) if exists(client, &spec.name).await.map_err(refused)? => return Ok(()),
        Err(error) => return Err(refused(error)),
    }
    for (field, kind) in &spec.payload_indexes {
        let index = CreateFieldIndexCollectionBuilder::new(&spec.name, field, *kind).wait(true);
        let made = client.points().create_field_index(index.build()).await;
        made.map_err(refused)?;
    }
    Ok(())
}

/// Whether the collection has the vector that the configuration wants.
pub(super) async fn check(client: &Client, spec: &CollectionSpec) -> Result<(), CollectionError> {
    let info = info(client, &spec.name)
        .await
        .map_err(|error| CollectionError::Refused(client.failure(&error, &spec.name)))?;
    let config = info
        .and_then(|result| result.config)
        .and_then(|config| config.params)
        .and_then(|params| params.vectors_config)
        .and_then(|vectors| vectors.config);
    let describe = |params: &VectorParams| {
        format!(
            "vector `{}` of {} dimensions, {}",
            spec.vector,
            params.size,
            distance_name(params.distance())
        )
    };
    let found = match &config {
        Some(vectors_config::Config::ParamsMap(vectors)) => match vectors.map.get(&spec.vector) {
            Some(params)
                if params.size == u64::from(spec.dimensions)
                    && params.distance() == spec.distance =>
            {
                // A dense vector is written to a multivector as one of one.
                if spec.is_multivector && params.multivector_config.is_none() {
                    return Err(CollectionError::NoMultivector(spec.name.clone()));
                }
                return Ok(());
            }
            Some(params) => format!("it has {}", describe(params)),
            None => {
                let mut names: Vec<_> =
                    vectors.map.keys().map(|name| format!("`{name}`")).collect();
                names.sort_unstable();
                format!("its vectors are {}", names.join(", "))
            }
        },
        Some(vectors_config::Config::Params(_)) => "its vector has no name".to_owned(),
        None => "it has no vector".to_owned(),
    };
    Err(CollectionError::Mismatch {
        collection: spec.name.clone(),
        found,
        wanted: format!(
            "vector `{}` of {} dimensions, {}",
            spec.vector,
            spec.dimensions,
            distance_name(spec.distance)
        ),
    })
}

fn distance_name(distance: Distance) -> &'static str {
    match distance {
        Distance::UnknownDistance => "an unknown distance",
        Distance::Cosine => "cosine",
        Distance::Euclid => "euclid",
        Distance::Dot => "dot",
        Distance::Manhattan => "manhattan",
    }
}
