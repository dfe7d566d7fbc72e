//! Every condition that is understood, and those that aren't.

use qdrant_client::qdrant::{
    Condition, CountPointsBuilder, DatetimeRange, Filter, GeoRadius, IsNullCondition, Range,
    SliceCondition, Timestamp, ValuesCount, condition::ConditionOneOf, r#match::MatchValue,
};
use serde_json::json;
use tonic::Code;

use crate::support::{COLLECTION, Server, bare_point, point, refused, upsert};

async fn shop() -> Server {
    let server = Server::with_collection().await;
    server
        .client
        .upsert_points(upsert([
            point(
                1,
                [1.0, 0.0, 0.0, 0.0],
                json!({
                    "kind": "tea", "stock": 1, "fair": true, "tags": ["green", "loose"],
                    "made": "2026-01-01T00:00:00Z", "_vectide": {"epoch": 5},
                    "sizes": [{"g": 100, "left": 0}, {"g": 250, "left": 3}]
                }),
            ),
            point(
                2,
                [0.0, 1.0, 0.0, 0.0],
                json!({
                    "kind": "tea", "stock": 20, "fair": false, "tags": [],
                    "made": "2026-06-01T00:00:00Z", "_vectide": {"epoch": 6},
                    "sizes": [{"g": 100, "left": 3}]
                }),
            ),
            bare_point(
                3,
                json!({"kind": "cup", "stock": 300, "note": null, "_vectide": {"epoch": 7}}),
            ),
        ]))
        .await
        .unwrap();
    server
}

async fn count(server: &Server, filter: Filter) -> u64 {
    server
        .client
        .count(
            CountPointsBuilder::new(COLLECTION)
                .filter(filter)
                .exact(true),
        )
        .await
        .unwrap()
        .result
        .unwrap()
        .count
}

fn above(gt: f64) -> Range {
    Range {
        gt: Some(gt),
        ..Range::default()
    }
}

#[tokio::test]
async fn a_filter_combines_its_clauses() {
    let server = shop().await;
    let tea = || Condition::matches("kind", "tea".to_owned());
    let cup = || Condition::matches("kind", "cup".to_owned());
    let many = || Condition::range("stock", above(10.0));
    assert_eq!(count(&server, Filter::default()).await, 3);
    assert_eq!(count(&server, Filter::must([tea(), many()])).await, 1);
    assert_eq!(count(&server, Filter::should([tea(), many()])).await, 3);
    assert_eq!(count(&server, Filter::must_not([tea()])).await, 1);
    let two_of_three = Filter::min_should(2, [tea(), cup(), many()]);
    assert_eq!(count(&server, two_of_three).await, 2);
    let nested: Condition = Filter::must([cup()]).into();
    assert_eq!(count(&server, Filter::should([nested, many()])).await, 2);
}

#[tokio::test]
async fn conditions_match_values() {
    let server = shop().await;
    for (condition, expected) in [
        (Condition::matches("stock", 20), 1),
        (Condition::matches("fair", true), 1),
        (Condition::matches("tags", "green".to_owned()), 1),
        (
            Condition::matches("kind", vec!["cup".to_owned(), "pot".to_owned()]),
            1,
        ),
        (Condition::matches("stock", vec![1, 20]), 2),
        (
            Condition::matches(
                "kind",
                MatchValue::ExceptKeywords(vec!["tea".to_owned()].into()),
            ),
            1,
        ),
        (
            Condition::matches("stock", MatchValue::ExceptIntegers(vec![1].into())),
            2,
        ),
        (Condition::range("_vectide.epoch", above(5.0)), 2),
        (
            Condition::range(
                "stock",
                Range {
                    gte: Some(1.0),
                    lt: Some(20.0),
                    ..Range::default()
                },
            ),
            1,
        ),
        (
            Condition::datetime_range(
                "made",
                DatetimeRange {
                    gte: Some(Timestamp::date(2026, 3, 1).unwrap()),
                    ..DatetimeRange::default()
                },
            ),
            1,
        ),
        (
            Condition::values_count(
                "tags",
                ValuesCount {
                    gte: Some(2),
                    ..ValuesCount::default()
                },
            ),
            1,
        ),
    ] {
        assert_eq!(
            count(&server, Filter::must([condition.clone()])).await,
            expected,
            "{condition:?}"
        );
    }
}

#[tokio::test]
async fn conditions_look_at_presence() {
    let server = shop().await;
    for (condition, expected) in [
        (Condition::is_empty("tags"), 2),
        (Condition::is_null("note"), 1),
        (
            ConditionOneOf::IsNull(IsNullCondition {
                key: "kind".to_owned(),
            })
            .into(),
            0,
        ),
        (Condition::has_id([1, 3, 99]), 2),
        (Condition::has_vector("text"), 2),
    ] {
        assert_eq!(
            count(&server, Filter::must([condition.clone()])).await,
            expected,
            "{condition:?}"
        );
    }
}

#[tokio::test]
async fn a_nested_condition_holds_for_one_element() {
    let server = shop().await;
    let hundred_grams_left = Filter::must([
        Condition::matches("g", 100),
        Condition::range("left", above(0.0)),
    ]);
    let nested = Condition::nested("sizes", hundred_grams_left);
    assert_eq!(count(&server, Filter::must([nested])).await, 1);
}

#[tokio::test]
async fn what_is_not_understood_is_refused_by_name() {
    let server = shop().await;
    for (condition, name) in [
        (Condition::geo_radius("place", GeoRadius::default()), "geo"),
        (
            Condition::matches("kind", MatchValue::Prefix("t".to_owned())),
            "prefix",
        ),
        (
            ConditionOneOf::Slice(SliceCondition { total: 2, index: 0 }).into(),
            "slice",
        ),
    ] {
        let (code, message) = refused(
            server
                .client
                .count(CountPointsBuilder::new(COLLECTION).filter(Filter::must([condition])))
                .await,
        );
        assert_eq!(code, Code::Unimplemented);
        assert!(message.contains(name), "{message}");
    }
}
