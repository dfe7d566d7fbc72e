#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use qdrant_client::qdrant::{
    self as proto, NamedVectors, PointStruct,
    points_update_operation::{Operation, PointStructList},
};
use qdrant_edge::{Distance, EdgeConfigBuilder, EdgeVectorParamsBuilder, PointId};

use super::*;

/// So large that a few operations fill a file of the engine's log.
const SIZE: usize = 65_536;
const POINTS: usize = 16;

fn collection(folder: &Path) -> Collection {
    let config = EdgeConfigBuilder::new()
        .vector(
            "text",
            EdgeVectorParamsBuilder::new(SIZE, Distance::Dot).build(),
        )
        .build();
    Collection::create("products", folder.join("products"), config, true).unwrap()
}

fn upsert(round: i64) -> PointsUpdateOperation {
    let points = (0..POINTS as u64)
        .map(|id| PointStruct {
            id: Some(id.into()),
            vectors: Some(
                NamedVectors::default()
                    .add_vector("text", vec![1.0; SIZE])
                    .into(),
            ),
            payload: [("round".to_owned(), proto::Value::from(round))].into(),
        })
        .collect();
    PointsUpdateOperation {
        operation: Some(Operation::Upsert(PointStructList {
            points,
            ..PointStructList::default()
        })),
    }
}

fn rounds(collection: &Collection) -> Vec<i64> {
    let ids: Vec<PointId> = (0..POINTS as u64).map(PointId::NumId).collect();
    let records = collection
        .read(|shard| shard.retrieve(&ids, None, None).map_err(engine))
        .unwrap();
    records
        .into_iter()
        .map(|record| record.payload.unwrap().0["round"].as_i64().unwrap())
        .collect()
}

#[test]
fn dropping_the_engines_log_loses_nothing_and_numbers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let collection = collection(folder.path());
    let mut round = 0;
    while collection.closed_logs().unwrap().len() < 3 {
        round += 1;
        collection.write(upsert(round)).unwrap();
    }
    collection.drop_logs().unwrap();
    assert_eq!(collection.closed_logs().unwrap().len(), 1);
    assert_eq!(rounds(&collection), [round; POINTS]);

    // The engine ignores an operation whose number is below that of the point's last one.
    collection.write(upsert(-1)).unwrap();
    assert_eq!(rounds(&collection), [-1; POINTS]);
    collection.close().unwrap();
    drop(collection);
    let reopened = Collection::open("products", folder.path().join("products"), true).unwrap();
    assert_eq!(rounds(&reopened), [-1; POINTS]);
}

#[test]
fn a_flush_empties_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let collection = collection(folder.path());
    collection.write(upsert(1)).unwrap();
    let journalled =
        |collection: &Collection| collection.writer().journal.as_ref().map(Journal::length);
    assert!(journalled(&collection) > Some(0));
    collection
        .read(|shard| collection.writer().flush(shard))
        .unwrap();
    assert_eq!(journalled(&collection), Some(0));
}
