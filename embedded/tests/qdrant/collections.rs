//! Collections: made, described, listed, deleted.

use qdrant_client::qdrant::{
    CollectionStatus, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder,
    DeleteFieldIndexCollectionBuilder, Distance, FieldType, PayloadSchemaType, VectorParamsBuilder,
    vectors_config::Config,
};
use serde_json::json;

use crate::support::{COLLECTION, Server, VECTOR, bare_point, point, upsert};

#[tokio::test]
async fn a_client_finds_the_version_it_speaks() {
    let server = Server::in_memory().await;
    let health = server.client.health_check().await.unwrap();
    assert!(health.version.starts_with("1."), "{}", health.version);
}

#[tokio::test]
async fn a_collection_lives_from_create_to_delete() {
    let server = Server::with_collection().await;
    let client = &server.client;
    assert!(client.collection_exists(COLLECTION).await.unwrap());
    let listed = client.list_collections().await.unwrap().collections;
    assert_eq!(listed[0].name, COLLECTION);

    assert!(client.delete_collection(COLLECTION).await.unwrap().result);
    assert!(!client.collection_exists(COLLECTION).await.unwrap());
    assert!(
        client
            .list_collections()
            .await
            .unwrap()
            .collections
            .is_empty()
    );
    assert!(!client.delete_collection(COLLECTION).await.unwrap().result);
}

#[tokio::test]
async fn a_deleted_collection_can_be_made_again_and_is_empty() {
    let server = Server::with_collection().await;
    let client = &server.client;
    client
        .upsert_points(upsert([bare_point(1, json!({}))]))
        .await
        .unwrap();
    client.delete_collection(COLLECTION).await.unwrap();
    crate::support::create_collection(client, 8).await;
    let info = client
        .collection_info(COLLECTION)
        .await
        .unwrap()
        .result
        .unwrap();
    assert_eq!(info.points_count, Some(0));
}

#[tokio::test]
async fn info_tells_vectors_points_and_indexes() {
    let server = Server::with_collection().await;
    let client = &server.client;
    client
        .upsert_points(upsert([
            point(1, [1.0, 0.0, 0.0, 0.0], json!({"stock": 3})),
            bare_point(2, json!({"stock": 4})),
        ]))
        .await
        .unwrap();
    client
        .create_field_index(
            CreateFieldIndexCollectionBuilder::new(COLLECTION, "stock", FieldType::Integer)
                .wait(true),
        )
        .await
        .unwrap();

    let info = client
        .collection_info(COLLECTION)
        .await
        .unwrap()
        .result
        .unwrap();
    assert_eq!(info.status(), CollectionStatus::Green);
    assert_eq!(info.points_count, Some(2));
    let stock = &info.payload_schema["stock"];
    assert_eq!(stock.data_type(), PayloadSchemaType::Integer);
    assert_eq!(stock.points, Some(2));
    let params = info.config.unwrap().params.unwrap();
    let Some(Config::ParamsMap(vectors)) = params.vectors_config.unwrap().config else {
        panic!("named vectors expected");
    };
    assert_eq!(vectors.map[VECTOR].size, 4);
    assert_eq!(vectors.map[VECTOR].distance(), Distance::Cosine);

    client
        .delete_field_index(DeleteFieldIndexCollectionBuilder::new(COLLECTION, "stock").wait(true))
        .await
        .unwrap();
    let info = client
        .collection_info(COLLECTION)
        .await
        .unwrap()
        .result
        .unwrap();
    assert!(info.payload_schema.is_empty());
}

#[tokio::test]
async fn an_unnamed_vector_is_described_as_one() {
    let server = Server::in_memory().await;
    server
        .client
        .create_collection(
            CreateCollectionBuilder::new("plain")
                .vectors_config(VectorParamsBuilder::new(3, Distance::Dot)),
        )
        .await
        .unwrap();
    let info = server.client.collection_info("plain").await.unwrap();
    let params = info.result.unwrap().config.unwrap().params.unwrap();
    let Some(Config::Params(vector)) = params.vectors_config.unwrap().config else {
        panic!("one unnamed vector expected");
    };
    assert_eq!((vector.size, vector.distance()), (3, Distance::Dot));
}
