#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

//! Rows that are rechecked: news without an offset of its own, of points that are not relied on.

use super::{
    model::{DELAYS, Pending, World, point},
    *,
};
use crate::record::{Payload, Value};

/// Hands the reconciler what the log says last of a key up to the owner's place.
fn recheck(world: &mut World, key: u8, doubt: Doubt) {
    world.ask(key, doubt);
    world.settle_rechecks();
    assert!(world.asked.is_empty());
}

fn recheck_as(world: &mut World, key: u8, place: usize, row: Option<(u8, u8)>, doubt: Doubt) {
    let change = world.change(key, row, place, Ack::of_recheck(Ticket(0)));
    world.owner.reconciler.doubt(point(key), doubt);
    world.act(|reconciler, now, out| reconciler.on_change(change, now, out));
    world.settle_all();
}

/// A world with a row, of which nothing is counted yet.
fn with_a_row() -> World {
    let mut world = World::with_a_row();
    world.assert_equal();
    world.bought.clear();
    world.writes = 0;
    world
}

#[test]
fn a_payload_that_somebody_else_changed_is_written_again_and_nothing_is_bought() {
    let mut world = with_a_row();
    let changed = Payload::from(vec![("stock".into(), Value::Int(99))]);
    world.index.get_mut(&point(1)).unwrap().payload = changed;
    recheck(&mut world, 1, Doubt::Payload);
    world.assert_equal();
    assert_eq!((world.writes, world.bought.len()), (1, 0));
}

#[test]
fn what_is_remembered_of_the_point_is_not_relied_on() {
    let mut world = with_a_row();
    world.index.remove(&point(1));
    recheck(&mut world, 1, Doubt::Memory);
    world.assert_equal();
    assert_eq!(world.bought.len(), 1);
}

#[test]
fn a_vector_that_was_lost_is_bought_again() {
    let mut world = with_a_row();
    world.index.get_mut(&point(1)).unwrap().vector_of = None;
    recheck(&mut world, 1, Doubt::Vector);
    world.assert_equal();
    assert_eq!(world.bought.len(), 1);
}

#[test]
fn while_a_doubted_vector_is_bought_the_point_that_a_former_owner_wrote_is_written_once() {
    let mut world = with_a_row();
    world.commit();
    let next = world.owner.next;
    world.take_over(next);
    world.ask(1, Doubt::Vector);
    assert!(world.recheck());
    for _ in 0..20 {
        let is_quick = |pending: &Pending| !matches!(pending.action, Action::Embed { .. });
        if let Some(quick) = world.owner.pending.iter().position(is_quick) {
            world.answer(quick);
        } else if world.owner.reconciler.due().is_some() {
            world.pass(DELAYS.max_hold);
        }
    }
    assert_eq!(world.writes, 1);
    assert_eq!(world.index[&point(1)].stored().text_hash, None);
    world.settle_rechecks();
    world.assert_equal();
}

#[test]
fn where_index_and_table_agree_nothing_is_written() {
    let mut world = with_a_row();
    recheck(&mut world, 1, Doubt::Memory);
    world.assert_equal();
    assert_eq!((world.writes, world.bought.len()), (0, 0));
}

#[test]
fn a_point_that_the_watermark_takes_for_reflected_is_written_all_the_same() {
    let mut world = with_a_row();
    world.commit();
    let next = world.owner.next;
    world.take_over(next);
    assert!(world.claimed.unwrap().watermark.is_some());
    world.index.remove(&point(1));
    recheck(&mut world, 1, Doubt::Memory);
    world.assert_equal();
}

#[test]
fn after_a_takeover_the_point_is_touched_so_that_the_former_owners_recheck_comes_too_late() {
    let mut world = with_a_row();
    world.commit();
    let next = world.owner.next;
    world.take_over(next);
    let epoch = world.owner.epoch;
    assert!(world.index[&point(1)].epoch < epoch);
    recheck(&mut world, 1, Doubt::Memory);
    assert_eq!(world.index[&point(1)].epoch, epoch);
    world.assert_equal();
    assert!(world.bought.is_empty());
}

#[test]
fn a_record_from_before_what_the_index_holds_changes_nothing() {
    let mut world = with_a_row();
    world.produce(1, Some((2, 7)));
    world.settle_all();
    world.writes = 0;
    recheck_as(&mut world, 1, 0, Some((1, 5)), Doubt::Payload);
    world.assert_equal();
    assert_eq!(world.writes, 0);
}

#[test]
fn a_row_that_is_asked_for_before_its_last_record_is_read_again_is_mended_with_that() {
    let mut world = World::new();
    world.produce(1, None);
    world.produce(1, Some((1, 5)));
    world.settle_all();
    world.damage(1, Doubt::Vector);
    world.take_over(0);
    world.deliver();
    world.settle_pending();
    assert!(world.recheck());
    world.settle_pending();
    assert!(!world.asked.is_empty(), "it is not done");
    world.asked.clear();
    world.settle_all();
    world.assert_equal();
}

#[test]
fn a_row_that_is_gone_leaves_a_tombstone_in_the_place_of_a_point_that_has_no_row() {
    let mut world = with_a_row();
    recheck_as(&mut world, 1, 0, None, Doubt::Payload);
    assert!(!world.index[&point(1)].is_row());
}

#[test]
fn news_that_overtake_a_recheck_are_compared_without_relying_on_the_point() {
    let mut world = with_a_row();
    let changed = Payload::from(vec![("stock".into(), Value::Int(99))]);
    world.index.get_mut(&point(1)).unwrap().payload = changed;
    world.owner.reconciler.doubt(point(1), Doubt::Payload);
    world.produce(1, Some((1, 5)));
    world.settle_all();
    world.assert_equal();
}

#[test]
fn a_recheck_waits_until_its_owner_has_read_what_searchers_have_seen() {
    let mut world = World::new();
    world.produce(3, Some((0, 0)));
    world.produce(3, None);
    world.settle_all();
    world.sweep();
    world.ask(3, Doubt::Memory);
    world.new_group();
    world.deliver();
    world.settle_pending();
    assert!(!world.recheck(), "the delete has not been read again yet");
    world.settle_rechecks();
    world.assert_equal();
    assert!(world.asked.is_empty());
}
