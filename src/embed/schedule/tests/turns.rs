//! Which texts have their turn when, and in which request.

use super::*;

#[test]
fn a_full_request_goes_out_at_once_and_the_rest_lingers() {
    let mut desk = Desk::new(&settings());
    desk.ask_all(&["a", "b", "c", "d", "e"]);
    assert_eq!(texts(&desk.sent()), ["a", "b", "c", "d"]);
    assert_eq!(desk.quiet(), Some(LINGER));
    desk.pass(LINGER);
    assert_eq!(texts(&desk.sent()), ["e"]);
}

#[test]
fn a_text_lingers_from_when_it_came() {
    let mut desk = Desk::new(&settings());
    desk.ask(1, "a");
    desk.pass(15 * MS);
    desk.ask(2, "b");
    assert_eq!(desk.quiet(), Some(5 * MS));
    assert_eq!(texts(&desk.sent_later()), ["a", "b"]);
}

#[test]
fn one_text_is_bought_once_for_all_who_ask() {
    let mut desk = Desk::new(&settings());
    desk.ask(1, "same");
    desk.ask(2, "same");
    let call = desk.sent_later();
    assert_eq!(texts(&call), ["same"]);
    desk.ask(3, "same");
    assert_eq!(desk.quiet(), None);
    desk.accept(call);
    let answer = || Ok(vec![4.0]);
    assert_eq!(
        desk.replied(),
        BTreeMap::from([(1, answer()), (2, answer()), (3, answer())])
    );
    assert!(desk.schedule.batcher.is_idle());
    assert_eq!(desk.metrics.inputs.get(), 1);
}

#[test]
fn no_more_requests_than_allowed_are_under_way() {
    let mut desk = Desk::new(&settings());
    for ticket in 0..12 {
        desk.ask(ticket, &format!("text {ticket}"));
    }
    let first = desk.sent();
    let _second = desk.sent();
    assert_eq!(desk.quiet(), None);
    desk.accept(first);
    assert_eq!(
        texts(&desk.sent()),
        ["text 8", "text 9", "text 10", "text 11"]
    );
}

#[test]
fn what_nobody_wants_any_more_is_not_sent() {
    let mut desk = Desk::new(&settings());
    desk.ask_all(&["a", "b", "c"]);
    desk.forget(1);
    assert_eq!(texts(&desk.sent_later()), ["a", "c"]);
    assert_eq!(desk.metrics.skipped.get(), 1);
}

#[test]
fn a_text_is_sent_as_long_as_one_of_its_askers_wants_it() {
    let mut desk = Desk::new(&settings());
    desk.ask(1, "same");
    desk.ask(2, "same");
    desk.forget(1);
    let call = desk.sent_later();
    desk.accept(call);
    assert_eq!(desk.replied(), BTreeMap::from([(2, Ok(vec![4.0]))]));
}

#[test]
fn a_request_is_sent_again_without_what_is_wanted_no_more() {
    let mut desk = Desk::new(&settings());
    desk.ask_all(&["a", "b", "c", "d"]);
    let call = desk.sent();
    desk.refuse(call, outage(Blame::Endpoint));
    desk.forget(0);
    desk.forget(2);
    let again = desk.sent_later();
    assert_eq!(texts(&again), ["b", "d"]);
    desk.refuse(again, outage(Blame::Endpoint));
    desk.forget(1);
    desk.forget(3);
    let quiet = desk.quiet().unwrap();
    desk.pass(quiet);
    assert_eq!(desk.quiet(), None);
    assert_eq!(desk.state(), LaneState::Ready);
    assert!(desk.schedule.batcher.is_idle());
}

#[test]
fn a_long_queue_is_swept_of_what_nobody_wants() {
    let mut desk = Desk::new(&settings());
    desk.ask(0, "the first");
    let call = desk.sent_later();
    desk.refuse(call, blocked());
    for ticket in 1..10_000 {
        desk.ask(ticket, &format!("text {ticket}"));
        desk.forget(ticket);
    }
    assert!(desk.schedule.batcher.queued() < 2048);
}

#[test]
fn what_has_just_changed_is_bought_before_a_backfill() {
    let mut desk = Desk::new(&settings());
    for ticket in 0..10 {
        desk.ask_for(ticket, &format!("row {ticket}"), Priority::Backfill);
    }
    desk.ask(10, "fresh");
    let call = desk.sent();
    assert_eq!(texts(&call), ["fresh", "row 0", "row 1", "row 2"]);
}

#[test]
fn a_row_of_a_backfill_that_changes_is_moved_forward_and_bought_once() {
    let mut desk = Desk::new(&settings());
    for ticket in 0..8 {
        desk.ask_for(ticket, &format!("row {ticket}"), Priority::Backfill);
    }
    desk.ask(8, "row 7");
    assert_eq!(desk.schedule.batcher.queued(), 8);
    let first = desk.sent();
    assert_eq!(texts(&first), ["row 7", "row 0", "row 1", "row 2"]);
    let second = desk.sent();
    assert_eq!(texts(&second), ["row 3", "row 4", "row 5", "row 6"]);
    desk.accept(first);
    desk.accept(second);
    assert_eq!(desk.quiet(), None);
    assert_eq!(desk.replied().len(), 9);
    assert!(desk.schedule.batcher.is_idle());
}

#[test]
fn a_backfill_does_not_move_what_is_fresh_back() {
    let mut desk = Desk::new(&settings());
    desk.ask(0, "fresh");
    for ticket in 1..5 {
        desk.ask_for(ticket, &format!("row {ticket}"), Priority::Backfill);
    }
    desk.ask_for(5, "fresh", Priority::Backfill);
    assert_eq!(texts(&desk.sent()), ["fresh", "row 1", "row 2", "row 3"]);
}

#[test]
fn a_request_takes_no_more_tokens_than_it_may_and_a_longer_text_goes_alone() {
    let mut desk = Desk::new(&Settings {
        batch_tokens: Some(10),
        ..settings()
    });
    let (short, long) = ("a b c d ", "word ".repeat(40));
    desk.ask_all(&[short, &long, "e f g h ", "i j k l "]);
    assert_eq!(texts(&desk.sent()), [short]);
    assert_eq!(texts(&desk.sent()), [long.as_str()]);
}

#[test]
fn the_queue_metric_counts_what_waits_wherever_it_waits() {
    let mut desk = Desk::new(&settings());
    desk.ask_all(&["a", "b", "c", "d", "e"]);
    let call = desk.sent();
    assert_eq!(desk.metrics.queue.get(), 1);
    desk.refuse(call, outage(Blame::Endpoint));
    assert_eq!(desk.metrics.queue.get(), 5);
}
