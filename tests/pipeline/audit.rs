//! `vectide audit`, beside a running member of the group.

use std::collections::BTreeMap;

use qdrant_client::qdrant::{
    DeletePayloadPointsBuilder, DeletePointVectorsBuilder, DeletePointsBuilder, PointId,
    PointStruct, SetPayloadPointsBuilder, UpsertPointsBuilder,
};
use serde_json::Value as Json;
use uuid::Uuid;
use vectide::{cli::ExitStatus, record::RowKey};

use crate::shop::{Shop, row};

impl Shop {
    async fn audit(&self, arguments: &[&str]) -> (ExitStatus, Json) {
        let all = [&["audit", "--json"], arguments].concat();
        let (status, text) = self.vectide(&all).await;
        let json: Json = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
        (status, json["topics"][0].clone())
    }

    fn point(&self, id: i64) -> PointId {
        self.point_of(&RowKey::single_integer(id))
    }

    /// Damages points behind the member's back, one in each way.
    async fn damage(&self) {
        let client = self.qdrant_client();
        let stock = [("stock".to_owned(), 99_i64.into())];
        let change = SetPayloadPointsBuilder::new("products", stock);
        let change = change.points_selector(vec![self.point(1)]).wait(true);
        client.set_payload(change).await.unwrap();

        let delete = DeletePointsBuilder::new("products").points(vec![self.point(2)]);
        client.delete_points(delete.wait(true)).await.unwrap();

        // A copy of another point, under an id of its own.
        let copied = self.points().await.pop().unwrap();
        let id = Uuid::from_u128(4711).to_string();
        let extra = PointStruct::new(id, vec![0.5; 32], copied.payload);
        let extra = PointStruct {
            vectors: Some(
                qdrant_client::qdrant::NamedVectors::default()
                    .add_vector(self.config.index.vector.as_str(), vec![0.5; 32])
                    .into(),
            ),
            ..extra
        };
        let upsert = UpsertPointsBuilder::new("products", vec![extra]).wait(true);
        client.upsert_points(upsert).await.unwrap();

        let names = vec![self.config.index.vector.clone()];
        let bare = DeletePointVectorsBuilder::new("products")
            .points_selector(vec![self.point(4)])
            .vectors(names)
            .wait(true);
        client.delete_vectors(bare).await.unwrap();

        let foreign = DeletePayloadPointsBuilder::new("products", vec!["_vectide".to_owned()])
            .points_selector(vec![self.point(5)])
            .wait(true);
        client.delete_payload(foreign).await.unwrap();
    }
}

/// How many differ in which way, but for those ways in which none does.
fn drift(audited: &Json) -> BTreeMap<String, i64> {
    let drift = audited["drift"].as_object().unwrap();
    let counts = drift
        .iter()
        .map(|(kind, count)| (kind.clone(), count.as_i64().unwrap()));
    counts.filter(|(_, count)| *count > 0).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_missing_and_extra_points_are_found_and_repaired_while_run_runs() {
    let mut shop = Shop::open().await;
    let app = shop.addressed_member().await;
    for id in 0..30 {
        shop.put(id, row("Tent", id)).await;
    }
    shop.equal().await;
    shop.delete(0).await;
    shop.equal().await;
    shop.at_rest().await;
    let (status, audited) = shop.audit(&[]).await;
    assert_eq!(status, ExitStatus::Success, "{audited:#}");
    assert_eq!(
        (&audited["rows"], &audited["points"]),
        (&29.into(), &29.into())
    );

    shop.damage().await;
    let (status, audited) = shop.audit(&[]).await;
    assert_eq!(status, ExitStatus::Differs, "{audited:#}");
    let expected = ["payload", "missing", "extra", "no_vector", "foreign"];
    let expected = expected.map(|kind| (kind.to_owned(), 1)).into();
    assert_eq!(drift(&audited), expected, "{audited:#}");

    let (status, audited) = shop.audit(&["--repair"]).await;
    assert_eq!(status, ExitStatus::Success, "{audited:#}");
    assert_eq!(audited["is_mended"], true);
    shop.at_rest().await;
    let (status, text) = shop.vectide(&["audit"]).await;
    assert_eq!(status, ExitStatus::Success, "{text}");
    assert!(text.contains("29 rows, 29 points\n"), "{text}");
    assert!(text.contains("  index and table agree\n"), "{text}");
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_group_has_yet_to_process_is_no_drift() {
    let mut shop = Shop::open().await;
    let app = shop.addressed_member().await;
    for id in 0..10 {
        shop.put(id, row("Tent", id)).await;
    }
    shop.equal().await;
    shop.at_rest().await;
    app.stop().await.unwrap();
    shop.put(1, row("Tarp", 0)).await;
    shop.delete(2).await;
    shop.put(11, row("Kettle", 1)).await;
    let (status, audited) = shop.audit(&[]).await;
    assert_eq!(status, ExitStatus::Success, "{audited:#}");
    assert_eq!(audited["pending"], 3, "{audited:#}");
    assert_eq!(audited["differ"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_change_while_it_reads_are_not_told() {
    let mut shop = Shop::open().await;
    let app = shop.addressed_member().await;
    for id in 0..50 {
        shop.put(id, row("Tent", id)).await;
    }
    shop.equal().await;
    shop.at_rest().await;
    for round in 0..5 {
        for id in 0..50 {
            if (id + round) % 7 == 0 {
                shop.delete(id).await;
            } else {
                shop.put(id, row("Tent", 100 * round + id)).await;
            }
        }
        // The member is in the middle of that.
        let (status, audited) = shop.audit(&[]).await;
        assert_eq!(status, ExitStatus::Success, "{audited:#}");
        assert_eq!(audited["differ"], 0);
    }
    shop.equal().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_model_is_told_and_not_bought_by_looking() {
    let mut shop = Shop::open().await;
    let app = shop.addressed_member().await;
    for id in 0..3 {
        shop.put(id, row("Tent", id)).await;
    }
    shop.equal().await;
    shop.at_rest().await;
    app.stop().await.unwrap();
    shop.config.embed.model = "another".to_owned();
    let (status, audited) = shop.audit(&[]).await;
    assert_eq!(status, ExitStatus::Differs);
    assert_eq!(drift(&audited), [("model".to_owned(), 3)].into());
    let (status, text) = shop.vectide(&["audit", "--show", "1"]).await;
    assert_eq!(status, ExitStatus::Differs);
    assert!(
        text.contains("  3  points with the vector of another model\n"),
        "{text}"
    );
    assert!(text.contains("  and 2 more (--show 3)\n"), "{text}");
}
