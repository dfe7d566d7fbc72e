//! Outages, refusals and blocked lanes.

use super::*;

#[test]
fn an_outage_is_waited_out_with_growing_patience() {
    let mut desk = Desk::new(&settings());
    desk.ask_all(&["a", "b", "c", "d"]);
    let mut call = desk.sent();
    for nominal in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
        desk.refuse(call, outage(Blame::Endpoint));
        let quiet = desk.quiet().unwrap();
        let nominal = nominal * SECOND;
        assert!(
            nominal / 2 <= quiet && quiet <= nominal,
            "{quiet:?} of {nominal:?}"
        );
        assert_eq!(desk.state(), LaneState::Waiting("it is down".into()));
        call = desk.sent_later();
        assert_eq!(call.texts.len(), 4);
    }
    desk.accept(call);
    assert_eq!(desk.replied().len(), 4);
    assert_eq!(desk.state(), LaneState::Ready);
    assert_eq!(
        desk.metrics.retries.with_label_values(&["http_503"]).get(),
        9
    );
}

#[test]
fn a_text_that_was_sent_in_vain_is_not_under_way_until_it_is_sent_again() {
    let mut desk = Desk::new(&settings());
    desk.ask_all(&["a", "b", "c", "d"]);
    let is_under_way = |desk: &Desk| desk.wishes[&2].is_under_way();
    for failure in [outage(Blame::Endpoint), throttled(None)] {
        let call = desk.sent_later_or_now();
        assert!(is_under_way(&desk));
        desk.refuse(call, failure);
        assert!(!is_under_way(&desk));
        assert!(
            desk.wishes[&2].is_partly_sent(),
            "it may have been paid for"
        );
    }
}

#[test]
fn a_request_in_the_place_of_one_that_nobody_wants_any_more_knocks_no_sooner() {
    let mut desk = Desk::new(&settings());
    let mut ticket = 0;
    for _ in 0..40 {
        ticket += 1;
        desk.ask(ticket, &format!("text {ticket}"));
        desk.pass(LINGER);
        let call = desk.sent_later_or_now();
        desk.refuse(call, outage(Blame::Endpoint));
        // As when the row is parked.
        desk.forget(ticket);
    }
    ticket += 1;
    desk.ask(ticket, "the last one");
    desk.pass(LINGER);
    let call = desk.sent_later_or_now();
    desk.refuse(call, outage(Blame::Endpoint));
    let failed_at = desk.now;
    assert_eq!(texts(&desk.sent_later_or_now()), ["the last one"]);
    assert!(desk.now - failed_at >= 30 * SECOND);
}

#[test]
fn an_outage_meets_no_more_requests_than_may_be_under_way() {
    let mut desk = Desk::new(&settings());
    for ticket in 0..40 {
        desk.ask(ticket, &format!("text {ticket}"));
    }
    for _ in 0..2 {
        let call = desk.sent();
        desk.refuse(call, outage(Blame::Endpoint));
    }
    // Texts for eight more requests wait, but only these two knock again.
    assert!(desk.quiet().unwrap() >= SECOND / 2);
}

#[test]
fn a_text_that_makes_the_server_fail_does_not_hold_up_its_siblings() {
    for others in [0, 96] {
        let mut desk = Desk::new(&settings());
        desk.ask_all(&["a", "b", "poison", "d"]);
        for ticket in 4..4 + others {
            desk.ask(ticket, &format!("text {ticket}"));
        }
        for _ in 0..200 {
            match desk.schedule.next(desk.now) {
                Next::Send(call) if texts(&call).contains(&"poison") => {
                    desk.refuse(call, outage(Blame::Inputs));
                }
                Next::Send(call) => desk.accept(call),
                Next::Wait(Some(until)) => desk.now = until,
                Next::Wait(None) => panic!("the poison is given up"),
            }
        }
        let replied = desk.replied();
        assert_eq!(replied.len() as u64, 3 + others);
        assert!(!replied.contains_key(&2), "an outage is no verdict");
    }
}

#[test]
fn an_outage_that_looks_like_bad_texts_is_not_chopped_into_single_texts() {
    let mut desk = Desk::new(&settings());
    for ticket in 0..40 {
        desk.ask(ticket, &format!("text {ticket}"));
    }
    for _ in 0..200 {
        match desk.schedule.next(desk.now) {
            Next::Send(call) => desk.refuse(call, outage(Blame::Inputs)),
            Next::Wait(until) => desk.now = until.unwrap(),
        }
    }
    assert!(
        desk.schedule.waiting.len() <= 5,
        "{}",
        desk.schedule.waiting.len()
    );
}

#[test]
fn a_request_that_times_out_again_is_halved() {
    let mut desk = Desk::new(&settings());
    desk.ask_all(&["a", "b", "c", "d"]);
    let call = desk.sent();
    desk.refuse(call, outage(Blame::Size));
    let call = desk.sent_later();
    assert_eq!(call.texts.len(), 4);
    desk.refuse(call, outage(Blame::Size));
    let call = desk.sent_later();
    assert_eq!(call.texts.len(), 2);
}

#[test]
fn a_refused_text_is_found_and_its_siblings_get_their_vectors() {
    let mut desk = Desk::new(&settings());
    desk.ask_all(&["a", "bb", "too long", "dddd"]);
    desk.schedule.encoding.base64_works = true;
    let mut requests = 0;
    while let Next::Send(call) = desk.schedule.next(desk.now) {
        requests += 1;
        if texts(&call).contains(&"too long") {
            desk.refuse(call, refused());
        } else {
            desk.accept(call);
        }
    }
    assert_eq!(
        desk.replied(),
        BTreeMap::from([
            (0, Ok(vec![1.0])),
            (1, Ok(vec![2.0])),
            (2, Err("too long".into())),
            (3, Ok(vec![4.0]))
        ])
    );
    assert_eq!(requests, 5);
    assert_eq!(desk.state(), LaneState::Ready);
}

#[test]
fn an_endpoint_that_takes_fewer_texts_is_sent_fewer() {
    let mut desk = Desk::new(&settings());
    desk.schedule.encoding.base64_works = true;
    let mut sizes = Vec::new();
    for ticket in 0..16 {
        desk.ask(ticket, &format!("text {ticket}"));
    }
    while let Next::Send(call) = desk.schedule.next(desk.now) {
        sizes.push(call.texts.len());
        if call.texts.len() > 2 {
            desk.refuse(call, refused());
        } else {
            desk.accept(call);
        }
    }
    assert_eq!(sizes, [4, 2, 2, 2, 2, 2, 2, 2, 2]);
    assert_eq!(desk.replied().len(), 16);
}

#[test]
fn base64_is_given_up_for_good_where_only_numbers_are_accepted() {
    let mut desk = Desk::new(&settings());
    desk.ask_all(&["a", "b", "c", "d"]);
    let call = desk.sent();
    assert_eq!(call.encoding, EncodingFormat::Base64);
    desk.refuse(call, refused());
    let call = desk.sent();
    assert_eq!(
        (call.texts.len(), call.encoding),
        (4, EncodingFormat::Float)
    );
    desk.accept(call);
    desk.ask(9, "later");
    assert_eq!(desk.sent_later().encoding, EncodingFormat::Float);
}

#[test]
fn base64_is_kept_where_the_texts_were_to_blame() {
    let mut desk = Desk::new(&settings());
    desk.ask_all(&["a", "b", "c", "too long"]);
    while let Next::Send(call) = desk.schedule.next(desk.now) {
        if texts(&call).contains(&"too long") {
            desk.refuse(call, refused());
        } else {
            desk.accept(call);
        }
    }
    assert_eq!(desk.replied().len(), 4);
    desk.ask(9, "later");
    assert_eq!(desk.sent_later().encoding, EncodingFormat::Base64);
}

#[test]
fn a_blocked_lane_sends_only_probes_and_resumes_when_mended() {
    let mut desk = Desk::new(&settings());
    for ticket in 0..12 {
        desk.ask(ticket, &format!("text {ticket}"));
    }
    let early = desk.sent();
    let call = desk.sent();
    desk.refuse(call, blocked());
    assert_eq!(desk.state(), LaneState::Blocked("correct the key".into()));
    assert_eq!(desk.quiet(), Some(30 * SECOND));

    let probe = desk.sent_later();
    assert_eq!(texts(&probe), [PROBE_TEXT]);
    assert_eq!(desk.quiet(), None, "one probe at a time");
    desk.refuse(probe, blocked());
    assert_eq!(desk.quiet(), Some(30 * SECOND));

    desk.accept(early);
    assert_eq!(desk.replied().len(), 4);
    assert_eq!(
        desk.quiet(),
        Some(30 * SECOND),
        "sent before, it proves nothing"
    );

    let probe = desk.sent_later();
    desk.accept(probe);
    assert_eq!(desk.state(), LaneState::Ready);
    for _ in 0..2 {
        let call = desk.sent();
        desk.accept(call);
    }
    assert_eq!(desk.replied().len(), 8);
    assert_eq!(desk.metrics.queue.get(), 0);
}

#[test]
fn an_outage_of_a_blocked_lane_leaves_it_blocked() {
    let mut desk = Desk::new(&settings());
    desk.ask_all(&["a", "b", "c", "d"]);
    let call = desk.sent();
    desk.refuse(call, blocked());
    let probe = desk.sent_later();
    desk.refuse(probe, outage(Blame::Endpoint));
    assert_eq!(desk.state(), LaneState::Blocked("correct the key".into()));
    let probe = desk.sent_later();
    desk.accept(probe);
    assert_eq!(desk.state(), LaneState::Ready);
}

#[test]
fn a_blocked_lane_that_nobody_needs_still_finds_out_that_it_is_mended() {
    let mut desk = Desk::new(&settings());
    desk.ask(1, "a");
    let call = desk.sent_later();
    desk.refuse(call, blocked());
    desk.forget(1);
    let probe = desk.sent_later();
    assert_eq!(texts(&probe), [PROBE_TEXT]);
    desk.accept(probe);
    assert_eq!(desk.state(), LaneState::Ready);
    assert_eq!(desk.replied(), BTreeMap::new());
    assert_eq!(desk.quiet(), None);
}

#[test]
fn texts_of_partitions_that_are_gone_are_not_counted_while_the_lane_is_blocked() {
    let mut desk = Desk::new(&settings());
    for ticket in 0..8 {
        desk.ask(ticket, &format!("text {ticket}"));
    }
    let call = desk.sent();
    desk.refuse(call, blocked());
    desk.quiet();
    assert_eq!(desk.metrics.queue.get(), 8);
    // Four of them wait to be sent again.
    for ticket in 0..6 {
        desk.forget(ticket);
    }
    desk.schedule.set_share(Share::of(1, 4), desk.now);
    desk.quiet();
    assert_eq!(desk.metrics.queue.get(), 2);
    // What is given up later, a probe finds out.
    desk.forget(6);
    let probe = desk.sent_later();
    assert_eq!(desk.metrics.queue.get(), 1);
    desk.accept(probe);
    assert_eq!(texts(&desk.sent()), ["text 7"]);
}

#[test]
fn texts_that_nobody_wants_are_not_counted_for_long_while_nothing_may_be_sent() {
    let mut desk = Desk::new(&settings());
    desk.ask(1, "a");
    let again = desk.schedule.stand_still(desk.now).unwrap();
    desk.forget(1);
    desk.now = again;
    assert_eq!(desk.schedule.stand_still(desk.now), None);
    assert_eq!(desk.metrics.queue.get(), 0);
}
