//! Quiet times that went on while a partition had no owner.
//!
//! What a member held back when it was killed is read again by its successor, seconds later. To hold
//! such a text for all of its quiet time once more would keep searchers waiting for nothing: nobody
//! changed it meanwhile, or the record that says so stands right behind.

use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

use crate::record::{PointId, Position, Priority};

use super::{Delays, Reconciler, past::TakeOver};

/// How long a text is held at least, for what stands behind it to be read.
const READ_ON: Duration = Duration::from_secs(1);

impl Reconciler {
    /// Counts the quiet time of a held text from when it changed, if that was shortly before the
    /// partition was taken over. Of a backlog it is counted from when it is read: there what
    /// supersedes a text may stand far behind it.
    pub(super) fn count_quiet_before(&mut self, point: PointId, now: Instant) {
        let Delays { quiet, max_hold } = self.delays;
        let Some(slot) = self.slots.get_mut(&point) else {
            return;
        };
        let Some((_, debounce)) = &mut slot.held_back else {
            return;
        };
        let age = age_before(&self.past.taken_over, &slot.news.from.position, now);
        let Some(age) = age.filter(|_| slot.news.from.priority == Priority::Fresh) else {
            return;
        };
        let counted = age.min(quiet.saturating_sub(READ_ON));
        let Some(then) = now.checked_sub(counted) else {
            return;
        };
        let before = debounce.due(quiet, max_hold);
        debounce.unchanged_since(then);
        let due = debounce.due(quiet, max_hold);
        if due != before {
            self.deadlines.push(Reverse((due, point)));
        }
    }
}

/// How old a change is, if it was made before the partition was taken over.
fn age_before(taken_over: &TakeOver, position: &Position, now: Instant) -> Option<Duration> {
    let changed_ms = position.changed_ms();
    let is_before = changed_ms < taken_over.at_ms;
    let age_ms = taken_over.ms_at(now).saturating_sub(changed_ms);
    let age_ms = u64::try_from(age_ms).ok()?;
    is_before.then(|| Duration::from_millis(age_ms))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a test fails by panicking")]

    use crate::{
        reconcile::{
            Action,
            model::{DELAYS, World, member},
        },
        record::{Epoch, Offset},
    };

    use super::*;

    /// A partition that was taken over so long after the changes in it, by a clock that says so.
    fn taken_over(after: Duration) -> World {
        let mut world = World::new();
        let taken_over = TakeOver {
            since: Epoch(1_024),
            at: world.now,
            at_ms: i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            had_owner: true,
            watermark: None,
        };
        world.owner = member(taken_over, 0);
        world
    }

    fn is_held(world: &World) -> bool {
        match &world.owner.pending[..] {
            [] => true,
            [pending] => {
                assert!(matches!(pending.action, Action::Embed { .. }));
                false
            }
            other => panic!("{other:?}"),
        }
    }

    const STEP: Duration = Duration::from_millis(1);

    #[test]
    fn a_text_that_was_quiet_before_the_take_over_waits_only_for_what_stands_behind_it() {
        let mut world = taken_over(2 * DELAYS.quiet);
        world.produce(1, Some((1, 5)));
        world.deliver();
        world.answer(0);
        world.pass(READ_ON.saturating_sub(STEP));
        assert!(is_held(&world));
        world.pass(STEP);
        assert!(!is_held(&world));
        world.settle_all();
        world.assert_equal();
    }

    #[test]
    fn a_text_that_changed_just_before_the_take_over_waits_for_the_rest_of_its_quiet_time() {
        let mut world = taken_over(Duration::from_secs(2));
        world.produce(1, Some((1, 5)));
        world.deliver();
        world.answer(0);
        let rest = DELAYS.quiet.saturating_sub(Duration::from_secs(2));
        world.pass(rest.saturating_sub(STEP));
        assert!(is_held(&world));
        world.pass(STEP);
        assert!(!is_held(&world));
    }

    #[test]
    fn of_several_texts_that_are_read_again_one_is_bought() {
        let mut world = taken_over(2 * DELAYS.quiet);
        for text in 1..4 {
            world.produce(1, Some((text, 5)));
            world.deliver();
            world.answer(0);
            world.pass(READ_ON / 2);
        }
        assert!(is_held(&world));
        world.settle_all();
        world.assert_equal();
        assert_eq!(world.bought.len(), 1);
    }

    #[test]
    fn a_text_that_changes_after_the_take_over_waits_for_all_of_its_quiet_time() {
        let mut world = taken_over(Duration::ZERO);
        world.produce(1, Some((1, 5)));
        world.deliver();
        world.answer(0);
        world.pass(DELAYS.quiet.saturating_sub(STEP));
        assert!(is_held(&world));
        world.pass(STEP);
        assert!(!is_held(&world));
    }

    #[test]
    fn a_text_of_a_backlog_waits_for_all_of_its_quiet_time() {
        let mut world = taken_over(2 * DELAYS.quiet);
        world.produce(1, Some((1, 5)));
        let Ok(ack) = world.owner.ledger.receive(Offset(0), 0, 100) else {
            panic!("it is the first");
        };
        let mut change = world.news(0, ack);
        change.from.priority = Priority::Backfill;
        world.act(|reconciler, now, out| reconciler.on_change(change, now, out));
        world.answer(0);
        world.pass(DELAYS.quiet.saturating_sub(STEP));
        assert!(is_held(&world));
        world.pass(STEP);
        assert!(!is_held(&world));
    }
}
