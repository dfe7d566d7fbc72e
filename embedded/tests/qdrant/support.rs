//! A server, a client of it, and short ways to say what a test is about.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
};

use qdrant_client::{
    Payload, Qdrant, QdrantError,
    qdrant::{
        self as proto, Condition, CreateCollectionBuilder, Distance, Filter, GetPointsBuilder,
        MultiVectorComparator, MultiVectorConfigBuilder, NamedVectors, PointId, PointStruct,
        RetrievedPoint, UpsertPoints, UpsertPointsBuilder, VectorParamsBuilder,
        VectorsConfigBuilder, value::Kind,
    },
};
use serde_json::{Value, json};
use tonic::Code;
use vectide_embedded::qdrant::{EmbeddedQdrant, QdrantOptions, Storage};

pub(crate) const COLLECTION: &str = "products";
pub(crate) const VECTOR: &str = "text";

pub(crate) struct Server {
    pub(crate) qdrant: EmbeddedQdrant,
    pub(crate) client: Qdrant,
}

impl Server {
    pub(crate) async fn start(storage: Storage) -> Self {
        let qdrant = EmbeddedQdrant::start(QdrantOptions {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            storage,
        })
        .await
        .unwrap();
        let client = client(&qdrant.url());
        Self { qdrant, client }
    }

    pub(crate) async fn in_memory() -> Self {
        Self::start(Storage::Memory).await
    }

    /// In memory, with the collection `products` of one vector of four dimensions, named `text`.
    pub(crate) async fn with_collection() -> Self {
        let server = Self::in_memory().await;
        create_collection(&server.client, 4).await;
        server
    }
}

pub(crate) fn client(url: &str) -> Qdrant {
    // The check blocks this thread, on which the server runs too.
    Qdrant::from_url(url)
        .skip_compatibility_check()
        .build()
        .unwrap()
}

pub(crate) async fn create_collection(client: &Qdrant, size: u64) {
    let mut vectors = VectorsConfigBuilder::default();
    vectors.add_named_vector_params(VECTOR, VectorParamsBuilder::new(size, Distance::Cosine));
    client
        .create_collection(CreateCollectionBuilder::new(COLLECTION).vectors_config(vectors))
        .await
        .unwrap();
}

/// The same, with a multivector in place of the vector.
pub(crate) async fn create_multivector_collection(client: &Qdrant) {
    let mut vectors = VectorsConfigBuilder::default();
    let multi = MultiVectorConfigBuilder::new(MultiVectorComparator::MaxSim);
    let params = VectorParamsBuilder::new(4, Distance::Cosine).multivector_config(multi);
    vectors.add_named_vector_params(VECTOR, params);
    client
        .create_collection(CreateCollectionBuilder::new(COLLECTION).vectors_config(vectors))
        .await
        .unwrap();
}

pub(crate) fn multi_point(
    id: impl Into<PointId>,
    vectors: &[[f32; 4]],
    payload: Value,
) -> PointStruct {
    let vectors: Vec<Vec<f32>> = vectors.iter().map(|vector| vector.to_vec()).collect();
    let vector = proto::Vector::new_multi(vectors);
    PointStruct::new(
        id,
        NamedVectors::default().add_vector(VECTOR, vector),
        fields(payload),
    )
}

pub(crate) fn point(id: impl Into<PointId>, vector: [f32; 4], payload: Value) -> PointStruct {
    PointStruct::new(
        id,
        NamedVectors::default().add_vector(VECTOR, vector.to_vec()),
        fields(payload),
    )
}

/// A point with no vector, as a tombstone is.
pub(crate) fn bare_point(id: impl Into<PointId>, payload: Value) -> PointStruct {
    PointStruct::new(id, NamedVectors::default(), fields(payload))
}

pub(crate) fn upsert(points: impl Into<Vec<PointStruct>>) -> UpsertPoints {
    UpsertPointsBuilder::new(COLLECTION, points)
        .wait(true)
        .build()
}

/// Lets no write of an older epoch pass.
pub(crate) fn fence(epoch: i64) -> Filter {
    Filter::must_not([Condition::range(
        "_vectide.epoch",
        proto::Range {
            gt: Some(epoch as f64),
            ..proto::Range::default()
        },
    )])
}

pub(crate) async fn get(client: &Qdrant, id: impl Into<PointId>) -> Option<RetrievedPoint> {
    client
        .get_points(
            GetPointsBuilder::new(COLLECTION, [id.into()])
                .with_payload(true)
                .with_vectors(true),
        )
        .await
        .unwrap()
        .result
        .pop()
}

/// The payload of a point that must be there.
pub(crate) async fn payload(client: &Qdrant, id: impl Into<PointId>) -> Value {
    payload_of(&get(client, id).await.unwrap().payload)
}

pub(crate) fn payload_of(payload: &HashMap<String, proto::Value>) -> Value {
    Value::Object(
        payload
            .iter()
            .map(|(key, value)| (key.clone(), json_of(value)))
            .collect(),
    )
}

/// A payload from a JSON object.
pub(crate) fn fields(json: Value) -> Payload {
    let Value::Object(fields) = json else {
        panic!("not an object: {json}");
    };
    let fields: HashMap<String, proto::Value> = fields
        .into_iter()
        .map(|(key, value)| (key, proto_of(value)))
        .collect();
    Payload::from(fields)
}

fn proto_of(json: Value) -> proto::Value {
    let kind = match json {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(value),
        Value::Number(value) => match value.as_i64() {
            Some(value) => Kind::IntegerValue(value),
            None => Kind::DoubleValue(value.as_f64().unwrap()),
        },
        Value::String(value) => Kind::StringValue(value),
        Value::Array(values) => Kind::ListValue(proto::ListValue {
            values: values.into_iter().map(proto_of).collect(),
        }),
        Value::Object(_) => Kind::StructValue(proto::Struct {
            fields: fields(json).into(),
        }),
    };
    proto::Value { kind: Some(kind) }
}

fn json_of(value: &proto::Value) -> Value {
    match value.kind.as_ref().unwrap() {
        Kind::NullValue(_) => Value::Null,
        Kind::BoolValue(value) => json!(value),
        Kind::IntegerValue(value) => json!(value),
        Kind::DoubleValue(value) => json!(value),
        Kind::StringValue(value) => json!(value),
        Kind::ListValue(list) => list.values.iter().map(json_of).collect(),
        Kind::StructValue(fields) => payload_of(&fields.fields),
    }
}

pub(crate) fn number(id: Option<&PointId>) -> u64 {
    match id.unwrap().point_id_options.as_ref().unwrap() {
        proto::point_id::PointIdOptions::Num(number) => *number,
        proto::point_id::PointIdOptions::Uuid(uuid) => panic!("{uuid}"),
    }
}

/// Code and message of a call that must fail.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, QdrantError>) -> (Code, String) {
    match result.unwrap_err() {
        QdrantError::ResponseError { status } => (status.code(), status.message().to_owned()),
        other => panic!("not a status: {other}"),
    }
}
