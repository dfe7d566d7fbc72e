//! Writes of records that have settled before: they find their point as it was, or are not made.

use super::{patches::WAYS, *};

/// The same write, as of a point that is as of this record.
fn over(mut write: Write, offset: i64) -> Write {
    match &mut write {
        Write::Upsert { expected, .. }
        | Write::PatchPayload { expected, .. }
        | Write::Delete { expected, .. } => *expected = Some(Expected::Offset(Offset(offset))),
    }
    write
}

fn each_kind(offset: i64) -> [Write; 3] {
    [
        upsert(offset, "owed"),
        patch(offset, "owed"),
        delete(offset),
    ]
}

#[tokio::test]
async fn it_is_made_where_the_point_is_as_of_the_same_record() {
    for write in each_kind(1) {
        let world = World::open().await;
        let fence = Fence::new(partition(0), Epoch(1));
        world.write(&fence, upsert(1, "Tent")).await;
        let outcome = world.write(&fence, over(write, 1)).await;
        assert_eq!(outcome, WriteOutcome::Applied);
        assert_ne!(world.row().await, Some((1, "Tent".to_owned())));
    }
}

#[tokio::test]
async fn it_replaces_no_later_row() {
    for write in each_kind(1) {
        let world = World::open().await;
        let former = Fence::new(partition(0), Epoch(1));
        let owner = Fence::new(partition(0), Epoch(2));
        world.write(&former, upsert(2, "later")).await;
        let outcome = world.write(&owner, over(write, 1)).await;
        assert!(matches!(outcome, WriteOutcome::NotApplied(_)));
        assert_eq!(world.row().await, Some((2, "later".to_owned())));
    }
}

#[tokio::test]
async fn it_brings_no_row_back_and_makes_none() {
    for is_swept in [false, true] {
        for write in each_kind(1) {
            let world = World::open().await;
            let former = Fence::new(partition(0), Epoch(1));
            let owner = Fence::new(partition(0), Epoch(2));
            if !is_swept {
                world.write(&former, delete(2)).await;
            }
            let before = world.state().await;
            let outcome = world.write(&owner, over(write, 1)).await;
            assert_eq!(outcome, WriteOutcome::NotApplied(before.clone()));
            assert_eq!(world.state().await, before);
        }
    }
}

#[tokio::test]
async fn a_patch_of_a_row_without_a_vector_brings_no_row_back() {
    for way in WAYS {
        let world = World::open().await;
        let former = Fence::new(partition(0), Epoch(1));
        let owner = Fence::new(partition(0), Epoch(2));
        world.write(&former, delete(2)).await;
        let outcome = world.patch(&owner, patch_of_parked(), way).await;
        assert!(matches!(outcome, WriteOutcome::NotApplied(_)), "{way:?}");
        assert_eq!(world.row().await, None);
    }
}
