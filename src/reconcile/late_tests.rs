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

/// The owner buys the vector that it has in hand, sends it, and is gone before it arrives.
fn buy_and_be_gone(world: &mut World) {
    world.pass(DELAYS.max_hold);
    world.settle_embeddings();
    assert!(matches!(world.only(), Action::Write { .. }));
    world.crash();
}

fn arrive_and_settle(world: &mut World) {
    world.let_everything_arrive();
    world.settle_all();
    world.assert_equal();
}

/// The first owner's write of later news is under way when the second takes the debt in hand, and
/// arrives before the second's vector, which comes when a third has found the row to be right.
fn pay_late_behind(world: &mut World, row: Option<(u8, u8)>) {
    world.produce(1, row);
    world.deliver();
    world.crash();
    assert!(world.work_off(0));
    world.settle_reads();
    world.arrive(0);
    assert_eq!(world.index[&point(1)].is_row(), row.is_some());
    buy_and_be_gone(world);
    world.settle_all();
}

#[test]
fn a_vector_that_was_owed_brings_no_row_back_that_was_deleted_meanwhile() {
    let mut world = with_a_parked_row();
    pay_late_behind(&mut world, None);
    arrive_and_settle(&mut world);
}

#[test]
fn a_vector_that_was_owed_replaces_no_later_row() {
    let mut world = with_a_parked_row();
    pay_late_behind(&mut world, Some((1, 6)));
    arrive_and_settle(&mut world);
}

#[test]
fn a_vector_that_is_owed_is_paid_once_if_it_arrives_late() {
    let mut world = with_a_parked_row();
    assert!(world.work_off(0));
    world.settle_reads();
    buy_and_be_gone(&mut world);
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
    buy_and_be_gone(&mut world);
    world.settle_all();
    arrive_and_settle(&mut world);
}
