//! Several tables in one process, and tables that are blocked.

use std::collections::BTreeMap;

use qdrant_client::qdrant::value::Kind;
use serde_json::json;
use vectide::{
    config::{DocumentConfig, TableConfig},
    record::TextHash,
};

use crate::shop::{Shop, envelope, key, row, until};

const BRANDS: &str = "shop.public.brands";

/// A shop with a second table in a collection of its own.
async fn open() -> Shop {
    let mut shop = Shop::open().await;
    shop.kafka.create_topic(BRANDS, 2).unwrap();
    shop.config.kafka.topics.push(BRANDS.to_owned());
    shop.config.tables.push(TableConfig {
        topics: vec![BRANDS.to_owned()],
        collection: Some("brands".to_owned()),
        document: Some(DocumentConfig {
            template: Some("{{ name }} of {{ country }}".to_owned()),
            ..DocumentConfig::default()
        }),
    });
    shop
}

impl Shop {
    async fn put_brand(&self, id: i64, columns: serde_json::Value) {
        let mut after = columns;
        after["id"] = json!(id);
        let value = envelope("u", &after);
        self.write_to(BRANDS, Some(&key(id)), Some(&value)).await;
    }

    /// The hash of each brand's text, by id.
    async fn brands(&self) -> BTreeMap<i64, String> {
        let points = self.points_of("brands").await.into_iter();
        points
            .filter_map(|point| {
                let Some(Kind::IntegerValue(id)) = point.payload.get("id")?.kind else {
                    return None;
                };
                let Some(Kind::StructValue(stored)) = &point.payload.get("_vectide")?.kind else {
                    return None;
                };
                match &stored.fields.get("text_hash")?.kind {
                    Some(Kind::StringValue(hash)) => Some((id, hash.clone())),
                    _ => None,
                }
            })
            .collect()
    }

    /// Waits until the brands are those with these texts.
    async fn brands_are(&self, texts: &[(i64, &str)]) {
        let wanted: BTreeMap<i64, String> = texts
            .iter()
            .map(|(id, text)| (*id, TextHash::of_text(text).to_string()))
            .collect();
        until("the brands", async || self.brands().await == wanted).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tables_go_to_two_collections_each_by_its_own_template() {
    let mut shop = open().await;
    let app = shop.member().await;
    shop.put(1, row("kettle", 1)).await;
    shop.put_brand(1, json!({"name": "Acme", "country": "NL"}))
        .await;
    shop.put_brand(2, json!({"name": "Umbra", "country": "CA"}))
        .await;
    shop.equal().await;
    shop.brands_are(&[(1, "Acme of NL"), (2, "Umbra of CA")])
        .await;
    shop.write_to(BRANDS, Some(&key(1)), None).await;
    shop.brands_are(&[(2, "Umbra of CA")]).await;
    shop.at_rest().await;
    app.stop().await.unwrap();
}
