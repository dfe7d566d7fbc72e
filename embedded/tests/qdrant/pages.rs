//! Scrolling: by id, page after page, or by a field.

use qdrant_client::qdrant::{
    Condition, CreateFieldIndexCollectionBuilder, Direction, FieldType, Filter, OrderByBuilder,
    PointStruct, Range, ScrollPointsBuilder, order_value, start_from,
};
use serde_json::json;
use tonic::Code;

use crate::support::{COLLECTION, Server, bare_point, number, payload_of, refused, upsert};

async fn thousand() -> Server {
    let server = Server::with_collection().await;
    let points: Vec<PointStruct> = (0..1000_u64)
        .map(|id| bare_point(id, json!({"rank": 1000 - id, "even": id % 2 == 0})))
        .collect();
    server.client.upsert_points(upsert(points)).await.unwrap();
    server
}

async fn index_rank(server: &Server) {
    server
        .client
        .create_field_index(
            CreateFieldIndexCollectionBuilder::new(COLLECTION, "rank", FieldType::Integer)
                .wait(true),
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn pages_show_every_point_once() {
    let server = thousand().await;
    for filter in [
        Filter::default(),
        Filter::must([Condition::matches("even", true)]),
    ] {
        let mut seen = Vec::new();
        let mut offset = None;
        loop {
            let mut scroll = ScrollPointsBuilder::new(COLLECTION)
                .filter(filter.clone())
                .limit(128);
            if let Some(offset) = offset {
                scroll = scroll.offset::<qdrant_client::qdrant::PointId>(offset);
            }
            let page = server.client.scroll(scroll).await.unwrap();
            assert!(page.result.len() <= 128);
            seen.extend(page.result.iter().map(|point| number(point.id.as_ref())));
            offset = page.next_page_offset;
            if offset.is_none() {
                break;
            }
        }
        let expected: Vec<u64> = if filter.must.is_empty() {
            (0..1000).collect()
        } else {
            (0..1000).step_by(2).collect()
        };
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn a_page_has_payload_and_ten_points_unless_told_otherwise() {
    let server = thousand().await;
    let page = server
        .client
        .scroll(ScrollPointsBuilder::new(COLLECTION))
        .await
        .unwrap();
    assert_eq!(page.result.len(), 10);
    assert_eq!(payload_of(&page.result[0].payload)["rank"], json!(1000));
    assert_eq!(page.next_page_offset, Some(10.into()));

    let ids_only = server
        .client
        .scroll(
            ScrollPointsBuilder::new(COLLECTION)
                .with_payload(false)
                .limit(u32::MAX),
        )
        .await
        .unwrap();
    assert_eq!(ids_only.result.len(), 1000);
    assert!(ids_only.result[0].payload.is_empty());
    assert_eq!(ids_only.next_page_offset, None);
}

#[tokio::test]
async fn points_come_in_the_order_of_an_indexed_field() {
    let server = thousand().await;
    index_rank(&server).await;
    let ranks = async |order: OrderByBuilder| {
        let page = server
            .client
            .scroll(
                ScrollPointsBuilder::new(COLLECTION)
                    .order_by(order)
                    .limit(3),
            )
            .await
            .unwrap();
        assert_eq!(page.next_page_offset, None);
        page.result
            .iter()
            .map(|point| match point.order_value.unwrap().variant.unwrap() {
                order_value::Variant::Int(rank) => rank,
                order_value::Variant::Float(rank) => panic!("{rank} isn't whole"),
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(ranks(OrderByBuilder::new("rank")).await, [1, 2, 3]);
    let from_the_top = OrderByBuilder::new("rank").direction(Direction::Desc.into());
    assert_eq!(ranks(from_the_top).await, [1000, 999, 998]);
    let from_500 = OrderByBuilder::new("rank").start_from(start_from::Value::Integer(500));
    assert_eq!(ranks(from_500).await, [500, 501, 502]);
}

#[tokio::test]
async fn the_highest_value_under_a_filter_is_one_point_away() {
    let server = thousand().await;
    index_rank(&server).await;
    let page = server
        .client
        .scroll(
            ScrollPointsBuilder::new(COLLECTION)
                .filter(Filter::must([Condition::range(
                    "rank",
                    Range {
                        lt: Some(700.0),
                        ..Range::default()
                    },
                )]))
                .order_by(OrderByBuilder::new("rank").direction(Direction::Desc.into()))
                .limit(1),
        )
        .await
        .unwrap();
    assert_eq!(payload_of(&page.result[0].payload)["rank"], json!(699));
}

#[tokio::test]
async fn order_needs_an_index() {
    let server = thousand().await;
    let (code, message) = refused(
        server
            .client
            .scroll(ScrollPointsBuilder::new(COLLECTION).order_by(OrderByBuilder::new("rank")))
            .await,
    );
    assert_eq!(code, Code::InvalidArgument);
    assert!(
        message.starts_with("Wrong input: No range index for `order_by` key: `rank`."),
        "{message}"
    );
}
