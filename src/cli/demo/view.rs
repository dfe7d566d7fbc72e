//! The index as a searcher, and as an auditor, sees it.

use std::collections::{BTreeMap, HashMap};

use qdrant_client::qdrant::{
    Condition, CountPointsBuilder, Filter, GetPointsBuilder, PointId, RetrievedPoint,
    ScrollPointsBuilder, Value, point_id::PointIdOptions, value::Kind,
};

use super::{
    catalogue::Product,
    shop::{price_of, text_of},
};
use crate::{
    config::Config,
    embed,
    index::{self, Comparison, FieldFilter, Searcher, Test},
    record::{PointId as Id, TextHash, Value as Column, Vector},
    stand_ins::Endpoints,
};

/// Points read at once.
const PAGE: u32 = 500;

/// Looks at a collection.
pub(in crate::cli) struct View {
    client: index::Client,
    collection: String,
    vector: String,
    embed: embed::Settings,
}

/// One search result.
pub(super) struct Hit {
    pub(super) id: i64,
    pub(super) title: String,
    pub(super) price: String,
    pub(super) score: f32,
}

impl View {
    /// The collection that `config` names, on the servers that run.
    pub(in crate::cli) fn new(config: &Config, endpoints: &Endpoints) -> anyhow::Result<Self> {
        Ok(Self {
            client: index::connect_client(&config.index, &endpoints.index_url)?,
            collection: config.index.collection.clone(),
            vector: config.index.vector.clone(),
            embed: embed::Settings::new(&config.embed, &endpoints.embed_url)?,
        })
    }

    /// The vector of a search's words, bought as any searcher would buy it.
    pub(super) async fn vector_of(&self, words: &str) -> anyhow::Result<Vector> {
        embed::vector_of(&self.embed, words).await
    }

    /// The nearest products that are in stock.
    pub(super) async fn search(&self, vector: &Vector, limit: u64) -> anyhow::Result<Vec<Hit>> {
        let in_stock = FieldFilter {
            field: "stock".to_owned(),
            test: Test::Number(Comparison::Greater, 0.0),
        };
        let searcher = Searcher::new(self.client.clone(), &self.collection, &self.vector);
        let found = searcher.search(vector, &[in_stock], None, limit).await?;
        let hits = found.into_iter().map(|hit| Hit {
            id: match hit.payload.get("id") {
                Some(Column::Int(id)) => *id,
                _ => 0,
            },
            title: shown(&hit, "title"),
            price: shown(&hit, "price"),
            score: hit.score,
        });
        Ok(hits.collect())
    }

    /// Of these points, those that a shopper still sees: they exist and are in stock.
    pub(super) async fn visible(&self, ids: &[Id]) -> anyhow::Result<Vec<PointId>> {
        let ids: Vec<PointId> = ids.iter().map(|id| index::to_point_id(*id)).collect();
        let asked = GetPointsBuilder::new(&self.collection, ids).with_payload(true);
        let answer = self.client.points().get(asked.build()).await?;
        Ok(answer
            .into_inner()
            .result
            .into_iter()
            .filter(|point| integer(&point.payload, "stock").is_some_and(|stock| stock > 0))
            .filter_map(|point| point.id)
            .collect())
    }

    /// How many points there are.
    pub(in crate::cli) async fn count(&self) -> anyhow::Result<u64> {
        let count = CountPointsBuilder::new(&self.collection)
            .filter(self.rows())
            .exact(true);
        let answer = self.client.points().count(count.build()).await?;
        Ok(answer.into_inner().result.map_or(0, |result| result.count))
    }

    /// Compares every row with its point, and every point with its row: a line for each
    /// difference.
    pub(in crate::cli) async fn differences(
        &self,
        table: &BTreeMap<i64, Product>,
    ) -> anyhow::Result<Vec<String>> {
        let mut differences = Vec::new();
        let mut missing: BTreeMap<i64, &Product> =
            table.iter().map(|(id, product)| (*id, product)).collect();
        for point in self.all().await? {
            let Some(id) = integer(&point.payload, "id") else {
                differences.push(format!("a point without id: {:?}", point.id));
                continue;
            };
            match missing.remove(&id) {
                None => differences.push(format!("product {id} is in the index, not in the table")),
                Some(product) => {
                    for (what, same) in compare(product, &point) {
                        if !same {
                            differences.push(format!("product {id}: {what} differs"));
                        }
                    }
                }
            }
        }
        differences.extend(
            missing
                .keys()
                .map(|id| format!("product {id} is in the table, not in the index")),
        );
        Ok(differences)
    }

    /// Matches the points of rows: tombstones and bookkeeping have no vector.
    fn rows(&self) -> Filter {
        Filter::must([Condition::has_vector(&self.vector)])
    }

    async fn all(&self) -> anyhow::Result<Vec<RetrievedPoint>> {
        let mut points = Vec::new();
        let mut offset: Option<PointId> = None;
        loop {
            let mut page = ScrollPointsBuilder::new(&self.collection)
                .filter(self.rows())
                .limit(PAGE)
                .with_payload(true)
                .with_vectors(true);
            if let Some(offset) = offset {
                page = page.offset(offset);
            }
            let answer = self
                .client
                .points()
                .scroll(page.build())
                .await?
                .into_inner();
            points.extend(answer.result);
            offset = answer.next_page_offset;
            if offset.is_none() {
                return Ok(points);
            }
        }
    }
}

fn compare(product: &Product, point: &RetrievedPoint) -> [(&'static str, bool); 8] {
    let payload = &point.payload;
    let text_hash = index::stored_from_payload(payload)
        .row()
        .and_then(|row| row.text_hash);
    let price = price_of(product);
    [
        ("sku", text(payload, "sku") == Some(&*product.sku)),
        ("title", text(payload, "title") == Some(&*product.title)),
        (
            "category",
            text(payload, "category") == Some(&*product.category),
        ),
        (
            "description",
            text(payload, "description") == Some(&*product.description),
        ),
        ("price", text(payload, "price") == Some(&*price)),
        ("stock", integer(payload, "stock") == Some(product.stock)),
        (
            "the vector's text",
            text_hash == Some(TextHash::of_text(&text_of(product))),
        ),
        ("the vector", point.vectors.is_some()),
    ]
}

/// A text as it is shown; nothing where it is none.
fn shown(hit: &index::Hit, field: &str) -> String {
    match hit.payload.get(field) {
        Some(Column::String(text)) => text.to_string(),
        _ => String::new(),
    }
}

fn text<'a>(payload: &'a HashMap<String, Value>, field: &str) -> Option<&'a str> {
    match &payload.get(field)?.kind {
        Some(Kind::StringValue(text)) => Some(text),
        _ => None,
    }
}

fn integer(payload: &HashMap<String, Value>, field: &str) -> Option<i64> {
    match payload.get(field)?.kind {
        Some(Kind::IntegerValue(integer)) => Some(integer),
        _ => None,
    }
}

/// Whether a point's id on the wire is this one.
pub(super) fn is_point(wire: &PointId, id: Id) -> bool {
    match (&wire.point_id_options, id) {
        (Some(PointIdOptions::Uuid(text)), Id::Uuid(id)) => *text == id.to_string(),
        (Some(PointIdOptions::Num(number)), Id::Integer(id)) => *number == id,
        _ => false,
    }
}
