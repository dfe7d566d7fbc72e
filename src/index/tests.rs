#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

//! The index on the embedded server: what fences let through, and what is found out about it.

mod multivectors;
mod patches;
mod settled;

use tokio::sync::mpsc::unbounded_channel;
use vectide_embedded::qdrant::{EmbeddedQdrant, QdrantOptions, Storage};

use super::*;
use crate::{
    config::{Config, EmbedConfig},
    record::{
        Content, Expected, Offset, Parked, Payload, PayloadHash, Position, Stored, TextHash,
        Tombstone, TruncateMark, Value, Vector, Watermark, WrittenUnder,
    },
    telemetry::{Health, Lane, Metrics},
};

const POINT: PointId = PointId::Integer(1);

struct World {
    _qdrant: EmbeddedQdrant,
    index: Index,
    metrics: Metrics,
}

fn partition(partition: i32) -> TopicPartition {
    let topic = "t".into();
    TopicPartition { topic, partition }
}

fn text(text: &str) -> TextHash {
    TextHash::of_text(text)
}

fn stored(offset: i64, text_hash: TextHash) -> Stored {
    Stored {
        topic: "t".into(),
        partition: 0,
        position: Position {
            offset: Offset(offset),
            timestamp_ms: 0,
            commit_ms: None,
            source: None,
        },
        key: "[1]".into(),
        text_hash: Some(text_hash),
        wanted: None,
        payload_hash: PayloadHash::of(&[]),
        fingerprint: "m/4@e".into(),
        version: None,
        source_columns: Payload::default(),
        parked: None,
    }
}

fn titled(title: &str) -> Payload {
    vec![("title".into(), Value::String(title.into()))].into()
}

fn upsert(offset: i64, title: &str) -> Write {
    Write::Upsert {
        point: POINT,
        vector: Some(Vector::from_iter([1.0; 4]).into()),
        payload: titled(title),
        stored: Box::new(stored(offset, text("a"))),
        unread: false,
        expected: None,
    }
}

fn patch(offset: i64, title: &str) -> Write {
    Write::PatchPayload {
        point: POINT,
        payload: titled(title),
        stored: Box::new(stored(offset, text("a"))),
        kept_text: Some(text("a")),
        expected: None,
    }
}

fn delete(offset: i64) -> Write {
    let stored = stored(offset, text("a"));
    Write::Delete {
        point: POINT,
        tombstone: Box::new(Tombstone {
            topic: stored.topic,
            partition: stored.partition,
            position: stored.position,
            key: stored.key,
            deleted_ms: 1_000,
        }),
        unread: false,
        expected: None,
    }
}

/// The same write as the owner of partition 1 makes it, of a point that partition 0 wrote.
fn taking_over(mut write: Write, epoch: Epoch) -> Write {
    let from = Some(Expected::WrittenUnder(WrittenUnder {
        partition: TopicPartition {
            topic: "t".into(),
            partition: 0,
        },
        epoch: Some(epoch),
    }));
    match &mut write {
        Write::Upsert {
            stored, expected, ..
        }
        | Write::PatchPayload {
            stored, expected, ..
        } => {
            stored.partition = 1;
            *expected = from;
        }
        Write::Delete {
            tombstone,
            expected,
            ..
        } => {
            tombstone.partition = 1;
            *expected = from;
        }
    }
    write
}

impl World {
    async fn open() -> Self {
        Self::open_for(EmbedConfig {
            dimensions: 4,
            ..EmbedConfig::default()
        })
        .await
    }

    async fn open_for(embed: EmbedConfig) -> Self {
        let qdrant = EmbeddedQdrant::start(QdrantOptions {
            address: "127.0.0.1:0".parse().unwrap(),
            storage: Storage::Memory,
        });
        let qdrant = qdrant.await.unwrap();
        let config = Config::default();
        let metrics = Metrics::new().unwrap();
        let health = LanePart::split(
            &Health::default(),
            Lane::Index,
            std::iter::once("collection".to_owned()),
        );
        let spec = CollectionSpec::new(&config.index, &embed, "products");
        let index = Index::connect(
            connect_client(&config.index, &qdrant.url()).unwrap(),
            &spec,
            Calls::new(&config.index),
            metrics.index.clone(),
            health.into_iter().next().unwrap(),
            Lease::unlimited(),
            CancellationToken::new(),
            CancellationToken::new(),
        );
        Self {
            index: index.await.unwrap(),
            _qdrant: qdrant,
            metrics,
        }
    }

    async fn write(&self, fence: &Fence, write: Write) -> WriteOutcome {
        let (reply, mut replies) = unbounded_channel();
        self.index.write(Ticket(0), write, fence, reply);
        match replies.recv().await {
            Some(IndexReply::Written { outcome, .. }) => outcome,
            other => panic!("{other:?}"),
        }
    }

    async fn state(&self) -> PointState {
        let (reply, mut replies) = unbounded_channel();
        self.index.read(Ticket(0), POINT, reply);
        match replies.recv().await {
            Some(IndexReply::Read { point, .. }) => point,
            other => panic!("{other:?}"),
        }
    }

    /// The offset and the title of the row, if it is one.
    async fn row(&self) -> Option<(i64, String)> {
        let (reply, mut replies) = unbounded_channel();
        let fields = vec!["title".into()];
        self.index.look_up(Ticket(1), POINT, fields, reply);
        let known = replies.recv().await.unwrap().point?;
        match known.payload.fields() {
            [(_, Value::String(title))] => {
                Some((known.stored.position.offset.0, title.to_string()))
            }
            other => panic!("{other:?}"),
        }
    }

    async fn claim(&self, number: i32, now_ms: i64) -> (Claim, Option<Predecessor>) {
        let until = CancellationToken::new();
        let claimed = self.index.claim(partition(number), None, || now_ms, &until);
        claimed.await.unwrap()
    }

    fn rejected(&self, cause: &str) -> u64 {
        let rejected = &self.metrics.index.rejected;
        rejected.with_label_values(&[cause]).get()
    }
}

/// As when a row that was looked up is superseded, and its key is looked up again at once.
#[tokio::test]
async fn two_requests_for_one_point_in_one_call_are_both_answered_with_it() {
    let world = World::open().await;
    let fence = Fence::new(partition(0), Epoch(1));
    let written = world.write(&fence, upsert(1, "Tent")).await;
    assert_eq!(written, WriteOutcome::Applied);
    let (reply, mut replies) = unbounded_channel();
    for ticket in [1, 2] {
        let fields = vec!["title".into()];
        world
            .index
            .look_up(Ticket(ticket), POINT, fields, reply.clone());
    }
    for _ in 0..2 {
        let known = replies.recv().await.unwrap().point.unwrap();
        assert_eq!(known.payload, titled("Tent"));
        assert_eq!(known.stored, stored(1, text("a")));
    }
}

#[tokio::test]
async fn a_former_owner_changes_nothing_that_its_successor_has_written() {
    let world = World::open().await;
    let former = Fence::new(partition(0), Epoch(1));
    let owner = Fence::new(partition(0), Epoch(2));
    world.write(&owner, upsert(5, "new")).await;
    for write in [upsert(9, "old"), patch(9, "old"), delete(9)] {
        world.write(&former, write).await;
        assert_eq!(world.row().await, Some((5, "new".to_owned())));
    }
    assert!(world.rejected("fenced") > 0, "some of it is noticed");
}

#[tokio::test]
async fn a_row_that_was_deleted_is_not_brought_back_by_a_former_owner() {
    let world = World::open().await;
    let former = Fence::new(partition(0), Epoch(1));
    let owner = Fence::new(partition(0), Epoch(2));
    world.write(&owner, delete(5)).await;
    world.write(&former, upsert(4, "old")).await;
    assert_eq!(world.row().await, None);
    let PointState::Ours { epoch, content } = world.state().await else {
        panic!("there is a tombstone")
    };
    assert_eq!(epoch, Some(Epoch(2)));
    assert!(matches!(content, Content::Tombstone(gone) if gone.position.offset == Offset(5)));
}

#[tokio::test]
async fn the_sweep_after_a_truncate_takes_rows_and_leaves_tombstones() {
    let world = World::open().await;
    let fence = Fence::new(partition(0), Epoch(1));
    let until = CancellationToken::new();
    let mark = world.index.mark(&"t".into());
    let truncated = TruncateMark {
        source: None,
        commit_ms: 100,
    };
    let before = |mut write: Write| {
        match &mut write {
            Write::Delete { tombstone, .. } => tombstone.position.commit_ms = Some(50),
            Write::Upsert { stored, .. } | Write::PatchPayload { stored, .. } => {
                stored.position.commit_ms = Some(50);
            }
        }
        write
    };
    mark.raise(truncated, &until).await;
    world.write(&fence, before(upsert(5, "Tent"))).await;
    mark.sweep(0, truncated, &until).await;
    assert_eq!(world.state().await, PointState::Absent);
    world.write(&fence, before(delete(6))).await;
    mark.sweep(0, truncated, &until).await;
    assert!(matches!(
        world.state().await,
        PointState::Ours {
            content: Content::Tombstone(_),
            ..
        }
    ));
}

#[tokio::test]
async fn the_parked_rows_of_a_partition_are_found_page_by_page_until_they_have_their_vectors() {
    let world = World::open().await;
    let fence = Fence::new(partition(0), Epoch(1));
    let until = CancellationToken::new();
    let parked = Parked {
        text: "a".into(),
        at_ms: 7,
    };
    let park = |id| Write::Upsert {
        point: PointId::Integer(id),
        vector: None,
        payload: titled("Tent"),
        stored: Box::new(Stored {
            text_hash: None,
            wanted: Some(text("a")),
            parked: Some(parked.clone()),
            ..stored(1, text("a"))
        }),
        unread: false,
        expected: None,
    };
    for id in 1..=3 {
        world.write(&fence, park(id)).await;
    }
    let page = async |from| {
        let parked = partition(0);
        let page = world.index.parked_rows(&parked, from, 2, &until);
        page.await.unwrap()
    };
    let first = page(None).await;
    let [(id, found), _] = &first.rows[..] else {
        panic!("{first:?}")
    };
    assert_eq!(*id, POINT);
    assert_eq!(found.payload, titled("Tent"));
    assert_eq!(found.stored.parked, Some(parked.clone()));
    let last = page(first.next).await;
    assert_eq!((last.rows.len(), last.next), (1, None));

    let patched = world.write(&fence, patch_of_parked()).await;
    assert_eq!(patched, WriteOutcome::Applied, "it has no vector to keep");
    world.write(&fence, upsert(1, "Tent")).await;
    assert_eq!(page(None).await.rows.len(), 2);
    let other = partition(1);
    let page = world.index.parked_rows(&other, None, 2, &until);
    assert!(page.await.unwrap().rows.is_empty());
}

/// Of a row that has no vector yet.
fn patch_of_parked() -> Write {
    Write::PatchPayload {
        point: POINT,
        payload: titled("Tents"),
        stored: Box::new(Stored {
            text_hash: None,
            wanted: Some(text("a")),
            ..stored(1, text("a"))
        }),
        kept_text: None,
        expected: None,
    }
}

#[tokio::test]
async fn a_row_that_came_through_another_partition_is_taken_over_by_every_kind_of_write() {
    for (write, after) in [
        (upsert(1, "new"), Some((1, "new".to_owned()))),
        (patch(1, "new"), Some((1, "new".to_owned()))),
        (delete(1), None),
    ] {
        let world = World::open().await;
        // Its epoch is the greater one, which says nothing.
        let before = Fence::new(partition(0), Epoch(9));
        world.write(&before, upsert(50, "old")).await;
        let owner = Fence::new(partition(1), Epoch(3));
        let outcome = world.write(&owner, taking_over(write, Epoch(9))).await;
        assert_eq!(outcome, WriteOutcome::Applied);
        assert_eq!(world.row().await, after);
    }
}

#[tokio::test]
async fn a_row_that_came_through_another_partition_is_left_alone_if_it_changed_meanwhile() {
    let world = World::open().await;
    let before = Fence::new(partition(0), Epoch(9));
    world.write(&before, upsert(50, "old")).await;
    let owner = Fence::new(partition(1), Epoch(3));
    for write in [upsert(1, "new"), patch(1, "new"), delete(1)] {
        let outcome = world.write(&owner, taking_over(write, Epoch(8))).await;
        assert!(
            matches!(outcome, WriteOutcome::NotApplied(_)),
            "{outcome:?}"
        );
    }
    assert_eq!(world.row().await, Some((50, "old".to_owned())));
}

#[tokio::test]
async fn a_point_that_was_taken_for_absent_and_is_not_is_found_out() {
    let world = World::open().await;
    let other = Fence::new(partition(1), Epoch(1));
    let owner = Fence::new(partition(0), Epoch(2));
    let unread = |mut write: Write| {
        if let Write::Upsert { unread, .. } | Write::Delete { unread, .. } = &mut write {
            *unread = true;
        }
        write
    };
    let applied = world.write(&owner, unread(upsert(1, "Tent"))).await;
    assert_eq!(applied, WriteOutcome::Applied);
    let mut elsewhere = upsert(1, "Kettle");
    if let Write::Upsert { stored, point, .. } = &mut elsewhere {
        stored.partition = 1;
        *point = PointId::Integer(2);
    }
    world.write(&other, elsewhere).await;
    for mut write in [upsert(3, "Pot"), delete(3)] {
        if let Write::Upsert { point, .. } | Write::Delete { point, .. } = &mut write {
            *point = PointId::Integer(2);
        }
        let outcome = world.write(&owner, unread(write)).await;
        let WriteOutcome::NotApplied(state) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(state.place(), Some((partition(1), Offset(1))));
    }
}

#[tokio::test]
async fn a_new_owner_starts_above_every_epoch_whatever_its_clock_says() {
    let world = World::open().await;
    let (first, found) = world.claim(0, 5_000).await;
    assert_eq!(found, None, "nobody was there before");
    let (second, found) = world.claim(0, 10).await;
    assert!(second.fence().epoch() > first.fence().epoch());
    assert_eq!(found, Some(Predecessor { watermark: None }));
    // Also above what is only in the points.
    let ahead = Fence::new(partition(0), Epoch(1 << 50));
    world.write(&ahead, upsert(1, "Tent")).await;
    let (third, _) = world.claim(0, 10).await;
    assert!(third.fence().epoch() > ahead.epoch());
    let (other, found) = world.claim(1, 10).await;
    assert_eq!(found, None, "another partition is another matter");
    assert!(other.fence().epoch() < third.fence().epoch());
}

#[tokio::test]
async fn a_successor_learns_what_is_reflected_unless_it_was_noted_too_late() {
    let world = World::open().await;
    let watermark = |offset| Watermark {
        from: Offset(0),
        offset: Offset(offset),
        timestamp_ms: 100,
    };
    let until = CancellationToken::new();
    let (first, _) = world.claim(0, 1).await;
    assert!(first.note(watermark(7), &until).await);
    let (second, found) = world.claim(0, 2).await;
    assert_eq!(found.and_then(|found| found.watermark), Some(watermark(7)));
    // The former owner does not know that it is one.
    first.note(watermark(9), &until).await;
    second.note(watermark(8), &until).await;
    let (_, found) = world.claim(0, 3).await;
    assert_eq!(found.and_then(|found| found.watermark), Some(watermark(8)));
}

#[tokio::test]
async fn tombstones_are_swept_once_they_are_old_and_a_replay_is_known_without_them() {
    let world = World::open().await;
    let (claim, _) = world.claim(0, 1).await;
    let until = CancellationToken::new();
    let watermark = |offset| Watermark {
        from: Offset(0),
        offset: Offset(offset),
        timestamp_ms: 100,
    };
    world.write(claim.fence(), delete(5)).await;
    claim.sweep(watermark(6), 1_000, &until).await;
    assert_ne!(world.state().await, PointState::Absent, "it is too young");
    claim.sweep(watermark(5), 1_001, &until).await;
    assert_ne!(
        world.state().await,
        PointState::Absent,
        "a replay of its record could not be told"
    );
    assert!(!world.index.is_empty().await);
    claim.sweep(watermark(6), 1_001, &until).await;
    assert_eq!(world.state().await, PointState::Absent);
    assert!(
        world.index.is_empty().await,
        "a claim is neither row nor tombstone"
    );
}

#[tokio::test]
async fn nothing_is_written_while_the_lease_is_in_doubt() {
    let world = World::open().await;
    let fence = Fence::new(partition(0), Epoch(1));
    let lease = &world.index.connection.lease;
    lease.doubt(std::time::Instant::now());
    let (reply, mut replies) = unbounded_channel();
    world
        .index
        .write(Ticket(0), upsert(1, "Tent"), &fence, reply);
    assert_eq!(world.row().await, None);
    assert!(replies.try_recv().is_err());
    lease.confirm();
    assert!(replies.recv().await.is_some());
    assert_eq!(world.row().await, Some((1, "Tent".to_owned())));
}
