//! What the collections hold, as the suite itself reads and damages it: past every proxy.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use anyhow::{Context as _, Result};
use qdrant_client::{
    Qdrant,
    qdrant::{
        DeletePointVectorsBuilder, DeletePointsBuilder, PointId, RetrievedPoint,
        ScrollPointsBuilder, SetPayloadPointsBuilder, Value, point_id::PointIdOptions, value::Kind,
        vector_output::Vector, vectors_output::VectorsOptions,
    },
};

use crate::{
    cluster::Table,
    configuration::VECTOR,
    oracle::{Place, Point},
    workload::Row,
};

/// No row has this stock.
const NO_STOCK: i64 = 77_777;

/// Points a page.
const PAGE: u32 = 500;

/// How long Qdrant may take to answer what is waited for, and in the midst of faults.
const TIMEOUT: Duration = Duration::from_secs(5);
const SHORT_TIMEOUT: Duration = Duration::from_millis(500);

/// What somebody else did to a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    /// Another payload.
    Payload,
    /// The point is gone.
    Point,
    /// The vector is gone.
    Vector,
}

impl Damage {
    pub(crate) const ALL: [Self; 3] = [Self::Payload, Self::Point, Self::Vector];
}

fn client(port: u16, timeout: Duration) -> Result<Qdrant> {
    let builder = Qdrant::from_url(&format!("http://127.0.0.1:{port}")).timeout(timeout);
    Ok(builder.skip_compatibility_check().build()?)
}

/// Damages a point. An error does not say that nothing was done.
pub(crate) async fn damage(port: u16, table: &Table, id: &str, damage: Damage) -> Result<()> {
    let client = client(port, SHORT_TIMEOUT)?;
    let points = vec![PointId::from(id)];
    match damage {
        Damage::Payload => {
            let stock = [("stock".to_owned(), Value::from(NO_STOCK))];
            let change = SetPayloadPointsBuilder::new(table.collection, stock);
            let change = change.points_selector(points).wait(true);
            client.set_payload(change).await?;
        }
        Damage::Point => {
            let delete = DeletePointsBuilder::new(table.collection).points(points);
            client.delete_points(delete.wait(true)).await?;
        }
        Damage::Vector => {
            let delete = DeletePointVectorsBuilder::new(table.collection)
                .points_selector(points)
                .vectors(vec![VECTOR.to_owned()]);
            client.delete_vectors(delete.wait(true)).await?;
        }
    }
    Ok(())
}

/// Every point of a table that has the vector, by its id.
pub(crate) async fn points(port: u16, table: &Table) -> Result<BTreeMap<String, Point>> {
    let client = client(port, TIMEOUT)?;
    let mut points = BTreeMap::new();
    let mut offset: Option<PointId> = None;
    loop {
        let mut page = ScrollPointsBuilder::new(table.collection)
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
                let as_of = as_of(&point.payload);
                points.insert(id, Point { row, vector, as_of });
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

/// The record that the point is as of, as its bookkeeping says.
fn as_of(payload: &HashMap<String, Value>) -> Option<Place> {
    let Some(Kind::StructValue(stored)) = &payload.get("_vectide")?.kind else {
        return None;
    };
    let integer = |name: &str| match stored.fields.get(name)?.kind {
        Some(Kind::IntegerValue(integer)) => Some(integer),
        _ => None,
    };
    Some((
        i32::try_from(integer("partition")?).ok()?,
        integer("offset")?,
    ))
}
