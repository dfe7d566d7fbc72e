//! However the records arrive, the index ends equal to the tables.

use fastrand::Rng;
use futures_util::future::join_all;

use crate::{capture::ALL, fixtures, order, replay::Replay};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_captures_as_they_were_recorded_end_as_the_tables_did() {
    if fixtures::folder().is_none() {
        return;
    }
    let mut replay = Replay::open(&ALL).await;
    let records = replay.records();
    replay.produce(records).await;
    let app = replay.member().await;
    replay.equal().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_of_partitions_does_not_matter() {
    if fixtures::folder().is_none() {
        return;
    }
    let orders = (0..10).map(|seed| tokio::spawn(in_random_order(seed)));
    for (seed, result) in join_all(orders).await.into_iter().enumerate() {
        assert!(result.is_ok(), "with seed {seed}, see above");
    }
}

/// Produces short runs of records of one partition each, and lets the member catch up in between:
/// it meets them in this order, but for runs that it fetches together.
async fn in_random_order(seed: u64) {
    let mut random = Rng::with_seed(seed);
    let mut replay = Replay::open(&ALL).await;
    let app = replay.member().await;
    for run in order::interleaved(replay.records(), &mut random) {
        replay.produce(run).await;
        if random.u8(..) < 5 {
            replay.settled().await;
        }
    }
    replay.equal().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_restarted_connector_sends_again_changes_nothing() {
    if fixtures::folder().is_none() {
        return;
    }
    let mut replay = Replay::open(&ALL).await;
    let app = replay.member().await;
    let records = replay.records();
    replay.produce(records.clone()).await;
    replay.equal().await;
    replay.produce(records).await;
    replay.equal().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_are_delivered_twice_in_a_row_count_once() {
    if fixtures::folder().is_none() {
        return;
    }
    let mut replay = Replay::open(&ALL).await;
    let twice = replay.records().into_iter().flat_map(|it| [it.clone(), it]);
    replay.produce(twice.collect::<Vec<_>>()).await;
    let app = replay.member().await;
    replay.equal().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_members_do_together_what_one_does_alone() {
    if fixtures::folder().is_none() {
        return;
    }
    let mut random = Rng::with_seed(3);
    let mut replay = Replay::open(&ALL).await;
    let members = join_all((0..3).map(|_| replay.member())).await;
    for run in order::interleaved(replay.records(), &mut random) {
        replay.produce(run).await;
    }
    replay.equal().await;
    for member in &members {
        assert!(
            member.metrics().kafka.assigned.get() > 0,
            "each has its share"
        );
    }
    for member in members {
        member.stop().await.unwrap();
    }
}
