//! Limits, the provider's wishes, and texts that are too long.

use super::*;

#[test]
fn a_providers_wish_holds_everybody_and_counts_no_attempt() {
    let mut desk = Desk::new(&settings());
    desk.ask_all(&["a", "b", "c", "d"]);
    let call = desk.sent();
    desk.refuse(call, throttled(Some(7 * SECOND)));
    for ticket in 4..8 {
        desk.ask(ticket, &format!("text {ticket}"));
    }
    assert_eq!(desk.quiet(), Some(7 * SECOND));
    assert_eq!(desk.state(), LaneState::Ready);
    let call = desk.sent_later();
    assert_eq!((call.failures, texts(&call)), (0, vec!["a", "b", "c", "d"]));
    assert_eq!(desk.sent().texts.len(), 4);
}

#[test]
fn without_a_wish_a_throttled_lane_grows_patient_by_itself_and_says_so() {
    let mut desk = Desk::new(&settings());
    desk.ask_all(&["a", "b", "c", "d"]);
    let mut call = desk.sent();
    for _ in 0..6 {
        desk.refuse(call, throttled(None));
        call = desk.sent_later();
    }
    assert_eq!(desk.state(), LaneState::Waiting("slowly".into()));
    desk.accept(call);
    assert_eq!(desk.state(), LaneState::Ready);
}

#[test]
fn a_rate_is_kept_by_all_requests_together() {
    let mut desk = Desk::new(&Settings {
        requests_per_minute: std::num::NonZeroU32::new(60),
        ..settings()
    });
    for ticket in 0..12 {
        desk.ask(ticket, &format!("text {ticket}"));
    }
    // A hundredth of the limit is left over.
    let apart = Duration::from_secs_f64(60.0 / 59.4);
    let first = desk.sent();
    assert!(desk.quiet().unwrap().abs_diff(apart) < MS);
    desk.refuse(first, outage(Blame::Endpoint));
    let _second = desk.sent_later();
    assert!(desk.quiet().unwrap().abs_diff(apart) < MS);
}

#[test]
fn tokens_are_limited_by_all_requests_together_and_what_is_charged_counts() {
    let mut desk = Desk::new(&Settings {
        tokens_per_minute: std::num::NonZeroU32::new(6_000),
        ..settings()
    });
    // A hundred a second: no request has more than that, however many texts may go into one.
    let text = "tea ".repeat(240);
    for ticket in 0..4 {
        desk.ask(ticket, &format!("{ticket} {text}"));
    }
    let first = desk.sent();
    assert_eq!(first.texts.len(), 1);
    let estimated = first.charge.tokens;
    let second = desk.quiet().unwrap();
    let expected = Duration::from_secs_f64(estimated as f64 / 99.0);
    assert!(second.abs_diff(expected) < 2 * MS, "{second:?}");
    desk.schedule.finish(
        first,
        Ok(Answer {
            vectors: vec![Vector::from_iter([1.0])],
            charged: Some(2 * estimated),
        }),
        desk.now,
    );
    assert!(desk.quiet().unwrap().abs_diff(2 * expected) < 2 * MS);
}

#[test]
fn a_text_that_is_too_long_is_cut_counted_and_bought_once_with_its_like() {
    let mut desk = Desk::new(&Settings {
        model: "text-embedding-3-small".into(),
        input_limit: InputLimit::Truncate(2),
        ..settings()
    });
    desk.ask(0, "hello world, and more");
    desk.ask(1, "hello world, and other things");
    let call = desk.sent_later();
    assert_eq!(texts(&call), ["hello world"]);
    desk.accept(call);
    assert_eq!(desk.replied().len(), 2);
    assert_eq!(desk.metrics.truncated.get(), 2);
}

#[test]
fn or_it_is_refused_before_it_costs_anything() {
    let mut desk = Desk::new(&Settings {
        model: "text-embedding-3-small".into(),
        input_limit: InputLimit::DeadLetter(2),
        ..settings()
    });
    desk.ask(0, "antidisestablishmentarianism");
    assert_eq!(desk.quiet(), None);
    let refusal = desk.replied().remove(&0).unwrap().unwrap_err();
    assert!(refusal.starts_with("the text is 6 tokens"), "{refusal}");
}

#[test]
fn many_requests_throttled_together_wait_once() {
    let mut desk = Desk::new(&Settings {
        concurrency: 8,
        ..settings()
    });
    for ticket in 0..32 {
        desk.ask(ticket, &format!("text {ticket}"));
    }
    let calls: Vec<Call> = (0..8).map(|_| desk.sent()).collect();
    desk.pass(MS);
    for call in calls {
        desk.refuse(call, throttled(None));
    }
    let quiet = desk.quiet().unwrap();
    assert!(quiet <= SECOND, "{quiet:?}");
}

#[test]
fn how_much_of_the_limits_is_used_and_how_long_they_kept_requests_back_is_shown() {
    let mut desk = Desk::new(&Settings {
        requests_per_minute: std::num::NonZeroU32::new(60),
        ..settings()
    });
    for ticket in 0..200 {
        desk.ask(ticket, &format!("text {ticket}"));
    }
    for _ in 0..20 {
        let call = match desk.schedule.next(desk.now) {
            Next::Send(call) => call,
            Next::Wait(_) => desk.sent_later(),
        };
        desk.accept(call);
    }
    let metrics = &desk.metrics;
    let used = metrics.limits.used.with_label_values(&["requests"]).get();
    assert!((0.9..=1.2).contains(&used), "{used}");
    let limit = metrics
        .limits
        .per_minute
        .with_label_values(&["requests"])
        .get();
    assert!((59.0..60.0).contains(&limit), "{limit}");
    let waited = metrics.limits.wait.get();
    assert!((18.5..20.0).contains(&waited), "{waited}");
    desk.schedule
        .set_share(crate::record::Share::of(1, 3), desk.now);
    let _ = desk.quiet();
    let limit = desk
        .metrics
        .limits
        .per_minute
        .with_label_values(&["requests"])
        .get();
    assert!((19.0..20.0).contains(&limit), "{limit}");
}
