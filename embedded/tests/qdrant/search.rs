//! Search: nearest first, payload-only points never.

use qdrant_client::qdrant::{
    Condition, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder, Distance, FieldType,
    Filter, OrderByBuilder, PointId, PointStruct, Query, QueryBatchPointsBuilder, QueryPoints,
    QueryPointsBuilder, ScoredPoint, SearchPointsBuilder, SetPayloadPointsBuilder,
    UpsertPointsBuilder, VectorParamsBuilder, vector_output,
};
use serde_json::json;
use tonic::Code;

use crate::support::{
    COLLECTION, Server, VECTOR, bare_point, create_multivector_collection, fields, get,
    multi_point, number, payload_of, point, refused, upsert,
};

const EAST: [f32; 4] = [1.0, 0.0, 0.0, 0.0];
const NORTH: [f32; 4] = [0.0, 1.0, 0.0, 0.0];

/// Points 1 to 3, ever further from the east, and 4, which has no vector.
async fn compass() -> Server {
    let server = Server::with_collection().await;
    server
        .client
        .upsert_points(upsert([
            point(
                1,
                [1.0, 0.1, 0.0, 0.0],
                json!({"name": "east", "degrees": 6}),
            ),
            point(
                2,
                [1.0, 1.0, 0.0, 0.0],
                json!({"name": "north-east", "degrees": 45}),
            ),
            point(
                3,
                [0.0, 1.0, 0.0, 0.0],
                json!({"name": "north", "degrees": 90}),
            ),
            bare_point(4, json!({"name": "nowhere", "degrees": 0})),
        ]))
        .await
        .unwrap();
    server
}

fn near(direction: [f32; 4]) -> QueryPointsBuilder {
    QueryPointsBuilder::new(COLLECTION)
        .query(direction.to_vec())
        .using(VECTOR)
}

async fn found(server: &Server, query: impl Into<QueryPoints>) -> Vec<u64> {
    ids(&server.client.query(query).await.unwrap().result)
}

fn ids(points: &[ScoredPoint]) -> Vec<u64> {
    points
        .iter()
        .map(|point| number(point.id.as_ref()))
        .collect()
}

#[tokio::test]
async fn the_nearest_come_first_and_a_point_without_vector_never() {
    let server = compass().await;
    let answer = server
        .client
        .query(near(EAST).limit(10).with_payload(true))
        .await
        .unwrap()
        .result;
    assert_eq!(ids(&answer), [1, 2, 3]);
    assert_eq!(payload_of(&answer[0].payload)["name"], json!("east"));
    assert!(
        (answer[1].score - 0.5_f32.sqrt()).abs() < 1e-5,
        "{}",
        answer[1].score
    );
}

#[tokio::test]
async fn a_query_takes_filter_limit_offset_and_threshold() {
    let server = compass().await;
    let not_east = Filter::must_not([Condition::matches("name", "east".to_owned())]);
    assert_eq!(found(&server, near(EAST).filter(not_east)).await, [2, 3]);
    assert_eq!(found(&server, near(EAST).limit(1)).await, [1]);
    assert_eq!(found(&server, near(EAST).limit(u64::MAX)).await, [1, 2, 3]);
    assert_eq!(found(&server, near(EAST).offset(1).limit(1)).await, [2]);
    assert_eq!(found(&server, near(EAST).offset(9)).await, [0_u64; 0]);
    assert_eq!(
        found(&server, near(EAST).score_threshold(0.5)).await,
        [1, 2]
    );
}

#[tokio::test]
async fn a_point_is_not_near_itself() {
    let server = compass().await;
    let like = |id: u64| {
        QueryPointsBuilder::new(COLLECTION)
            .query(Query::new_nearest(PointId::from(id)))
            .using(VECTOR)
    };
    assert_eq!(found(&server, like(1)).await, [2, 3]);
    assert_eq!(
        refused(server.client.query(like(99)).await),
        (
            Code::NotFound,
            "Not found: No point with id 99 found".to_owned()
        )
    );
    let (code, _) = refused(server.client.query(like(4)).await);
    assert_eq!(code, Code::InvalidArgument);
}

#[tokio::test]
async fn a_query_without_vector_scrolls_or_orders() {
    let server = compass().await;
    assert_eq!(
        found(&server, QueryPointsBuilder::new(COLLECTION)).await,
        [1, 2, 3, 4]
    );
    server
        .client
        .create_field_index(
            CreateFieldIndexCollectionBuilder::new(COLLECTION, "degrees", FieldType::Integer)
                .wait(true),
        )
        .await
        .unwrap();
    let by_degrees = QueryPointsBuilder::new(COLLECTION)
        .query(Query::new_order_by(OrderByBuilder::new("degrees")));
    assert_eq!(found(&server, by_degrees.clone()).await, [4, 1, 2, 3]);
    assert_eq!(found(&server, by_degrees.offset(1).limit(2)).await, [1, 2]);
}

#[tokio::test]
async fn queries_come_in_batches_and_searches_still_work() {
    let server = compass().await;
    let batch: Vec<QueryPoints> = vec![
        near(EAST).limit(1).build(),
        near([0.0, 1.0, 0.0, 0.0]).limit(1).build(),
    ];
    let answers = server
        .client
        .query_batch(QueryBatchPointsBuilder::new(COLLECTION, batch))
        .await
        .unwrap()
        .result;
    assert_eq!(
        answers
            .iter()
            .map(|answer| ids(&answer.result))
            .collect::<Vec<_>>(),
        [[1], [3]]
    );

    let searched = server
        .client
        .search_points(SearchPointsBuilder::new(COLLECTION, EAST.to_vec(), 2).vector_name(VECTOR))
        .await
        .unwrap()
        .result;
    assert_eq!(ids(&searched), [1, 2]);
}

async fn multivectors() -> Server {
    let server = Server::in_memory().await;
    create_multivector_collection(&server.client).await;
    server
        .client
        .upsert_points(upsert([
            multi_point(1, &[EAST, NORTH], json!({"name": "east and north"})),
            multi_point(2, &[[1.0, 1.0, 0.0, 0.0]], json!({"name": "north-east"})),
            bare_point(3, json!({"name": "nowhere"})),
        ]))
        .await
        .unwrap();
    server
}

#[tokio::test]
async fn the_nearest_vector_of_a_multivector_counts_and_of_several_their_sum() {
    let server = multivectors().await;
    let scores = async |query: Query| {
        let query = QueryPointsBuilder::new(COLLECTION)
            .query(query)
            .using(VECTOR);
        let points = server.client.query(query).await.unwrap().result;
        let scores = points.iter().map(|point| (point.score * 100.0).round());
        (ids(&points), scores.collect::<Vec<f32>>())
    };
    let one = Query::new_nearest(EAST.to_vec());
    assert_eq!(scores(one).await, (vec![1, 2], vec![100.0, 71.0]));
    let two = Query::new_nearest(vec![EAST.to_vec(), NORTH.to_vec()]);
    assert_eq!(scores(two).await, (vec![1, 2], vec![200.0, 141.0]));
    // By all vectors of a point.
    let like = Query::new_nearest(PointId::from(1));
    assert_eq!(scores(like).await, (vec![2], vec![141.0]));
}

#[tokio::test]
async fn a_multivector_comes_back_as_it_was_also_after_its_payload_was_changed() {
    let server = multivectors().await;
    let overwrite = SetPayloadPointsBuilder::new(COLLECTION, fields(json!({"name": "other"})))
        .points_selector(vec![PointId::from(1)])
        .wait(true);
    server.client.overwrite_payload(overwrite).await.unwrap();
    let point = get(&server.client, 1).await.unwrap();
    assert_eq!(payload_of(&point.payload), json!({"name": "other"}));
    let vector = point.vectors.unwrap().get_vector_by_name(VECTOR);
    let Some(vector_output::Vector::MultiDense(multi)) = vector else {
        panic!("{vector:?}");
    };
    let vectors: Vec<_> = multi.vectors.into_iter().map(|it| it.data).collect();
    assert_eq!(vectors, [EAST, NORTH]);
}

#[tokio::test]
async fn a_multivector_needs_a_place_of_its_kind_and_size() {
    let server = Server::with_collection().await;
    let write = async |server: &Server, vectors: &[[f32; 4]]| {
        let point = multi_point(1, vectors, json!({}));
        refused(server.client.upsert_points(upsert([point])).await).0
    };
    assert_eq!(write(&server, &[EAST]).await, Code::InvalidArgument);
    let server = multivectors().await;
    assert_eq!(write(&server, &[]).await, Code::InvalidArgument);
    let large = vec![EAST; 1024 * 1024 / 4];
    assert_eq!(write(&server, &large).await, Code::InvalidArgument);
    // One vector is a multivector of one.
    let up = [0.0, 0.0, 1.0, 0.0];
    let dense = upsert([point(4, up, json!({}))]);
    server.client.upsert_points(dense).await.unwrap();
    assert_eq!(found(&server, near(up).limit(1)).await, [4]);
}

#[tokio::test]
async fn an_unnamed_vector_needs_no_name() {
    let server = Server::in_memory().await;
    let client = &server.client;
    client
        .create_collection(
            CreateCollectionBuilder::new("plain")
                .vectors_config(VectorParamsBuilder::new(2, Distance::Euclid)),
        )
        .await
        .unwrap();
    let points: Vec<PointStruct> = vec![
        PointStruct::new(1, vec![0.0, 3.0], qdrant_client::Payload::new()),
        PointStruct::new(2, vec![0.0, 1.0], qdrant_client::Payload::new()),
    ];
    client
        .upsert_points(UpsertPointsBuilder::new("plain", points).wait(true))
        .await
        .unwrap();
    let answer = client
        .query(
            QueryPointsBuilder::new("plain")
                .query(vec![0.0, 0.0])
                .with_vectors(true),
        )
        .await
        .unwrap()
        .result;
    assert_eq!(ids(&answer), [2, 1]);
    assert_eq!(
        answer.iter().map(|point| point.score).collect::<Vec<_>>(),
        [1.0, 3.0]
    );
    assert!(answer[0].vectors.is_some());
}
