//! What a searcher of the collection would find.

use anyhow::{Context as _, Result};
use qdrant_client::Qdrant;
use qdrant_client::qdrant::value::Kind;
use qdrant_client::qdrant::{self, RetrievedPoint, ScrollPointsBuilder};
use serde_json::{Map, Value};
use tokio::runtime::Runtime;

use crate::table::{Rows, row};

/// Points read at a time.
const PAGE: u32 = 500;

/// A collection, read as any client of Qdrant reads it.
pub(crate) struct Index {
    client: Qdrant,
    collection: String,
    runtime: Runtime,
}

impl Index {
    /// Connects to the server at `url`.
    pub(crate) fn connect(url: &str, collection: String) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let client = {
            let _entered = runtime.enter();
            Qdrant::from_url(url).skip_compatibility_check().build()?
        };
        Ok(Self {
            client,
            collection,
            runtime,
        })
    }

    /// The points that a vector search can return, as rows; none where the collection is not there yet.
    ///
    /// A point without a vector is none of them: it is a tombstone, or waits for its embedding.
    pub(crate) fn read(&self) -> Result<Rows> {
        self.runtime.block_on(async {
            let mut rows = Rows::new();
            if !self.client.collection_exists(&self.collection).await? {
                return Ok(rows);
            }
            let mut next = None;
            loop {
                let mut page = ScrollPointsBuilder::new(&self.collection)
                    .limit(PAGE)
                    .with_payload(true)
                    .with_vectors(true);
                if let Some(offset) = next {
                    page = page.offset(offset);
                }
                let page = self.client.scroll(page).await?;
                for point in page.result.into_iter().filter(has_vector) {
                    let id = point.id.clone();
                    let payload: Map<String, Value> = point
                        .payload
                        .into_iter()
                        .map(|(name, value)| (name, scalar(value)))
                        .collect();
                    let (product, row) = row(&payload).with_context(|| format!("point {id:?}"))?;
                    if rows.insert(product, row).is_some() {
                        anyhow::bail!("product {product} has two points");
                    }
                }
                next = page.next_page_offset;
                if next.is_none() {
                    return Ok(rows);
                }
            }
        })
    }
}

fn has_vector(point: &RetrievedPoint) -> bool {
    use qdrant_client::qdrant::vectors_output::VectorsOptions;
    match point
        .vectors
        .as_ref()
        .and_then(|vectors| vectors.vectors_options.as_ref())
    {
        Some(VectorsOptions::Vector(_)) => true,
        Some(VectorsOptions::Vectors(named)) => !named.vectors.is_empty(),
        None => false,
    }
}

/// A payload value as JSON. The table's columns are scalars; what is not, is none of them.
fn scalar(value: qdrant::Value) -> Value {
    match value.kind {
        Some(Kind::BoolValue(value)) => value.into(),
        Some(Kind::IntegerValue(value)) => value.into(),
        Some(Kind::DoubleValue(value)) => value.into(),
        Some(Kind::StringValue(value)) => value.into(),
        Some(Kind::NullValue(_) | Kind::StructValue(_) | Kind::ListValue(_)) | None => Value::Null,
    }
}
