//! The calls that write payloads and vectors of points that exist.

use qdrant_client::qdrant::{
    ClearPayloadPointsBuilder, Condition, DeletePayloadPointsBuilder, DeletePointVectorsBuilder,
    DeletePointsBuilder, Filter, GetPointsBuilder, PayloadExcludeSelector, PayloadIncludeSelector,
    PointVectors, PointsIdsList, SetPayloadPointsBuilder, UpdatePointVectorsBuilder,
    VectorsSelector,
};
use serde_json::json;
use tonic::Code;

use crate::support::{
    COLLECTION, Server, VECTOR, bare_point, fields, get, payload, payload_of, point, refused,
    upsert,
};

async fn shop() -> Server {
    let server = Server::with_collection().await;
    server
        .client
        .upsert_points(upsert([
            point(
                1,
                [1.0, 0.0, 0.0, 0.0],
                json!({"kind": "tea", "stock": 1, "a": {"b": 1}}),
            ),
            point(2, [0.0, 1.0, 0.0, 0.0], json!({"kind": "tea", "stock": 2})),
            point(3, [0.0, 0.0, 1.0, 0.0], json!({"kind": "cup", "stock": 3})),
        ]))
        .await
        .unwrap();
    server
}

fn teas() -> Filter {
    Filter::must([Condition::matches("kind", "tea".to_owned())])
}

#[tokio::test]
async fn setting_merges_and_overwriting_replaces() {
    let server = shop().await;
    let client = &server.client;
    client
        .set_payload(
            SetPayloadPointsBuilder::new(COLLECTION, fields(json!({"stock": 0})))
                .points_selector(teas())
                .wait(true),
        )
        .await
        .unwrap();
    assert_eq!(payload(client, 2).await, json!({"kind": "tea", "stock": 0}));
    assert_eq!(payload(client, 3).await["stock"], json!(3));

    client
        .overwrite_payload(
            SetPayloadPointsBuilder::new(COLLECTION, fields(json!({"only": "this"})))
                .points_selector(PointsIdsList {
                    ids: vec![3.into()],
                })
                .wait(true),
        )
        .await
        .unwrap();
    assert_eq!(payload(client, 3).await, json!({"only": "this"}));
}

#[tokio::test]
async fn a_key_sets_inside_of_an_object() {
    let server = shop().await;
    let client = &server.client;
    client
        .set_payload(
            SetPayloadPointsBuilder::new(COLLECTION, fields(json!({"c": 2})))
                .points_selector(PointsIdsList {
                    ids: vec![1.into()],
                })
                .key("a")
                .wait(true),
        )
        .await
        .unwrap();
    assert_eq!(payload(client, 1).await["a"], json!({"b": 1, "c": 2}));
}

#[tokio::test]
async fn keys_and_whole_payloads_are_deleted_by_filter() {
    let server = shop().await;
    let client = &server.client;
    client
        .delete_payload(
            DeletePayloadPointsBuilder::new(COLLECTION, ["a.b".to_owned(), "stock".to_owned()])
                .points_selector(teas())
                .wait(true),
        )
        .await
        .unwrap();
    assert_eq!(payload(client, 1).await, json!({"kind": "tea", "a": {}}));
    client
        .clear_payload(
            ClearPayloadPointsBuilder::new(COLLECTION)
                .points(teas())
                .wait(true),
        )
        .await
        .unwrap();
    assert_eq!(payload(client, 1).await, json!({}));
    assert_eq!(payload(client, 3).await["stock"], json!(3));
}

#[tokio::test]
async fn writing_to_a_point_that_is_not_there_says_so() {
    let server = shop().await;
    let answer = server
        .client
        .set_payload(
            SetPayloadPointsBuilder::new(COLLECTION, fields(json!({"stock": 0})))
                .points_selector(PointsIdsList {
                    ids: vec![99.into()],
                })
                .wait(true),
        )
        .await;
    assert_eq!(
        refused(answer),
        (
            Code::NotFound,
            "Not found: No point with id 99 found".to_owned()
        )
    );
}

#[tokio::test]
async fn points_are_deleted_by_id_and_by_filter() {
    let server = shop().await;
    let client = &server.client;
    client
        .delete_points(
            DeletePointsBuilder::new(COLLECTION)
                .points(PointsIdsList {
                    ids: vec![3.into(), 99.into()],
                })
                .wait(true),
        )
        .await
        .unwrap();
    assert!(get(client, 3).await.is_none());
    client
        .delete_points(
            DeletePointsBuilder::new(COLLECTION)
                .points(teas())
                .wait(true),
        )
        .await
        .unwrap();
    assert!(get(client, 1).await.is_none());
}

#[tokio::test]
async fn vectors_come_and_go_without_the_payload() {
    let server = shop().await;
    let client = &server.client;
    client
        .delete_vectors(
            DeletePointVectorsBuilder::new(COLLECTION)
                .points_selector(PointsIdsList {
                    ids: vec![1.into()],
                })
                .vectors(VectorsSelector {
                    names: vec![VECTOR.to_owned()],
                })
                .wait(true),
        )
        .await
        .unwrap();
    let bare = get(client, 1).await.unwrap();
    assert!(bare.vectors.unwrap().get_vector_by_name(VECTOR).is_none());
    assert_eq!(payload_of(&bare.payload)["stock"], json!(1));

    let vectors = point(1, [0.0, 0.0, 0.0, 1.0], json!({})).vectors;
    client
        .update_vectors(
            UpdatePointVectorsBuilder::new(
                COLLECTION,
                vec![PointVectors {
                    id: Some(1.into()),
                    vectors,
                }],
            )
            .wait(true),
        )
        .await
        .unwrap();
    let whole = get(client, 1).await.unwrap();
    assert!(whole.vectors.unwrap().get_vector_by_name(VECTOR).is_some());
}

#[tokio::test]
async fn get_returns_what_is_selected_in_the_order_asked_for() {
    let server = shop().await;
    let client = &server.client;
    client
        .upsert_points(upsert([bare_point(
            4,
            json!({"_vectide": {"epoch": 1, "offset": 2}}),
        )]))
        .await
        .unwrap();
    let ids = || [4.into(), 99.into(), 1.into()];
    let plain = client
        .get_points(GetPointsBuilder::new(COLLECTION, ids()))
        .await
        .unwrap()
        .result;
    let found: Vec<_> = plain
        .iter()
        .map(|point| crate::support::number(point.id.as_ref()))
        .collect();
    assert_eq!(found, [4, 1]);
    assert!(plain[1].payload.is_empty() && plain[1].vectors.is_none());

    let included = client
        .get_points(
            GetPointsBuilder::new(COLLECTION, ids()).with_payload(PayloadIncludeSelector {
                fields: vec!["_vectide.epoch".to_owned(), "kind".to_owned()],
            }),
        )
        .await
        .unwrap()
        .result;
    assert_eq!(
        payload_of(&included[0].payload),
        json!({"_vectide": {"epoch": 1}})
    );
    assert_eq!(payload_of(&included[1].payload), json!({"kind": "tea"}));

    let excluded = client
        .get_points(
            GetPointsBuilder::new(COLLECTION, ids()).with_payload(PayloadExcludeSelector {
                fields: vec!["a".to_owned(), "kind".to_owned()],
            }),
        )
        .await
        .unwrap()
        .result;
    assert_eq!(payload_of(&excluded[1].payload), json!({"stock": 1}));
}
