//! Codes and words of refusals, as the real server has them.

use qdrant_client::qdrant::{
    CountPointsBuilder, CreateCollectionBuilder, Distance, FacetCountsBuilder, NamedVectors,
    PointStruct, Query, QueryPointsBuilder, UpsertPointsBuilder, VectorParamsBuilder,
};
use serde_json::json;
use tonic::Code;

use crate::support::{COLLECTION, Server, VECTOR, bare_point, refused, upsert};

fn refusal(code: Code, message: &str) -> (Code, String) {
    (code, message.to_owned())
}

#[tokio::test]
async fn an_unknown_collection_is_not_found() {
    let server = Server::in_memory().await;
    let client = &server.client;
    let expected = refusal(Code::NotFound, "Not found: Collection `x` doesn't exist!");
    assert_eq!(refused(client.collection_info("x").await), expected);
    assert_eq!(
        refused(client.count(CountPointsBuilder::new("x")).await),
        expected
    );
    let upsert = UpsertPointsBuilder::new("x", [bare_point(1, json!({}))]);
    assert_eq!(refused(client.upsert_points(upsert).await), expected);
}

#[tokio::test]
async fn a_collection_is_made_once() {
    let server = Server::with_collection().await;
    let again = CreateCollectionBuilder::new(COLLECTION)
        .vectors_config(VectorParamsBuilder::new(4, Distance::Cosine));
    assert_eq!(
        refused(server.client.create_collection(again).await),
        refusal(
            Code::AlreadyExists,
            "Wrong input: Collection `products` already exists!"
        )
    );
}

#[tokio::test]
async fn a_name_that_is_a_path_is_refused() {
    let server = Server::in_memory().await;
    for name in ["../up", "..", "a/b", ""] {
        let (code, message) = refused(
            server
                .client
                .create_collection(CreateCollectionBuilder::new(name))
                .await,
        );
        assert_eq!(code, Code::InvalidArgument, "{name:?}: {message}");
    }
}

#[tokio::test]
async fn a_vector_must_have_the_size_of_the_collection() {
    let server = Server::with_collection().await;
    let client = &server.client;
    let expected = refusal(
        Code::InvalidArgument,
        "Wrong input: Vector dimension error: expected dim: 4, got 3",
    );
    let short = PointStruct::new(
        1,
        NamedVectors::default().add_vector(VECTOR, vec![1.0; 3]),
        qdrant_client::Payload::new(),
    );
    assert_eq!(
        refused(client.upsert_points(upsert([short])).await),
        expected
    );
    let query = QueryPointsBuilder::new(COLLECTION)
        .query(vec![1.0; 3])
        .using(VECTOR);
    assert_eq!(refused(client.query(query).await), expected);
}

#[tokio::test]
async fn a_vector_must_have_a_name_of_the_collection() {
    let server = Server::with_collection().await;
    let client = &server.client;
    let point = PointStruct::new(
        1,
        NamedVectors::default().add_vector("image", vec![1.0; 4]),
        qdrant_client::Payload::new(),
    );
    assert_eq!(
        refused(client.upsert_points(upsert([point])).await),
        refusal(
            Code::InvalidArgument,
            "Wrong input: Not existing vector name error: image"
        )
    );
    let unnamed = QueryPointsBuilder::new(COLLECTION).query(vec![1.0; 4]);
    assert_eq!(
        refused(client.query(unnamed).await),
        refusal(
            Code::InvalidArgument,
            "Wrong input: Not existing vector name error: "
        )
    );
}

#[tokio::test]
async fn a_point_without_a_vectors_field_is_refused_as_by_the_server() {
    let server = Server::with_collection().await;
    let mut point = bare_point(1, json!({}));
    point.vectors = None;
    assert_eq!(
        refused(server.client.upsert_points(upsert([point])).await),
        refusal(Code::InvalidArgument, "Expected some vectors")
    );
}

#[tokio::test]
async fn what_is_not_answered_says_its_name() {
    let server = Server::with_collection().await;
    let client = &server.client;
    let (code, message) = refused(
        client
            .facet(FacetCountsBuilder::new(COLLECTION, "kind"))
            .await,
    );
    assert_eq!(code, Code::Unimplemented);
    assert!(message.contains("Points/Facet"), "{message}");

    let fusion = Query::new_fusion(qdrant_client::qdrant::Fusion::Rrf);
    let (code, message) = refused(
        client
            .query(QueryPointsBuilder::new(COLLECTION).query(fusion))
            .await,
    );
    assert_eq!(code, Code::Unimplemented);
    assert!(message.contains("`fusion` query"), "{message}");
}
