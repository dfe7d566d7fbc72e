#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

//! The reconciler against the [model](super::model).

use proptest::prelude::*;

use super::{
    model::{DELAYS, EMPTY, ModelRow, REFUSED, World, document, point},
    *,
};
use crate::record::{Document, Offset, RawRecord, Settled, Write, WriteKind};

#[test]
fn a_new_row_is_embedded_once_its_text_has_been_quiet() {
    let mut world = World::new();
    world.produce(1, Some((1, 5)));
    world.deliver();
    world.answer(0);
    assert!(world.owner.pending.is_empty(), "it waits to be quiet");
    world.pass(DELAYS.quiet);
    assert!(matches!(world.only(), Action::Embed { .. }));
    world.settle_all();
    world.assert_equal();
}

#[test]
fn a_change_of_stock_buys_nothing_and_waits_for_nothing() {
    let mut world = World::with_a_row();
    world.bought.clear();
    world.owner.reconciler.take_lookups();
    world.produce(1, Some((1, 0)));
    world.deliver();
    let lookups = world.owner.reconciler.take_lookups();
    assert_eq!((lookups.hits, lookups.misses), (1, 0));
    assert!(matches!(
        world.only(),
        Action::Write {
            write: Write::PatchPayload { .. },
            ..
        }
    ));
    world.settle_all();
    world.assert_equal();
    assert!(world.bought.is_empty());
}

#[test]
fn a_delete_settles_as_one_though_its_tombstone_came_while_it_was_written() {
    let mut world = World::with_a_row();
    world.settled.clear();
    world.produce(1, None);
    world.deliver();
    world.produce(1, None);
    world.deliver();
    world.settle_all();
    world.assert_equal();
    assert_eq!(world.settled, [Settled::Deleted, Settled::Unchanged]);
}

#[test]
fn a_delete_that_came_too_late_to_be_written_settles_as_superseded() {
    let mut world = World::with_a_row();
    world.settled.clear();
    world.produce(1, Some((1, 0)));
    world.deliver();
    world.produce(1, None);
    world.deliver();
    world.produce(1, None);
    world.deliver();
    world.settle_all();
    world.assert_equal();
    let [superseded, deleted] = [Settled::Superseded, Settled::Deleted];
    assert_eq!(world.settled, [superseded, superseded, deleted]);
}

#[test]
fn a_delete_does_not_wait_for_the_embedding_of_its_own_key() {
    let mut world = World::with_a_row();
    world.produce(1, Some((2, 5)));
    world.deliver();
    world.answer(0);
    world.pass(DELAYS.quiet);
    let Action::Embed { wanted, .. } = world.only() else {
        panic!("{:?}", world.only())
    };
    let wanted = wanted.clone();
    world.produce(1, None);
    world.deliver();
    assert!(
        wanted.upgrade().is_none(),
        "nobody pays for the text any more"
    );
    world.answer(1);
    assert!(!world.index[&point(1)].is_row());
    world.settle_all();
    world.assert_equal();
}

#[test]
fn when_text_and_payload_change_the_payload_goes_out_at_once() {
    let mut world = World::with_a_row();
    world.produce(1, Some((2, 0)));
    world.deliver();
    world.answer(0);
    let patched = &world.index[&point(1)];
    assert_eq!(patched.payload, document((2, 0)).payload);
    assert_eq!(patched.vector_of, Some(document((1, 5)).text_hash));
    assert_eq!(patched.stored().wanted, Some(document((2, 0)).text_hash));
    world.commit();
    assert_eq!(
        world.committed, 1,
        "the record has not settled: its vector is owed"
    );
    let [upsert, patch] = [WriteKind::Upsert, WriteKind::PatchPayload];
    assert_eq!(world.visible, [upsert, patch], "and its payload is visible");
    world.settle_all();
    world.assert_equal();
    assert_eq!(world.visible, [upsert, patch, upsert]);
}

#[test]
fn a_vector_that_comes_back_is_written_with_the_latest_row() {
    let mut world = World::new();
    world.produce(1, Some((1, 5)));
    world.deliver();
    world.answer(0);
    world.pass(DELAYS.quiet);
    world.produce(1, Some((1, 0)));
    world.deliver();
    world.answer(0);
    world.settle_all();
    world.assert_equal();
    assert_eq!(world.bought.len(), 1);
}

#[test]
fn a_text_that_changes_and_changes_back_buys_nothing() {
    let mut world = World::with_a_row();
    world.bought.clear();
    world.produce(1, Some((2, 5)));
    world.deliver();
    world.produce(1, Some((1, 5)));
    world.settle_all();
    world.assert_equal();
    assert!(world.bought.is_empty());
}

#[test]
fn replaying_the_whole_log_buys_and_writes_nothing() {
    let mut world = World::new();
    for stock in 0..20 {
        world.produce(stock % 3, Some((stock % 3, stock)));
        world.deliver();
    }
    world.settle_all();
    world.bought.clear();
    world.new_group();
    let writes = world.writes;
    while world.owner.next < world.log.len() {
        world.deliver();
        while !world.owner.pending.is_empty() {
            world.answer(0);
        }
    }
    world.assert_equal();
    assert!(world.bought.is_empty());
    assert_eq!(world.writes, writes);
}

#[test]
fn a_refused_text_is_dead_lettered_and_the_payload_still_goes_out() {
    let mut world = World::with_a_row();
    world.produce(1, Some((9, 0)));
    world.settle_all();
    assert_eq!(world.dead.len(), 1);
    assert!(world.owner.ledger.is_empty());
    assert_eq!(world.index[&point(1)].payload, document((9, 0)).payload);
}

#[test]
fn a_row_that_lost_its_text_is_dead_lettered_and_its_payload_goes_out_at_once() {
    let mut world = World::with_a_row();
    world.produce(1, Some((EMPTY, 0)));
    world.deliver();
    world.settle_pending();
    assert_eq!(world.index[&point(1)].payload, document((EMPTY, 0)).payload);
    let [failure] = &world.dead[..] else {
        panic!("{:?}", world.dead)
    };
    assert_eq!(failure.reason, "empty_text");
    assert!(world.owner.ledger.is_empty());
    assert_eq!(world.bought.len(), 1, "only what it had before");
}

#[test]
fn a_new_row_without_a_text_is_dead_lettered_and_written_nowhere() {
    let mut world = World::new();
    world.produce(1, Some((EMPTY, 5)));
    world.settle_all();
    assert_eq!(world.dead.len(), 1);
    assert!(world.index.is_empty() && world.bought.is_empty());
}

#[test]
fn a_point_that_somebody_else_removed_is_made_anew() {
    let mut world = World::with_a_row();
    world.index.clear();
    world.produce(1, Some((1, 0)));
    world.settle_all();
    world.assert_equal();
}

#[test]
fn what_was_written_of_a_row_before_its_text_was_refused_is_not_forgotten() {
    let mut world = World::with_a_row();
    world.produce(1, Some((9, 0)));
    world.settle_all();
    world.produce(1, Some((1, 5)));
    world.settle_all();
    world.assert_equal();
}

#[test]
fn a_payload_goes_out_also_after_its_text_was_refused() {
    let mut world = World::with_a_row();
    world.produce(1, Some((9, 5)));
    world.deliver();
    world.answer(0);
    world.pass(DELAYS.quiet);
    world.produce(1, Some((9, 4)));
    world.deliver();
    let embed = world
        .owner
        .pending
        .iter()
        .position(|pending| matches!(pending.action, Action::Embed { .. }));
    world.answer(embed.unwrap());
    world.produce(1, Some((9, 0)));
    world.settle_all();
    world.assert_equal();
    assert_eq!(world.index[&point(1)].payload, document((9, 0)).payload);
}

#[test]
fn a_draining_partition_buys_nothing_more() {
    let mut world = World::new();
    world.produce(1, Some((1, 5)));
    world.deliver();
    world.answer(0);
    world.owner.reconciler.drain();
    world.pass(DELAYS.max_hold);
    assert!(world.owner.pending.is_empty());
    assert!(world.owner.reconciler.is_idle());
    world.commit();
    assert_eq!(world.committed, 0);
}

#[test]
fn two_changes_within_one_version_are_both_applied_and_counted() {
    let mut world = World::new();
    world.version = Some(7);
    world.produce(1, Some((1, 5)));
    world.settle_all();
    world.produce(1, Some((1, 5)));
    world.settle_all();
    assert_eq!(world.conflicts, 0, "the same row again is a duplicate");
    world.produce(1, Some((1, 4)));
    world.settle_all();
    world.assert_equal();
    assert_eq!(world.conflicts, 1);
}

#[test]
fn a_row_made_anew_before_the_truncate_is_known_survives_its_sweep() {
    let mut world = World::with_a_row();
    world.truncate();
    world.produce(1, Some((1, 5)));
    world.deliver();
    while !world.owner.pending.is_empty() {
        world.answer(0);
    }
    world.learn();
    world.settle_all();
    world.assert_equal();
    assert_eq!(world.bought.len(), 1, "the vector is the same");
}

#[test]
fn a_topic_made_anew_is_not_taken_for_a_replay() {
    let position = Position {
        offset: Offset(3),
        timestamp_ms: 2_000,
        commit_ms: None,
        source: None,
    };
    let at = |timestamp_ms| Written {
        by: Writer::ThisPartition {
            offset: Offset(90),
            is_current: true,
        },
        timestamp_ms,
    };
    assert!(at(2_500).compare(&position).is_later);
    assert!(
        !at(1_000).compare(&position).is_later,
        "the point is of an earlier time"
    );
}

#[test]
fn a_new_row_that_is_parked_settles_without_a_vector_and_gets_it_later() {
    let mut world = World::new();
    world.produce_and_park(1, (1, 5));
    let parked = &world.index[&point(1)];
    assert_eq!(parked.payload, document((1, 5)).payload);
    assert_eq!(parked.vector_of, None);
    assert!(world.owner.ledger.is_empty(), "its record has settled");
    assert!(world.bought.is_empty(), "nothing was sent");
    assert!(world.visible.is_empty(), "no vector search finds it");
    world.settle_all();
    world.assert_equal();
    assert_eq!(world.bought.len(), 1);
    assert_eq!(world.visible, [WriteKind::Upsert]);
}

#[test]
fn a_payload_that_was_seen_at_once_is_not_seen_again_when_its_row_is_parked() {
    let mut world = World::with_a_row();
    world.visible.clear();
    world.produce_and_park(1, (2, 0));
    assert!(world.owner.ledger.is_empty(), "it is parked");
    assert_eq!(world.visible, [WriteKind::PatchPayload]);
    world.settle_all();
    world.assert_equal();
    assert_eq!(world.visible, [WriteKind::PatchPayload, WriteKind::Upsert]);
}

#[test]
fn a_text_that_is_sent_already_is_not_parked() {
    let mut world = World::new();
    world.produce(1, Some((0, 5)));
    world.deliver();
    world.answer(0);
    world.pass(DELAYS.quiet);
    world.park();
    world.settle_pending();
    world.assert_equal();
    assert_eq!(world.bought.len(), 1);
}

#[test]
fn a_text_that_was_sent_in_vain_is_parked_like_one_that_was_not_sent() {
    let mut world = World::new();
    world.produce(1, Some((0, 5)));
    world.deliver();
    world.answer(0);
    world.pass(DELAYS.quiet);
    world.put_off();
    world.park();
    world.settle_pending();
    assert!(world.owner.ledger.is_empty(), "its record has settled");
    world.settle_all();
    world.assert_equal();
    assert_eq!(world.bought.len(), 1);
}

#[test]
fn a_debt_is_not_parked_once_more() {
    let mut world = World::new();
    world.produce_and_park(1, (1, 5));
    assert!(world.work_off(0));
    world.settle_reads();
    world.pass(DELAYS.quiet);
    world.park();
    assert!(world.owner.reconciler.is_buying());
    world.settle_all();
    world.assert_equal();
    assert_eq!(world.bought.len(), 1);
}

#[test]
fn a_delete_of_a_parked_row_takes_its_debt_along() {
    let mut world = World::new();
    world.produce_and_park(1, (1, 5));
    world.produce(1, None);
    world.settle_all();
    world.assert_equal();
    assert!(world.bought.is_empty());
}

#[test]
fn a_new_owner_works_off_what_the_former_one_parked() {
    let mut world = World::new();
    for key in 1..4 {
        world.produce(key, Some((key, 5)));
        world.deliver();
        world.answer(0);
    }
    world.pass(DELAYS.quiet);
    world.park();
    world.settle_pending();
    world.commit();
    assert_eq!(world.committed, 3);
    world.crash();
    world.settle_all();
    world.assert_equal();
    assert_eq!(world.bought.len(), 3, "each text once");
}

#[test]
fn a_parked_row_whose_text_is_refused_becomes_a_dead_letter_and_is_owed_nothing() {
    let mut world = World::new();
    world.produce_and_park(1, (9, 5));
    world.settle_all();
    world.assert_equal();
    assert_eq!(world.dead.len(), 1);
}

#[test]
fn a_payload_that_changes_while_its_row_is_parked_is_written_at_once() {
    let mut world = World::new();
    world.produce_and_park(1, (1, 5));
    world.produce(1, Some((1, 0)));
    world.deliver();
    world.park();
    world.settle_pending();
    assert_eq!(world.index[&point(1)].payload, document((1, 0)).payload);
    world.settle_all();
    world.assert_equal();
}

#[derive(Debug, Clone)]
enum Step {
    Produce(u8, ModelRow),
    Deliver,
    Answer(usize),
    Pass(u64),
    Crash,
    CutOff,
    NewGroup,
    Arrive(usize),
    GoOn(usize),
    Commit,
    Sweep,
    Truncate,
    Learn,
    Park,
    PutOff,
    WorkOff(usize),
    Ask(u8),
    Damage(u8, Doubt),
    Recheck,
}

/// Mostly a few texts, sometimes the one that the provider refuses.
fn model_text() -> impl Strategy<Value = u8> {
    prop_oneof![12 => 0_u8..3, 2 => Just(REFUSED), 1 => Just(EMPTY)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..4, prop::option::weighted(0.75, (model_text(), 0_u8..4))).prop_map(|(key, row)| Step::Produce(key, row)),
        4 => Just(Step::Deliver),
        6 => any::<usize>().prop_map(Step::Answer),
        2 => (0_u64..7_000).prop_map(Step::Pass),
        1 => Just(Step::Crash),
        1 => Just(Step::CutOff),
        1 => Just(Step::NewGroup),
        2 => any::<usize>().prop_map(Step::Arrive),
        4 => any::<usize>().prop_map(Step::GoOn),
        2 => Just(Step::Commit),
        1 => Just(Step::Sweep),
        1 => Just(Step::Truncate),
        1 => Just(Step::Learn),
        2 => Just(Step::Park),
        1 => Just(Step::PutOff),
        2 => any::<usize>().prop_map(Step::WorkOff),
        1 => (0_u8..4).prop_map(Step::Ask),
        1 => (0_u8..4, prop_oneof![Just(Doubt::Payload), Just(Doubt::Vector)]).prop_map(|(key, doubt)| Step::Damage(key, doubt)),
        3 => Just(Step::Recheck),
    ]
}

/// So many cases, or more where `PROPTEST_CASES` says so.
fn at_least(cases: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig {
        cases: config.cases.max(cases),
        ..config
    }
}

proptest! {
    #![proptest_config(at_least(2_000))]

    #[test]
    fn at_rest_the_index_equals_the_table_whatever_the_order_of_answers_and_crashes(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Produce(key, row) => world.produce(key, row),
                Step::Deliver => world.deliver(),
                Step::Answer(pick) => world.answer(pick),
                Step::Pass(milliseconds) => world.pass(Duration::from_millis(milliseconds)),
                Step::Crash => world.crash(),
                Step::CutOff => world.cut_off(),
                Step::NewGroup => world.new_group(),
                Step::Arrive(pick) => world.arrive(pick),
                Step::GoOn(pick) => world.go_on(pick),
                Step::Commit => world.commit(),
                Step::Sweep => world.sweep(),
                Step::Truncate => world.truncate(),
                Step::Learn => world.learn(),
                Step::Park => world.park(),
                Step::PutOff => world.put_off(),
                Step::WorkOff(pick) => {
                    world.work_off(pick);
                }
                Step::Ask(key) => world.ask(key, Doubt::Memory),
                Step::Damage(key, doubt) => world.damage(key, doubt),
                Step::Recheck => {
                    world.recheck();
                }
            }
        }
        world.settle_rechecks();
        world.let_everything_arrive();
        world.settle_rechecks();
        world.assert_equal();
        world.sweep();
        world.new_group();
        let (bought, writes) = (world.bought.len(), world.writes);
        world.settle_all();
        world.assert_equal();
        let anew = world.bought[bought..].iter().filter(|text| &***text != "text 9").count();
        prop_assert_eq!(anew, 0, "reading again buys nothing, but tries what was refused");
        prop_assert_eq!(world.writes, writes, "reading again writes nothing");
    }
}

#[test]
fn what_is_kept_of_a_row_with_news_is_within_what_its_record_is_charged() {
    let kept = size_of::<Slot>() + size_of::<Document>() + size_of::<Stored>() + size_of::<Write>();
    // A third is left for its fields, its place in queues and tables, and what the allocator adds.
    assert!(kept <= RawRecord::BOOKKEEPING * 2 / 3, "{kept} bytes");
}
