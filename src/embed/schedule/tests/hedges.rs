//! Requests that are late, and may be sent a second time.

use std::num::NonZeroU32;

use super::*;

const LATE: Duration = Duration::from_millis(300);

fn hedging() -> Settings {
    Settings {
        hedge_after: Some(LATE),
        ..settings()
    }
}

impl Desk {
    /// Lets enough requests be answered that one may be sent twice.
    fn earn_a_hedge(&mut self) {
        for ticket in 1_000..1_020 {
            self.ask(ticket, &format!("text {ticket}"));
            let call = self.sent_in_time();
            self.accept(call);
        }
        self.replied();
    }

    /// Turns the clock until a request goes out, and takes it.
    fn sent_in_time(&mut self) -> Call {
        loop {
            match self.schedule.next(self.now) {
                Next::Send(call) => return call,
                Next::Wait(until) => self.now = until.unwrap(),
            }
        }
    }

    /// Asks for a text, sends the request, and lets it be late.
    fn late(&mut self, priority: Priority) -> Call {
        self.ask_for(1, "tea", priority);
        let call = self.sent_in_time();
        self.pass(LATE);
        call
    }

    fn hedge(&mut self, late: &mut Call) -> Option<Call> {
        self.schedule.hedge(late, self.now)
    }

    fn requests(&self, outcome: &str) -> u64 {
        let requests = &self.metrics.requests;
        requests.with_label_values(&[outcome]).get()
    }
}

#[test]
fn a_fresh_request_that_is_late_is_sent_once_more_and_no_more() {
    let mut desk = Desk::new(&hedging());
    desk.earn_a_hedge();
    desk.ask(1, "tea");
    let mut first = desk.sent_later();
    assert_eq!(first.late_at, Some(desk.now + LATE));
    desk.pass(299 * MS);
    assert!(desk.hedge(&mut first).is_none(), "it is not late yet");
    desk.pass(MS);
    let second = desk.hedge(&mut first).unwrap();
    assert_eq!((texts(&second), second.late_at), (vec!["tea"], None));
    assert!(desk.hedge(&mut first).is_none());

    desk.schedule.cancelled(&first, true);
    desk.accept(second);
    assert_eq!(desk.replied(), BTreeMap::from([(1, Ok(vec![3.0]))]));
    assert_eq!(desk.schedule.in_flight, 0);
    assert_eq!((desk.requests("ok"), desk.requests("cancelled")), (21, 1));
}

#[test]
fn without_the_setting_nothing_is_ever_late() {
    let mut desk = Desk::new(&settings());
    desk.earn_a_hedge();
    let mut call = desk.late(Priority::Fresh);
    assert_eq!(call.late_at, None);
    assert!(desk.hedge(&mut call).is_none());
}

#[test]
fn a_backfill_is_waited_for() {
    let mut desk = Desk::new(&hedging());
    desk.earn_a_hedge();
    let mut call = desk.late(Priority::Backfill);
    assert!(desk.hedge(&mut call).is_none());
}

#[test]
fn a_request_with_any_text_of_a_backfill_is_waited_for() {
    let mut desk = Desk::new(&hedging());
    desk.earn_a_hedge();
    desk.ask_for(2, "coffee", Priority::Backfill);
    let mut call = desk.late(Priority::Fresh);
    assert_eq!(texts(&call), ["tea", "coffee"]);
    assert!(desk.hedge(&mut call).is_none());
}

#[test]
fn hedges_are_earned_by_requests() {
    let mut desk = Desk::new(&hedging());
    let mut call = desk.late(Priority::Fresh);
    assert!(desk.hedge(&mut call).is_none(), "one of one is too many");
    desk.accept(call);
    desk.earn_a_hedge();
    for expected in [true, false] {
        let mut call = desk.late(Priority::Fresh);
        let hedge = desk.hedge(&mut call);
        assert_eq!(hedge.is_some(), expected);
        if let Some(hedge) = hedge {
            desk.schedule.cancelled(&hedge, true);
        }
        desk.accept(call);
    }
}

#[test]
fn a_provider_that_asks_for_patience_is_not_asked_twice() {
    let mut desk = Desk::new(&hedging());
    desk.earn_a_hedge();
    let mut first = desk.late(Priority::Fresh);
    desk.ask(2, "coffee");
    let other = desk.sent_later();
    desk.refuse(other, throttled(Some(SECOND)));
    assert!(desk.hedge(&mut first).is_none());
}

#[test]
fn a_lane_that_is_blocked_or_waits_sends_nothing_twice() {
    for refusal in [blocked, || outage(Blame::Endpoint)] {
        let mut desk = Desk::new(&hedging());
        desk.earn_a_hedge();
        let mut first = desk.late(Priority::Fresh);
        desk.ask(2, "coffee");
        let other = desk.sent_later();
        desk.refuse(other, refusal());
        assert!(desk.hedge(&mut first).is_none());
    }
}

#[test]
fn a_request_that_is_sent_again_is_no_first_attempt_any_more() {
    let mut desk = Desk::new(&hedging());
    desk.earn_a_hedge();
    let call = desk.late(Priority::Fresh);
    desk.refuse(call, outage(Blame::Endpoint));
    assert_eq!(desk.sent_later().late_at, None);
}

#[test]
fn what_nobody_wants_any_more_is_not_sent_twice() {
    let mut desk = Desk::new(&hedging());
    desk.earn_a_hedge();
    let mut call = desk.late(Priority::Fresh);
    desk.forget(1);
    assert!(desk.hedge(&mut call).is_none());
}

/// How long eight further requests take after one that was late, at four a second.
fn time_after_a_late_request(is_hedged: bool) -> Duration {
    let mut desk = Desk::new(&Settings {
        requests_per_minute: NonZeroU32::new(240),
        ..hedging()
    });
    desk.earn_a_hedge();
    desk.pass(60 * SECOND);
    let mut first = desk.late(Priority::Fresh);
    if is_hedged {
        let second = desk.hedge(&mut first).unwrap();
        desk.schedule.cancelled(&second, true);
    }
    desk.accept(first);
    let start = desk.now;
    for ticket in 2..10 {
        desk.ask(ticket, &format!("text {ticket}"));
        let call = desk.sent_in_time();
        desk.accept(call);
    }
    desk.now - start
}

#[test]
fn both_requests_are_charged_to_the_limits() {
    let [one, both] = [false, true].map(time_after_a_late_request);
    // A quarter of a second more, but for the time that a text waits for company.
    assert!(both > one + 200 * MS, "{one:?}, {both:?}");
}

#[test]
fn where_a_limit_is_used_up_nothing_is_sent_twice() {
    let mut desk = Desk::new(&Settings {
        requests_per_minute: NonZeroU32::new(60),
        ..hedging()
    });
    desk.earn_a_hedge();
    let mut first = desk.late(Priority::Fresh);
    assert!(
        desk.hedge(&mut first).is_none(),
        "the next second's is not there yet"
    );
}

#[test]
fn of_two_requests_one_may_fail_and_the_other_goes_on_alone() {
    for refusal in [outage(Blame::Endpoint), throttled(None)] {
        let mut desk = Desk::new(&hedging());
        desk.earn_a_hedge();
        let mut first = desk.late(Priority::Fresh);
        let second = desk.hedge(&mut first).unwrap();
        desk.schedule.left_to_another(&first, &refusal, desk.now);
        assert_eq!(desk.replied(), BTreeMap::new());
        assert_eq!(desk.state(), LaneState::Ready);
        desk.accept(second);
        assert_eq!(desk.replied(), BTreeMap::from([(1, Ok(vec![3.0]))]));
        assert_eq!(desk.schedule.in_flight, 0);
        assert_eq!(desk.quiet(), None, "nothing is sent again");
    }
}
