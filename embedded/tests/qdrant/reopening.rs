//! A folder keeps what was written to it.

use qdrant_client::qdrant::{
    CreateAlias, CreateFieldIndexCollectionBuilder, DeletePointsBuilder, FieldType, PointsIdsList,
    QueryPointsBuilder,
};
use serde_json::json;
use vectide_embedded::qdrant::{EmbeddedQdrant, QdrantOptions, Storage};

use crate::support::{
    COLLECTION, Server, VECTOR, create_collection, create_multivector_collection, get, multi_point,
    number, payload, point, upsert,
};

#[tokio::test]
async fn a_collection_of_multivectors_is_one_after_a_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::Folder(folder.path().to_owned());
    let server = Server::start(storage.clone()).await;
    create_multivector_collection(&server.client).await;
    let (east, north) = ([1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]);
    let points = [multi_point(1, &[east, north], json!({}))];
    server.client.upsert_points(upsert(points)).await.unwrap();
    server.qdrant.shutdown().await;

    let server = Server::start(storage).await;
    let query = QueryPointsBuilder::new(COLLECTION)
        .query(north.to_vec())
        .using(VECTOR);
    let found = server.client.query(query).await.unwrap().result;
    let scores: Vec<f32> = found.iter().map(|point| point.score).collect();
    assert_eq!(scores, [1.0]);
    let more = [multi_point(2, &[east], json!({}))];
    server.client.upsert_points(upsert(more)).await.unwrap();
}

#[tokio::test]
async fn everything_is_there_after_a_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::Folder(folder.path().to_owned());
    let server = Server::start(storage.clone()).await;
    let client = &server.client;
    create_collection(client, 4).await;
    client
        .create_field_index(
            CreateFieldIndexCollectionBuilder::new(COLLECTION, "stock", FieldType::Integer)
                .wait(true),
        )
        .await
        .unwrap();
    client
        .create_alias(CreateAlias {
            alias_name: "live".to_owned(),
            collection_name: COLLECTION.to_owned(),
        })
        .await
        .unwrap();
    client
        .upsert_points(upsert([
            point(1, [1.0, 0.0, 0.0, 0.0], json!({"stock": 1})),
            point(2, [0.0, 1.0, 0.0, 0.0], json!({"stock": 2})),
        ]))
        .await
        .unwrap();
    client
        .delete_points(
            DeletePointsBuilder::new(COLLECTION)
                .points(PointsIdsList {
                    ids: vec![2.into()],
                })
                .wait(true),
        )
        .await
        .unwrap();
    server.qdrant.shutdown().await;

    let server = Server::start(storage).await;
    let client = &server.client;
    assert_eq!(payload(client, 1).await, json!({"stock": 1}));
    assert!(get(client, 2).await.is_none());
    let info = client
        .collection_info("live")
        .await
        .unwrap()
        .result
        .unwrap();
    assert_eq!(info.points_count, Some(1));
    assert!(info.payload_schema.contains_key("stock"));
    let found = client
        .query(
            QueryPointsBuilder::new("live")
                .query(vec![1.0, 0.0, 0.0, 0.0])
                .using(VECTOR),
        )
        .await
        .unwrap()
        .result;
    assert_eq!(number(found[0].id.as_ref()), 1);

    // Writing goes on where it stopped: the engine would ignore an operation older than a point.
    client
        .upsert_points(upsert([point(
            1,
            [1.0, 0.0, 0.0, 0.0],
            json!({"stock": 7}),
        )]))
        .await
        .unwrap();
    assert_eq!(payload(client, 1).await, json!({"stock": 7}));
    server.qdrant.shutdown().await;
}

#[tokio::test]
async fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::Folder(folder.path().to_owned());
    let server = Server::start(storage.clone()).await;
    create_collection(&server.client, 4).await;
    let second = EmbeddedQdrant::start(QdrantOptions {
        address: ([127, 0, 0, 1], 0).into(),
        storage,
    })
    .await;
    assert_eq!(
        second.unwrap_err().to_string(),
        "cannot open the collection \"products\""
    );
    server.qdrant.shutdown().await;
}

#[tokio::test]
async fn an_address_in_use_is_refused() {
    let server = Server::in_memory().await;
    let address = server.qdrant.address();
    let second = EmbeddedQdrant::start(QdrantOptions {
        address,
        storage: Storage::Memory,
    })
    .await;
    assert_eq!(
        second.unwrap_err().to_string(),
        format!("cannot listen on {address}")
    );
}
