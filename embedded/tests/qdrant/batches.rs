//! Update batches: in order, each operation with a fence of its own, ended by the first error.

use qdrant_client::qdrant::{
    Condition, PointVectors, PointsIdsList, PointsSelector, PointsUpdateOperation,
    UpdateBatchPointsBuilder, VectorsSelector,
    points_selector::PointsSelectorOneOf,
    points_update_operation::{
        ClearPayload, DeletePayload, DeletePoints, DeleteVectors, Operation, OverwritePayload,
        PointStructList, SetPayload, UpdateVectors,
    },
};
use serde_json::json;
use tonic::Code;

use crate::support::{
    COLLECTION, Server, VECTOR, bare_point, fence, fields, get, payload, point, refused, upsert,
};

fn batch(operations: impl IntoIterator<Item = Operation>) -> UpdateBatchPointsBuilder {
    let operations: Vec<PointsUpdateOperation> = operations
        .into_iter()
        .map(|operation| PointsUpdateOperation {
            operation: Some(operation),
        })
        .collect();
    UpdateBatchPointsBuilder::new(COLLECTION, operations).wait(true)
}

fn ids<const N: usize>(ids: [u64; N]) -> PointsSelector {
    PointsSelector {
        points_selector_one_of: Some(PointsSelectorOneOf::Points(PointsIdsList {
            ids: ids.into_iter().map(Into::into).collect(),
        })),
    }
}

fn set(id: u64, json: serde_json::Value) -> Operation {
    Operation::SetPayload(SetPayload {
        payload: fields(json).into(),
        points_selector: Some(ids([id])),
        ..SetPayload::default()
    })
}

#[tokio::test]
async fn operations_are_applied_in_order() {
    let server = Server::with_collection().await;
    let client = &server.client;
    let answer = client
        .update_points_batch(batch([
            Operation::Upsert(PointStructList {
                points: vec![
                    point(1, [1.0, 0.0, 0.0, 0.0], json!({"a": 1})),
                    point(2, [0.0, 1.0, 0.0, 0.0], json!({"a": 1})),
                    point(3, [0.0, 0.0, 1.0, 0.0], json!({"a": 1})),
                ],
                ..PointStructList::default()
            }),
            set(1, json!({"b": 2})),
            Operation::OverwritePayload(OverwritePayload {
                payload: fields(json!({"c": 3})).into(),
                points_selector: Some(ids([2])),
                ..OverwritePayload::default()
            }),
            Operation::DeletePayload(DeletePayload {
                keys: vec!["a".to_owned()],
                points_selector: Some(ids([1])),
                ..DeletePayload::default()
            }),
            Operation::ClearPayload(ClearPayload {
                points: Some(ids([3])),
                ..ClearPayload::default()
            }),
            Operation::DeleteVectors(DeleteVectors {
                points_selector: Some(ids([2])),
                vectors: Some(VectorsSelector {
                    names: vec![VECTOR.to_owned()],
                }),
                ..DeleteVectors::default()
            }),
            Operation::UpdateVectors(UpdateVectors {
                points: vec![PointVectors {
                    id: Some(3.into()),
                    vectors: point(3, [0.0, 0.0, 0.0, 1.0], json!({})).vectors,
                }],
                ..UpdateVectors::default()
            }),
            Operation::Upsert(PointStructList {
                points: vec![bare_point(4, json!({}))],
                ..PointStructList::default()
            }),
            Operation::DeletePoints(DeletePoints {
                points: Some(ids([4])),
                ..DeletePoints::default()
            }),
        ]))
        .await
        .unwrap();
    assert_eq!(answer.result.len(), 9);

    assert_eq!(payload(client, 1).await, json!({"b": 2}));
    assert_eq!(payload(client, 2).await, json!({"c": 3}));
    assert_eq!(payload(client, 3).await, json!({}));
    assert!(get(client, 4).await.is_none());
    let vector = |id: u64| async move {
        get(client, id)
            .await
            .unwrap()
            .vectors
            .and_then(|vectors| vectors.get_vector_by_name(VECTOR))
    };
    assert!(vector(2).await.is_none());
    assert_eq!(
        vector(3).await,
        Some(qdrant_client::qdrant::vector_output::Vector::Dense(
            vec![0.0, 0.0, 0.0, 1.0].into()
        ))
    );
}

#[tokio::test]
async fn every_upsert_of_a_batch_has_its_own_fence() {
    let server = Server::with_collection().await;
    let client = &server.client;
    client
        .upsert_points(upsert([
            bare_point(1, json!({"_vectide": {"epoch": 10}})),
            bare_point(2, json!({"_vectide": {"epoch": 10}})),
        ]))
        .await
        .unwrap();
    let at = |id: u64, epoch: i64| {
        Operation::Upsert(PointStructList {
            points: vec![bare_point(
                id,
                json!({"_vectide": {"epoch": epoch}, "new": true}),
            )],
            update_filter: Some(fence(epoch)),
            ..PointStructList::default()
        })
    };
    client
        .update_points_batch(batch([at(1, 9), at(2, 11)]))
        .await
        .unwrap();
    assert_eq!(payload(client, 1).await["new"], json!(null));
    assert_eq!(payload(client, 2).await["new"], json!(true));
}

#[tokio::test]
async fn payload_writes_and_deletes_are_fenced_by_filter_and_id() {
    let server = Server::with_collection().await;
    let client = &server.client;
    client
        .upsert_points(upsert([
            bare_point(1, json!({"_vectide": {"epoch": 5}})),
            bare_point(2, json!({"_vectide": {"epoch": 9}})),
        ]))
        .await
        .unwrap();
    let both_fenced = |epoch| {
        let mut filter = fence(epoch);
        filter.must.push(Condition::has_id([1_u64, 2]));
        Some(PointsSelector {
            points_selector_one_of: Some(PointsSelectorOneOf::Filter(filter)),
        })
    };
    client
        .update_points_batch(batch([Operation::SetPayload(SetPayload {
            payload: fields(json!({"stock": 0})).into(),
            points_selector: both_fenced(7),
            ..SetPayload::default()
        })]))
        .await
        .unwrap();
    assert_eq!(payload(client, 1).await["stock"], json!(0));
    assert_eq!(payload(client, 2).await["stock"], json!(null));

    client
        .update_points_batch(batch([Operation::DeletePoints(DeletePoints {
            points: both_fenced(7),
            ..DeletePoints::default()
        })]))
        .await
        .unwrap();
    assert!(get(client, 1).await.is_none());
    assert!(get(client, 2).await.is_some());
}

#[tokio::test]
async fn an_error_in_the_middle_leaves_what_came_before() {
    let server = Server::with_collection().await;
    let client = &server.client;
    let upsert_of = |vector: Vec<f32>, id: u64| {
        let mut point = bare_point(id, json!({}));
        point.vectors = Some(
            qdrant_client::qdrant::NamedVectors::default()
                .add_vector(VECTOR, vector)
                .into(),
        );
        Operation::Upsert(PointStructList {
            points: vec![point],
            ..PointStructList::default()
        })
    };
    let answer = client
        .update_points_batch(batch([
            upsert_of(vec![1.0; 4], 1),
            upsert_of(vec![1.0; 3], 2),
            upsert_of(vec![1.0; 4], 3),
        ]))
        .await;
    assert_eq!(
        refused(answer),
        (
            Code::InvalidArgument,
            "Wrong input: Vector dimension error: expected dim: 4, got 3".to_owned()
        )
    );
    assert!(get(client, 1).await.is_some());
    assert!(get(client, 2).await.is_none());
    assert!(get(client, 3).await.is_none());
}
