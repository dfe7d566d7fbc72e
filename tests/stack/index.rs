//! What a searcher of the collection would find.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use qdrant_client::Qdrant;
use qdrant_client::qdrant::value::Kind;
use qdrant_client::qdrant::vector_output::Vector;
use qdrant_client::qdrant::{self, RetrievedPoint, ScrollPointsBuilder};
use serde_json::{Map, Value};
use tokio::runtime::Runtime;

use crate::document::found_vector;
use crate::table::{Differences, Row, Rows, VECTOR, row};
use crate::wait::until;

/// Points read at a time.
const PAGE: u32 = 500;
/// The vector's name, as configured by default.
const VECTOR_NAME: &str = "text";

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

    /// Waits until the index equals `rows`, while `may_be` says that it may be compared: that all who write it are there, say, and have
    /// written all they have to.
    pub(crate) fn wait_until_equal(
        &self,
        rows: &Rows,
        mut may_be: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        let mut found = "not compared yet".to_owned();
        until(
            "the index to equal the table",
            Duration::from_mins(2),
            || {
                if !may_be()? {
                    return Ok(None);
                }
                let differences = Differences::between(rows, &self.read()?);
                found = differences.to_string();
                Ok((differences.count() == 0).then_some(()))
            },
        )
        .with_context(|| format!("{}: {found}", self.collection))
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
                for point in page.result {
                    let id = point.id.clone();
                    let found = searchable(point).with_context(|| format!("point {id:?}"))?;
                    let Some((product, row)) = found else {
                        continue;
                    };
                    if rows.insert(product, row).is_some() {
                        bail!("product {product} has two points");
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

/// A point as a row, and which vector it has; `None` for a point without a vector.
fn searchable(mut point: RetrievedPoint) -> Result<Option<(i64, Row)>> {
    let vectors = point.vectors.take();
    let Some(vector) = vectors.and_then(|vectors| vectors.get_vector_by_name(VECTOR_NAME)) else {
        return Ok(None);
    };
    let Vector::Dense(vector) = vector else {
        bail!("a vector of another kind");
    };
    let bookkeeping = point.payload.remove("_vectide");
    let says = bookkeeping.as_ref().and_then(text_hash);
    let payload: Map<String, Value> = point
        .payload
        .into_iter()
        .map(|(name, value)| (name, scalar(value)))
        .collect();
    let (product, mut row) = row(&payload)?;
    let found = found_vector(&row, says.unwrap_or("none"), &vector.data);
    row.insert(VECTOR, found);
    Ok(Some((product, row)))
}

/// The hash of the text that a point's vector is of.
fn text_hash(bookkeeping: &qdrant::Value) -> Option<&str> {
    let Kind::StructValue(bookkeeping) = bookkeeping.kind.as_ref()? else {
        return None;
    };
    match &bookkeeping.fields.get("text_hash")?.kind {
        Some(Kind::StringValue(hash)) => Some(hash),
        _ => None,
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
