#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

//! What a former owner had sent arrives late, when another has found the index to be right.

use super::{
    model::{DELAYS, World, point},
    *,
};

/// A world in which the row of key 1 was created, parked and committed.
fn with_a_parked_row() -> World {
    let mut world = World::new();
    world.produce(1, Some((1, 5)));
    world.deliver();
    world.settle_pending();
    world.park();
    world.settle_pending();
    world.commit();
    world.late.clear();
    assert!(world.index[&point(1)].stored().parked.is_some());
    world
}

/// The owner buys the vector that is owed, sends it, and is gone before it arrives.
fn send_what_is_owed(world: &mut World) {
    assert!(world.work_off(0));
    world.settle_reads();
    world.pass(DELAYS.max_hold);
    world.settle_embeddings();
    let is_sent = matches!(world.only(), Action::Write { .. });
    assert!(is_sent);
    world.crash();
}

fn arrive_and_settle(world: &mut World) {
    world.let_everything_arrive();
    world.settle_all();
    world.assert_equal();
}

#[test]
fn a_vector_that_was_owed_brings_no_row_back_that_was_deleted_meanwhile() {
    let mut world = with_a_parked_row();
    world.produce(1, None);
    world.deliver();
    // The delete of the first owner is under way when the second takes the debt in hand.
    world.crash();
    assert!(world.work_off(0));
    world.settle_reads();
    world.arrive(0);
    assert!(!world.index[&point(1)].is_row());
    world.pass(DELAYS.max_hold);
    world.settle_embeddings();
    world.crash();
    world.settle_all();
    arrive_and_settle(&mut world);
}

#[test]
fn a_vector_that_was_owed_replaces_no_later_row() {
    let mut world = with_a_parked_row();
    world.produce(1, Some((1, 6)));
    world.deliver();
    world.crash();
    assert!(world.work_off(0));
    world.settle_reads();
    world.arrive(0);
    world.pass(DELAYS.max_hold);
    world.settle_embeddings();
    world.crash();
    world.settle_all();
    arrive_and_settle(&mut world);
}

#[test]
fn a_vector_that_is_owed_is_paid_once_if_it_arrives_late() {
    let mut world = with_a_parked_row();
    send_what_is_owed(&mut world);
    world.arrive(0);
    arrive_and_settle(&mut world);
    assert_eq!(world.bought.len(), 1);
}

#[test]
fn a_debt_whose_point_is_gone_makes_none() {
    let mut world = with_a_parked_row();
    assert!(world.work_off(0));
    world.index.remove(&point(1));
    world.settle_all();
    assert!(world.bought.is_empty());
    assert!(world.index.is_empty());
    assert!(world.owner.reconciler.is_empty());
}

#[test]
fn a_record_that_settled_before_is_written_only_over_the_point_that_it_was_compared_with() {
    let mut world = with_a_parked_row();
    world.produce(1, None);
    world.deliver();
    world.new_group();
    world.deliver();
    world.settle_reads();
    world.arrive(0);
    world.pass(DELAYS.max_hold);
    world.settle_embeddings();
    world.crash();
    world.settle_all();
    arrive_and_settle(&mut world);
}
