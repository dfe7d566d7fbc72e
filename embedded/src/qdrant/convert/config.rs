//! A collection's configuration.
//!
//! What a collection answers is decided by its vectors: names, sizes, distances, comparators. The rest of a
//! `CreateCollection` (HNSW, optimizers, quantization, replication, on disk or in memory) tunes a
//! server; it is accepted and has no effect, for here every search is exact.

use std::collections::HashMap;

use qdrant_client::qdrant::{self as proto, vectors_config::Config};
use qdrant_edge::{
    DEFAULT_VECTOR_NAME, Distance, EdgeConfig, EdgeConfigBuilder, EdgeVectorParams,
    EdgeVectorParamsBuilder, MultiVectorComparator, MultiVectorConfig,
};
use tonic::Status;

use super::filter::usize_from;
use crate::qdrant::error::{invalid_field, unimplemented};

/// The engine's largest dimension is the server's.
const MAX_DIMENSION: u64 = 65536;

/// The engine's form of a new collection's configuration.
pub(in crate::qdrant) fn from_proto(
    request: &proto::CreateCollection,
) -> Result<EdgeConfig, Status> {
    if request
        .sparse_vectors_config
        .as_ref()
        .is_some_and(|sparse| !sparse.map.is_empty())
    {
        return Err(unimplemented("sparse vectors"));
    }
    if request.sharding_method == Some(proto::ShardingMethod::Custom.into()) {
        return Err(unimplemented("custom sharding"));
    }
    if request.strict_mode_config.is_some() {
        return Err(unimplemented("strict mode"));
    }
    if !request.metadata.is_empty() {
        return Err(unimplemented("metadata of collections"));
    }
    let vectors = match request
        .vectors_config
        .as_ref()
        .and_then(|vectors| vectors.config.as_ref())
    {
        None => HashMap::new(),
        Some(Config::Params(params)) => {
            HashMap::from([(DEFAULT_VECTOR_NAME.to_owned(), vector(params)?)])
        }
        Some(Config::ParamsMap(map)) => map
            .map
            .iter()
            .map(|(name, params)| Ok((name.clone(), vector(params)?)))
            .collect::<Result<_, Status>>()?,
    };
    Ok(EdgeConfigBuilder::new().vectors(vectors).build())
}

fn vector(params: &proto::VectorParams) -> Result<EdgeVectorParams, Status> {
    match params.datatype.map(proto::Datatype::try_from) {
        None | Some(Ok(proto::Datatype::Default | proto::Datatype::Float32)) => {}
        Some(_) => return Err(unimplemented("vectors of another datatype than float32")),
    }
    if !(1..=MAX_DIMENSION).contains(&params.size) {
        return Err(invalid_field(
            "vectors_config.config.params.size",
            &format!(
                "value {} invalid, must be from 1 to {MAX_DIMENSION}",
                params.size
            ),
        ));
    }
    let distance = match proto::Distance::try_from(params.distance) {
        Ok(proto::Distance::Cosine) => Distance::Cosine,
        Ok(proto::Distance::Euclid) => Distance::Euclid,
        Ok(proto::Distance::Dot) => Distance::Dot,
        Ok(proto::Distance::Manhattan) => Distance::Manhattan,
        Ok(proto::Distance::UnknownDistance) => {
            return Err(Status::invalid_argument(
                "Malformed distance parameter: UnknownDistance",
            ));
        }
        Err(_) => {
            return Err(Status::invalid_argument(format!(
                "Malformed distance parameter, unexpected value: {}",
                params.distance
            )));
        }
    };
    let builder = EdgeVectorParamsBuilder::new(usize_from(params.size), distance);
    Ok(match params.multivector_config {
        None => builder.build(),
        Some(multi) => builder.multivector_config(multivector(multi)?).build(),
    })
}

fn multivector(config: proto::MultiVectorConfig) -> Result<MultiVectorConfig, Status> {
    match proto::MultiVectorComparator::try_from(config.comparator) {
        Ok(proto::MultiVectorComparator::MaxSim) => Ok(MultiVectorConfig {
            comparator: MultiVectorComparator::MaxSim,
        }),
        Err(_) => Err(Status::invalid_argument(format!(
            "Malformed comparator parameter, unexpected value: {}",
            config.comparator
        ))),
    }
}

/// The configuration as the server describes it, with the server's defaults where it has a number.
pub(in crate::qdrant) fn to_proto(config: &EdgeConfig) -> proto::CollectionConfig {
    let mut vectors: HashMap<String, proto::VectorParams> = config
        .vectors
        .iter()
        .map(|(name, params)| (name.clone(), vector_to_proto(params)))
        .collect();
    let vectors = match vectors.remove(DEFAULT_VECTOR_NAME) {
        Some(params) if vectors.is_empty() => Config::Params(params),
        unnamed => {
            vectors.extend(unnamed.map(|params| (DEFAULT_VECTOR_NAME.to_owned(), params)));
            Config::ParamsMap(proto::VectorParamsMap { map: vectors })
        }
    };
    proto::CollectionConfig {
        params: Some(proto::CollectionParams {
            shard_number: 1,
            replication_factor: Some(1),
            write_consistency_factor: Some(1),
            vectors_config: Some(proto::VectorsConfig {
                config: Some(vectors),
            }),
            ..proto::CollectionParams::default()
        }),
        hnsw_config: Some(proto::HnswConfigDiff::default()),
        optimizer_config: Some(proto::OptimizersConfigDiff::default()),
        wal_config: Some(proto::WalConfigDiff::default()),
        ..proto::CollectionConfig::default()
    }
}

fn vector_to_proto(params: &EdgeVectorParams) -> proto::VectorParams {
    let distance = match params.distance {
        Distance::Cosine => proto::Distance::Cosine,
        Distance::Euclid => proto::Distance::Euclid,
        Distance::Dot => proto::Distance::Dot,
        Distance::Manhattan => proto::Distance::Manhattan,
    };
    let multi = params.multivector_config.map(|config| match config {
        MultiVectorConfig {
            comparator: MultiVectorComparator::MaxSim,
        } => proto::MultiVectorConfig {
            comparator: proto::MultiVectorComparator::MaxSim.into(),
        },
    });
    proto::VectorParams {
        size: params.size as u64,
        distance: distance.into(),
        multivector_config: multi,
        ..proto::VectorParams::default()
    }
}
