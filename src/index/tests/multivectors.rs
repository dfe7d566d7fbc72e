//! Points of several vectors.

use super::{patches::WAYS, *};
use crate::{config::OverLong, record::PointVector};

const AXES: [[f32; 4]; 4] = [
    [1.0, 0.0, 0.0, 0.0],
    [0.0, 1.0, 0.0, 0.0],
    [0.0, 0.0, 1.0, 0.0],
    [0.0, 0.0, 0.0, 1.0],
];

fn embed(over_long: OverLong) -> EmbedConfig {
    EmbedConfig {
        dimensions: 4,
        over_long,
        ..EmbedConfig::default()
    }
}

fn multi(offset: i64, title: &str, vectors: &[[f32; 4]]) -> Write {
    let vectors = vectors.iter().map(|vector| Vector::from_iter(*vector));
    match upsert(offset, title) {
        Write::Upsert {
            point,
            payload,
            stored,
            unread,
            expected,
            ..
        } => Write::Upsert {
            point,
            vector: Some(PointVector::Multi(vectors.collect())),
            payload,
            stored,
            unread,
            expected,
        },
        other => other,
    }
}

impl World {
    fn searcher(&self) -> Searcher {
        let connection = &self.index.connection;
        Searcher::new(connection.client.clone(), "products", &connection.vector)
    }

    /// How near the point is to each axis; nothing where no search finds it.
    async fn scores(&self) -> Vec<f32> {
        let mut scores = Vec::new();
        for axis in AXES {
            let axis = Vector::from_iter(axis);
            let hits = self.searcher().search(&axis, &[], None, 10).await.unwrap();
            scores.extend(hits.into_iter().map(|hit| hit.score));
        }
        scores
    }
}

#[tokio::test]
async fn a_point_is_found_by_the_nearest_of_its_vectors_until_they_are_others_or_it_is_gone() {
    let world = World::open_for(embed(OverLong::Chunk)).await;
    let fence = Fence::new(partition(0), Epoch(1));
    assert!(world.scores().await.is_empty());

    world.write(&fence, multi(1, "Tent", &AXES[..3])).await;
    assert_eq!(world.scores().await, [1.0, 1.0, 1.0, 0.0]);

    for (offset, way) in (2..).zip(WAYS) {
        let title = format!("Tents {offset}");
        let outcome = world.patch(&fence, patch(offset, &title), way).await;
        assert_eq!(outcome, WriteOutcome::Applied);
        assert_eq!(world.row().await, Some((offset, title)));
        assert_eq!(world.scores().await, [1.0, 1.0, 1.0, 0.0]);
    }

    world.write(&fence, multi(4, "Tent", &AXES[..1])).await;
    assert_eq!(world.scores().await, [1.0, 0.0, 0.0, 0.0]);
    let found = world.searcher().point(POINT).await.unwrap().unwrap();
    assert!(found.has_vector);

    world.write(&fence, delete(5)).await;
    assert!(world.scores().await.is_empty());
}

#[tokio::test]
async fn a_collection_of_one_vector_a_point_is_refused_where_texts_are_split() {
    let world = World::open().await;
    let config = Config::default().index;
    let spec = |over_long| CollectionSpec::new(&config, &embed(over_long), "products");
    let client = &world.index.connection.client;
    let look = async |over_long| {
        let looked = look(client, &spec(over_long)).await;
        looked.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(look(OverLong::Truncate).await, Ok(()));
    let refusal = look(OverLong::Chunk).await.unwrap_err();
    assert!(
        refusal.starts_with("collection `products` has one vector a point, and embed.over_long"),
        "{refusal}"
    );
    assert!(refusal.contains("`vectide reindex`"), "{refusal}");
}

#[tokio::test]
async fn a_collection_of_multivectors_takes_dense_vectors_as_well() {
    let world = World::open_for(embed(OverLong::Chunk)).await;
    let config = Config::default().index;
    let spec = CollectionSpec::new(&config, &embed(OverLong::Truncate), "products");
    assert!(look(&world.index.connection.client, &spec).await.is_ok());
    let fence = Fence::new(partition(0), Epoch(1));
    world.write(&fence, upsert(1, "Tent")).await;
    assert_eq!(world.scores().await, [0.5; 4]);
}
