//! Patches: they keep the vector, and know of which text it is, whichever way they are written.

use super::{
    super::{
        patches::FEW,
        writer::{self, Attempt, How},
    },
    *,
};

/// In how large a company a patch is written, which decides on [the way](super::super::patches).
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    Alone,
    WithMany,
}

pub(super) const WAYS: [Way; 2] = [Way::Alone, Way::WithMany];

impl World {
    /// Writes a patch, and says what became of it.
    pub(super) async fn patch(&self, fence: &Fence, patch: Write, way: Way) -> WriteOutcome {
        let mut attempts = attempts(fence, &patch, way);
        self.prepare(&mut attempts).await;
        self.send(&mut attempts).await
    }

    async fn prepare(&self, attempts: &mut [Attempt]) {
        let connection = &self.index.connection;
        let prepared = writer::prepare_patches(connection, attempts).await;
        prepared.unwrap();
    }

    async fn send(&self, attempts: &mut [Attempt]) -> WriteOutcome {
        let connection = &self.index.connection;
        writer::update(connection, attempts).await.unwrap();
        let outcomes = writer::verify(connection, attempts, false).await.unwrap();
        outcomes.into_iter().next().unwrap()
    }
}

/// A patch first, and maybe others, of points that are not there.
fn attempts(fence: &Fence, patch: &Write, way: Way) -> Vec<Attempt> {
    let company = match way {
        Way::Alone => 0,
        Way::WithMany => FEW,
    };
    let others = std::iter::repeat_n(patch, company).zip(100..);
    let others = others.map(|(patch, id)| at(patch.clone(), id));
    let writes = std::iter::once(patch.clone()).chain(others);
    let (reply, _) = unbounded_channel();
    writes
        .map(|write| Attempt {
            request: WriteRequest {
                ticket: Ticket(0),
                write,
                fence: fence.clone(),
                reply: reply.clone(),
            },
            epoch: fence.epoch(),
            how: How::Upserted,
        })
        .collect()
}

/// The same write of the point with this id.
fn at(mut write: Write, id: u64) -> Write {
    match &mut write {
        Write::Upsert { point, .. }
        | Write::PatchPayload { point, .. }
        | Write::Delete { point, .. } => *point = PointId::Integer(id),
    }
    write
}

/// With a vector of another text than [`upsert`] writes.
fn upsert_of_another_text(offset: i64) -> Write {
    Write::Upsert {
        point: POINT,
        vector: Some(Vector::from_iter([2.0; 4]).into()),
        payload: titled("other"),
        stored: Box::new(stored(offset, text("b"))),
        unread: false,
        expected: None,
    }
}

#[tokio::test]
async fn a_patch_keeps_the_vector() {
    for way in WAYS {
        let world = World::open().await;
        let fence = Fence::new(partition(0), Epoch(1));
        world.write(&fence, upsert(1, "Tent")).await;
        let outcome = world.patch(&fence, patch(2, "Tents"), way).await;
        assert_eq!(outcome, WriteOutcome::Applied);
        assert_eq!(world.row().await, Some((2, "Tents".to_owned())));
        assert!(!world.index.is_empty().await, "it has its vector");
    }
}

#[tokio::test]
async fn a_patch_of_a_point_that_is_not_there_makes_none() {
    let world = World::open().await;
    let fence = Fence::new(partition(0), Epoch(1));
    for way in WAYS {
        let outcome = world.patch(&fence, patch(2, "Tents"), way).await;
        assert_eq!(outcome, WriteOutcome::NotApplied(PointState::Absent));
    }
    assert_eq!(world.state().await, PointState::Absent);
}

#[tokio::test]
async fn a_patch_does_not_claim_a_vector_of_another_text() {
    for way in WAYS {
        let world = World::open().await;
        let fence = Fence::new(partition(0), Epoch(1));
        world.write(&fence, upsert_of_another_text(1)).await;
        let outcome = world.patch(&fence, patch(2, "Tents"), way).await;
        let WriteOutcome::NotApplied(state) = outcome else {
            panic!("{way:?}: {outcome:?}")
        };
        assert_eq!(state.row().unwrap().text_hash, Some(text("b")));
        assert_eq!(world.row().await, Some((1, "other".to_owned())));
    }
}

/// The former owner's vector arrives late, but before the patch; its successor's successor may have seen it.
#[tokio::test]
async fn a_patch_takes_no_vector_away_that_was_written_since_it_was_planned() {
    for way in WAYS {
        let world = World::open().await;
        let former = Fence::new(partition(0), Epoch(1));
        let owner = Fence::new(partition(0), Epoch(2));
        world.write(&former, upsert_of_another_text(1)).await;
        let planned = Write::PatchPayload {
            point: POINT,
            payload: titled("Tent"),
            stored: Box::new(Stored {
                text_hash: Some(text("b")),
                wanted: Some(text("a")),
                ..stored(2, text("a"))
            }),
            kept_text: Some(text("b")),
            expected: None,
        };
        let mut attempts = attempts(&owner, &planned, way);
        world.prepare(&mut attempts).await;
        world.write(&former, upsert(2, "Tent")).await;
        let outcome = world.send(&mut attempts).await;
        let WriteOutcome::NotApplied(state) = outcome else {
            panic!("{way:?}: {outcome:?}")
        };
        assert_eq!(state.row().unwrap().text_hash, Some(text("a")));
        assert_eq!(world.state().await, state, "it stays as it was written");
    }
}

#[tokio::test]
async fn a_patch_may_say_that_the_vector_it_keeps_is_not_to_be_relied_on() {
    for way in WAYS {
        let world = World::open().await;
        let fence = Fence::new(partition(0), Epoch(1));
        world.write(&fence, upsert(1, "Tent")).await;
        let doubting = Write::PatchPayload {
            point: POINT,
            payload: titled("Tents"),
            stored: Box::new(Stored {
                text_hash: None,
                wanted: Some(text("a")),
                ..stored(2, text("a"))
            }),
            kept_text: Some(text("a")),
            expected: None,
        };
        let outcome = world.patch(&fence, doubting, way).await;
        assert_eq!(outcome, WriteOutcome::Applied);
        assert_eq!(world.state().await.row().unwrap().text_hash, None);
    }
}

#[tokio::test]
async fn a_patch_keeps_a_vector_of_another_model_without_a_word_about_its_text() {
    for way in WAYS {
        let world = World::open().await;
        let fence = Fence::new(partition(0), Epoch(1));
        world.write(&fence, upsert(1, "Tent")).await;
        let of_model = Write::PatchPayload {
            point: POINT,
            payload: titled("Tents"),
            stored: Box::new(Stored {
                text_hash: None,
                wanted: Some(text("a")),
                fingerprint: "new/4@e".into(),
                ..stored(2, text("a"))
            }),
            kept_text: None,
            expected: None,
        };
        let outcome = world.patch(&fence, of_model, way).await;
        assert_eq!(outcome, WriteOutcome::Applied);
        assert!(!world.index.is_empty().await, "it has a vector");
    }
}

#[tokio::test]
async fn many_patches_in_one_call_keep_each_its_vector() {
    let world = World::open().await;
    let fence = Fence::new(partition(0), Epoch(1));
    let (reply, mut replies) = unbounded_channel();
    for round in [upsert(1, "Tent"), patch(2, "Tents")] {
        for id in 0..100 {
            let write = at(round.clone(), id);
            world.index.write(Ticket(id), write, &fence, reply.clone());
        }
        for _ in 0..100 {
            assert!(matches!(
                replies.recv().await,
                Some(IndexReply::Written {
                    outcome: WriteOutcome::Applied,
                    ..
                })
            ));
        }
    }
    assert_eq!(world.row().await, Some((2, "Tents".to_owned())));
}
