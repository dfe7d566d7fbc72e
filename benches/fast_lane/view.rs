//! The collection, as a searcher sees it.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, Result};
use qdrant_client::{
    Qdrant,
    qdrant::{
        Condition, CountPointsBuilder, Filter, GetPointsBuilder, PayloadIncludeSelector, PointId,
        ScrollPointsBuilder, Value, with_payload_selector::SelectorOptions,
    },
};
use uuid::Uuid;

use crate::{TOPIC, shop::Shop};

const WANTED: &str = "_vectide.wanted";
const DELETED: &str = "_vectide.deleted_ms";
const PAGE: u32 = 1_000;
/// How long the collection may take to answer, on a machine that is busy with much else.
const PATIENCE: Duration = Duration::from_mins(1);

/// The collection.
#[derive(Clone)]
pub(crate) struct View {
    client: Qdrant,
    collection: String,
}

/// A row as its point shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Row { stock: i64, description: String },
    Tombstone,
}

impl View {
    pub(crate) fn open(index_url: &str) -> Result<Self> {
        Ok(Self {
            client: Qdrant::from_url(index_url)
                .timeout(PATIENCE)
                .skip_compatibility_check()
                .build()?,
            collection: vectide::config::Config::default().index.collection,
        })
    }

    /// The rows at these indexes, as far as the collection has points of them; without their
    /// descriptions.
    pub(crate) async fn look(&self, rows: &[usize]) -> Result<HashMap<usize, Seen>> {
        let of: HashMap<PointId, usize> = rows
            .iter()
            .map(|index| (point_id(*index), *index))
            .collect();
        let ids: Vec<PointId> = of.keys().cloned().collect();
        let request =
            GetPointsBuilder::new(&self.collection, ids).with_payload(only(&["stock", DELETED]));
        let found = self.client.get_points(request).await?.result;
        Ok(found
            .into_iter()
            .filter_map(|point| {
                let index = of.get(&point.id?)?;
                Some((*index, seen(&point.payload)?))
            })
            .collect())
    }

    /// A page of rows by their indexes, and where the next one begins.
    pub(crate) async fn page(
        &self,
        from: Option<PointId>,
    ) -> Result<(Vec<(usize, Seen)>, Option<PointId>)> {
        let fields = only(&["id", "stock", "description", DELETED]);
        let mut request = ScrollPointsBuilder::new(&self.collection)
            .limit(PAGE)
            .with_payload(fields);
        if let Some(from) = from {
            request = request.offset(from);
        }
        let answer = self.client.scroll(request).await?;
        let rows = answer.result.into_iter().filter_map(|point| {
            let id = integer(&point.payload, "id")?;
            Some((usize::try_from(id - 1).ok()?, seen(&point.payload)?))
        });
        Ok((rows.collect(), answer.next_page_offset))
    }

    /// How many tombstones there are.
    pub(crate) async fn tombstones(&self) -> Result<u64> {
        let filter = Filter::must_not([Condition::is_empty(DELETED)]);
        let request = CountPointsBuilder::new(&self.collection)
            .filter(filter)
            .exact(true);
        let answer = self.client.count(request).await?;
        Ok(answer.result.context("no count")?.count)
    }

    /// How many rows are owed the vectors of their texts.
    pub(crate) async fn owed(&self) -> Result<u64> {
        let filter = Filter::must_not([Condition::is_empty(WANTED)]);
        let request = CountPointsBuilder::new(&self.collection)
            .filter(filter)
            .exact(true);
        let answer = self.client.count(request).await?;
        Ok(answer.result.context("no count")?.count)
    }

    /// How many rows of the table the collection does not show as they are, and how many of what
    /// it shows the table does not hold.
    pub(crate) async fn differences(&self, shop: &Shop) -> Result<u64> {
        let table = shop.table();
        let (mut equal, mut shown) = (0, 0);
        let mut from = None;
        loop {
            let (rows, next) = self.page(from).await?;
            for (index, seen) in rows {
                let Seen::Row { stock, description } = seen else {
                    continue;
                };
                shown += 1;
                if table.get(index) == Some(&Some((stock, description))) {
                    equal += 1;
                }
            }
            if next.is_none() {
                break;
            }
            from = next;
        }
        let held = table.iter().flatten().count() as u64;
        Ok((held - equal) + (shown - equal))
    }
}

/// By the rule that the architecture's page gives to other programs.
fn point_id(index: usize) -> PointId {
    let name = format!("{TOPIC}\n[{}]", Shop::id(index));
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
        .to_string()
        .into()
}

fn only(fields: &[&str]) -> SelectorOptions {
    SelectorOptions::Include(PayloadIncludeSelector {
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
    })
}

fn seen(payload: &HashMap<String, Value>) -> Option<Seen> {
    let description = payload.get("description").and_then(Value::as_str);
    let description = description.cloned().unwrap_or_default();
    match integer(payload, "stock") {
        Some(stock) => Some(Seen::Row { stock, description }),
        None => payload.contains_key("_vectide").then_some(Seen::Tombstone),
    }
}

fn integer(payload: &HashMap<String, Value>, field: &str) -> Option<i64> {
    payload.get(field)?.as_integer()
}
