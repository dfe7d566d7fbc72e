//! What the collection holds, as the suite itself reads it: past every proxy.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Result};
use qdrant_client::{
    Qdrant,
    qdrant::{
        PointId, RetrievedPoint, ScrollPointsBuilder, Value, point_id::PointIdOptions, value::Kind,
        vector_output::Vector, vectors_output::VectorsOptions,
    },
};

use crate::{
    member::{COLLECTION, VECTOR},
    oracle::Point,
    workload::Row,
};

/// Points a page.
const PAGE: u32 = 500;

/// Every point that has the vector, by its id.
pub(crate) async fn points(port: u16) -> Result<BTreeMap<String, Point>> {
    let client = Qdrant::from_url(&format!("http://127.0.0.1:{port}"))
        .skip_compatibility_check()
        .build()?;
    let mut points = BTreeMap::new();
    let mut offset: Option<PointId> = None;
    loop {
        let mut page = ScrollPointsBuilder::new(COLLECTION)
            .limit(PAGE)
            .with_payload(true)
            .with_vectors(true);
        if let Some(offset) = offset {
            page = page.offset(offset);
        }
        let answer = client.scroll(page).await?;
        for point in answer.result {
            let id = id(&point)?;
            if let Some(vector) = vector(&point) {
                let row = row(&point.payload);
                points.insert(id, Point { row, vector });
            }
        }
        offset = answer.next_page_offset;
        if offset.is_none() {
            return Ok(points);
        }
    }
}

fn id(point: &RetrievedPoint) -> Result<String> {
    let id = point
        .id
        .as_ref()
        .and_then(|id| id.point_id_options.as_ref());
    match id.context("a point without id")? {
        PointIdOptions::Uuid(uuid) => Ok(uuid.clone()),
        PointIdOptions::Num(number) => Ok(number.to_string()),
    }
}

fn vector(point: &RetrievedPoint) -> Option<Vec<f32>> {
    let vectors = point.vectors.as_ref()?.vectors_options.as_ref()?;
    let VectorsOptions::Vectors(named) = vectors else {
        return None;
    };
    match named.vectors.get(VECTOR)?.clone().into_vector() {
        Vector::Dense(dense) => Some(dense.data),
        _ => None,
    }
}

fn row(payload: &HashMap<String, Value>) -> Option<Row> {
    let text = |name: &str| match &payload.get(name)?.kind {
        Some(Kind::StringValue(text)) => Some(text.clone()),
        _ => None,
    };
    let integer = |name: &str| match payload.get(name)?.kind {
        Some(Kind::IntegerValue(integer)) => Some(integer),
        _ => None,
    };
    Some(Row {
        title: text("title")?,
        description: text("description")?,
        price: integer("price")?,
        stock: integer("stock")?,
    })
}
