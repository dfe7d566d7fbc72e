//! Single faults, each at its worst moment: what a seed may or may not hit.

use std::{thread::sleep, time::Duration};

use anyhow::{Result, ensure};
use tokio::runtime::Runtime;
use vectide_embedded::qdrant::{Behaviour, Failure};

use crate::{
    cluster::PRODUCTS,
    configuration::Pace,
    faults::World,
    format::Format,
    index::Damage,
    oracle::Difference,
    proxy::Weather,
    rechecks::Request,
    run::{self, Oracle, Source},
    schedule::Slot,
    topic::Group,
    wait::until,
    workload::{Event, ROWS, Workload},
};

/// Rows of the table.
const TABLE: usize = 30;

/// More bytes of requests than any reading has.
const WRITES: usize = 1_000;

/// Longer than it takes to do what a test can't await, because it must not happen. Nothing fails where it is too short.
const EARLY: Duration = Duration::from_secs(2);

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_mins(2);

/// Servers, a table, and a group that has seen all of it.
struct Story {
    world: World,
    products: Source,
    group: Group,
    runtime: Runtime,
}

impl Story {
    fn begin(name: &str, members: Slot) -> Result<Self> {
        let runtime = Runtime::new()?;
        let folder = run::folder(name)?;
        let world = run::world(runtime.handle(), &folder, members, Pace::Quick, 0)?;
        let workload = Workload::new(0, Format::Json, ROWS);
        let products = Source::new(&world.cluster, &PRODUCTS, workload)?;
        let group = Group::new(world.cluster.brokers())?;
        let mut story = Self {
            world,
            products,
            group,
            runtime,
        };
        for _ in 0..TABLE {
            story
                .products
                .happen(|it, now_ms| it.make(Event::Create, now_ms))?;
        }
        story.caught_up()?;
        Ok(story)
    }

    /// Lets the same happen to several rows.
    fn happen(&mut self, event: Event, times: usize) -> Result<()> {
        for _ in 0..times {
            self.products.happen(|it, now_ms| it.make(event, now_ms))?;
        }
        Ok(())
    }

    /// Waits until everything written so far is committed.
    fn caught_up(&mut self) -> Result<()> {
        let ends = self.products.expected(self.runtime.handle())?.ends;
        until("everything to be committed", PATIENCE, || {
            let committed = self.group.committed(&PRODUCTS);
            Ok(committed.ok().filter(|it| *it == ends))
        })?;
        Ok(())
    }

    /// Waits until a member's writes are on their way to Qdrant, where they do not arrive.
    fn writes_are_held(&self, slot: Slot) -> Result<()> {
        until("writes to be held", PATIENCE, || {
            Ok((self.world.members[slot].index.held() > WRITES).then_some(()))
        })
    }

    /// Waits until what was held has arrived.
    fn writes_arrive(&self, slot: Slot) -> Result<()> {
        until("writes to arrive", PATIENCE, || {
            Ok((self.world.members[slot].index.held() == 0).then_some(()))
        })
    }

    /// Waits until the embedding endpoint, which stalls, holds a request.
    fn a_request_is_stalled(&self) -> Result<()> {
        until("a request to be stalled", PATIENCE, || {
            let stats = self.world.cluster.embed_stats()?;
            Ok((stats.in_flight > 0).then_some(()))
        })
    }

    /// Waits until all is as it should be but for the dead letters, and offsets that wait for them.
    fn only_letters_are_missing(&mut self) -> Result<()> {
        let expected = [(&PRODUCTS, self.products.expected(self.runtime.handle())?)];
        let oracle = Oracle {
            runtime: self.runtime.handle(),
            group: &self.group,
            expected: &expected,
        };
        until("the changes to be in the index", PATIENCE, || {
            let breaches = oracle.look(&self.world)?;
            let mut differences = breaches.iter().map(|breach| &breach.difference);
            let is_of_letters = |it: &Difference| {
                matches!(it, Difference::NoLetter(_) | Difference::Uncommitted { .. })
            };
            Ok(differences.all(is_of_letters).then_some(()))
        })
    }

    /// Mends everything, and fails when a promise was not kept.
    fn end(mut self, members: Slot) -> Result<()> {
        self.world.heal(members)?;
        let expected = [(&PRODUCTS, self.products.expected(self.runtime.handle())?)];
        let oracle = Oracle {
            runtime: self.runtime.handle(),
            group: &self.group,
            expected: &expected,
        };
        let breaches = oracle.settle_and_stop(&mut self.world)?;
        let texts: Vec<String> = breaches.iter().map(ToString::to_string).collect();
        ensure!(texts.is_empty(), "{}", texts.join("\n"));
        Ok(())
    }
}

#[test]
fn a_write_that_arrives_after_the_successors_changes_nothing() -> Result<()> {
    let mut story = Story::begin("late-writes", 2)?;
    story.world.members[0].index.set(Weather::Held);
    // A delete is written without a look at the index: what is held are writes.
    story.happen(Event::Delete, 16)?;
    story.writes_are_held(0)?;
    story.world.members[0].freeze(true)?;
    // Its partitions move, and their new owner reads, and writes what came since.
    story.happen(Event::Recreate, 16)?;
    story.happen(Event::Flip, 20)?;
    story.caught_up()?;
    story.world.members[0].index.set(Weather::Fair);
    story.end(2)
}

#[test]
fn an_offset_waits_for_what_was_not_written_when_its_member_leaves() -> Result<()> {
    let mut story = Story::begin("left", 1)?;
    story.world.cluster.embed(|it| it.stall = true)?;
    story.happen(Event::Text, 30)?;
    story.a_request_is_stalled()?;
    story.world.members[0].ask_to_leave()?;
    story.world.members[0].await_end()?;
    story.world.cluster.embed(|it| it.stall = false)?;
    story.end(1)
}

#[test]
fn an_offset_waits_for_the_acknowledgement_of_a_dead_letter() -> Result<()> {
    let mut story = Story::begin("letters", 1)?;
    story.world.members[0].kafka.set(Weather::NoLetters);
    story.happen(Event::Poison, 10)?;
    story.happen(Event::Flip, 20)?;
    story.only_letters_are_missing()?;
    story.world.members[0].ask_to_leave()?;
    story.world.members[0].await_end()?;
    // What is on its way must not arrive after all.
    story.world.members[0].kafka.cut();
    story.end(1)
}

#[test]
fn an_offset_waits_until_qdrant_has_applied_the_write() -> Result<()> {
    let mut story = Story::begin("unapplied", 1)?;
    // What is answered before it is applied is lost with these errors. Changes of the payload alone would be noticed all the same:
    // they are read back.
    let failure = Failure { calls: 6, code: 8 };
    let fail = |it: &mut Behaviour| it.fail_writes = Some(failure);
    story.world.cluster.index(fail)?;
    story.happen(Event::Delete, 10)?;
    story.caught_up()?;
    story.end(1)
}

#[test]
fn a_row_is_repaired_by_whoever_comes_after_the_member_that_is_killed_in_the_middle_of_it()
-> Result<()> {
    let mut story = Story::begin("recheck", 1)?;
    story.world.cluster.embed(|it| it.stall = true)?;
    let row = *story.products.workload.table().keys().next().unwrap();
    // It has to be bought once more.
    story
        .world
        .rechecks
        .damage(&PRODUCTS, row, Damage::Vector)?;
    story.world.rechecks.start(Request::Audit)?;
    story.a_request_is_stalled()?;
    // A member that says too early that it is done has time to say so.
    sleep(EARLY);
    story.world.members[0].kill()?;
    story.world.cluster.embed(|it| it.stall = false)?;
    story.world.members[0].start()?;
    story.world.rechecks.finish()?;
    let damaged = story.world.rechecks.damaged(&PRODUCTS);
    ensure!(
        damaged.is_empty(),
        "the audit does not say that it is repaired"
    );
    story.end(1)
}

#[test]
fn rows_of_a_table_that_was_emptied_do_not_come_back_with_a_former_owners_writes() -> Result<()> {
    let mut story = Story::begin("truncated", 2)?;
    // Of these the members know that they are gone: no reading stands before what is written of them.
    story.happen(Event::Delete, 20)?;
    story.caught_up()?;
    story.world.members[0].index.set(Weather::Held);
    story.happen(Event::Recreate, 20)?;
    story.writes_are_held(0)?;
    story.world.members[0].freeze(true)?;
    story.happen(Event::Truncate, 1)?;
    story.happen(Event::Create, 10)?;
    story.caught_up()?;
    story.world.members[0].index.set(Weather::Fair);
    story.writes_arrive(0)?;
    // Time for Qdrant to carry them out: what they bring back must not stay.
    sleep(EARLY);
    story.end(2)
}

#[test]
fn rows_that_a_truncate_took_do_not_stay_when_a_former_owners_writes_bring_them_back() -> Result<()>
{
    let mut story = Story::begin("swept", 2)?;
    story.happen(Event::Delete, 20)?;
    story.caught_up()?;
    story.world.members[0].index.set(Weather::Held);
    story.happen(Event::Recreate, 20)?;
    story.writes_are_held(0)?;
    story.world.members[0].freeze(true)?;
    // Their next owner has written them, too, before they go: so they leave no tombstones, and nothing refuses what is late.
    story.caught_up()?;
    story.happen(Event::Truncate, 1)?;
    story.happen(Event::Create, 10)?;
    story.caught_up()?;
    // The first sweep is over.
    sleep(EARLY);
    story.world.members[0].index.set(Weather::Fair);
    story.writes_arrive(0)?;
    // Time for Qdrant to carry them out.
    sleep(EARLY);
    story.end(2)
}
