//! Upserts, above all those with a condition: they are what fences a stale writer.

use qdrant_client::qdrant::{UpdateMode, UpdateStatus, UpsertPoints, UpsertPointsBuilder};
use serde_json::json;
use uuid::Uuid;

use crate::support::{COLLECTION, Server, VECTOR, bare_point, fence, get, payload, point, upsert};

fn fenced(epoch: i64, title: &str) -> UpsertPoints {
    let point = point(
        1,
        [1.0, 0.0, 0.0, 0.0],
        json!({"title": title, "_vectide": {"epoch": epoch}}),
    );
    UpsertPointsBuilder::new(COLLECTION, [point])
        .wait(true)
        .update_filter(fence(epoch))
        .build()
}

#[tokio::test]
async fn a_stale_epoch_changes_nothing() {
    let server = Server::with_collection().await;
    let client = &server.client;
    client.upsert_points(fenced(7, "new")).await.unwrap();
    client.upsert_points(fenced(6, "stale")).await.unwrap();
    assert_eq!(payload(client, 1).await["title"], "new");
    client.upsert_points(fenced(7, "same epoch")).await.unwrap();
    assert_eq!(payload(client, 1).await["title"], "same epoch");
    client.upsert_points(fenced(8, "newer")).await.unwrap();
    assert_eq!(payload(client, 1).await["title"], "newer");
}

#[tokio::test]
async fn a_stale_epoch_does_not_overwrite_a_tombstone() {
    let server = Server::with_collection().await;
    let client = &server.client;
    client
        .upsert_points(upsert([bare_point(1, json!({"_vectide": {"epoch": 7}}))]))
        .await
        .unwrap();
    client
        .upsert_points(fenced(6, "resurrected"))
        .await
        .unwrap();
    assert_eq!(payload(client, 1).await, json!({"_vectide": {"epoch": 7}}));
}

#[tokio::test]
async fn an_upsert_without_condition_replaces_vector_and_payload() {
    let server = Server::with_collection().await;
    let client = &server.client;
    client
        .upsert_points(upsert([point(
            1,
            [1.0, 0.0, 0.0, 0.0],
            json!({"a": 1, "b": 2}),
        )]))
        .await
        .unwrap();
    client
        .upsert_points(upsert([bare_point(1, json!({"a": 3}))]))
        .await
        .unwrap();
    let found = get(client, 1).await.unwrap();
    assert_eq!(crate::support::payload_of(&found.payload), json!({"a": 3}));
    assert!(found.vectors.unwrap().get_vector_by_name(VECTOR).is_none());
}

#[tokio::test]
async fn the_update_mode_decides_about_new_and_old_points() {
    let server = Server::with_collection().await;
    let client = &server.client;
    let with_mode = |mode: UpdateMode, points: Vec<_>| {
        UpsertPointsBuilder::new(COLLECTION, points)
            .wait(true)
            .update_mode(mode)
            .build()
    };
    client
        .upsert_points(upsert([bare_point(1, json!({"v": "old"}))]))
        .await
        .unwrap();
    let both = |value: &str| {
        vec![
            bare_point(1, json!({"v": value})),
            bare_point(2, json!({"v": value})),
        ]
    };

    client
        .upsert_points(with_mode(UpdateMode::UpdateOnly, both("updated")))
        .await
        .unwrap();
    assert_eq!(payload(client, 1).await["v"], "updated");
    assert!(get(client, 2).await.is_none());

    client
        .upsert_points(with_mode(UpdateMode::InsertOnly, both("inserted")))
        .await
        .unwrap();
    assert_eq!(payload(client, 1).await["v"], "updated");
    assert_eq!(payload(client, 2).await["v"], "inserted");
}

#[tokio::test]
async fn a_written_point_comes_back_as_it_was() {
    let server = Server::with_collection().await;
    let client = &server.client;
    let id = Uuid::new_v4().to_string();
    let written = json!({
        "title": "Tea", "price": 3.5, "stock": 12, "sold_out": false, "note": null,
        "tags": ["green", "loose"], "_vectide": {"epoch": 1_700_000_000_123_i64}
    });
    let answer = client
        .upsert_points(upsert([point(
            id.clone(),
            [0.0, 3.0, 0.0, 4.0],
            written.clone(),
        )]))
        .await
        .unwrap();
    assert_eq!(answer.result.unwrap().status(), UpdateStatus::Completed);

    let found = get(client, id).await.unwrap();
    assert_eq!(crate::support::payload_of(&found.payload), written);
    let vector = found.vectors.unwrap().get_vector_by_name(VECTOR).unwrap();
    // A cosine collection keeps vectors at length one.
    assert_eq!(
        vector,
        qdrant_client::qdrant::vector_output::Vector::Dense(vec![0.0, 0.6, 0.0, 0.8].into())
    );
}

#[tokio::test]
async fn writers_at_once_lose_nothing() {
    let server = Server::with_collection().await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8_u64 {
        let client = server.client.clone();
        writers.spawn(async move {
            for batch in 0..10 {
                let first = writer * 1000 + batch * 16;
                let points: Vec<_> = (first..first + 16)
                    .map(|id| point(id, [1.0, id as f32, 0.0, 0.0], json!({"writer": writer})))
                    .collect();
                client.upsert_points(upsert(points)).await.unwrap();
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    let info = server.client.collection_info(COLLECTION).await.unwrap();
    assert_eq!(info.result.unwrap().points_count, Some(8 * 10 * 16));
}
