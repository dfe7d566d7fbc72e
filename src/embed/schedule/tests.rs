#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::*;
use crate::{
    cost::{Purpose as For, Reason},
    embed::{EmbedReply, call::PROBE_TEXT},
    error::Disposition,
    record::{Ticket, Vector, Wish},
    telemetry::{Health, Lane, LaneState},
};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const LINGER: Duration = Duration::from_millis(20);

fn settings() -> Settings {
    Settings {
        url: "http://localhost".into(),
        model: "small".into(),
        dimensions: 1,
        send_dimensions: true,
        encoding_format: EncodingFormat::Base64,
        api_key: None,
        api_key_header: "authorization".into(),
        query: BTreeMap::new(),
        timeout: 30 * SECOND,
        connect_timeout: 5 * SECOND,
        concurrency: 2,
        batch_inputs: 4,
        batch_linger: LINGER,
        requests_per_minute: None,
        retry_initial: SECOND,
        retry_max: 60 * SECOND,
    }
}

/// A schedule with a clock to turn by hand, and those who ask it for vectors.
struct Desk {
    schedule: Schedule,
    now: Instant,
    health: Health,
    metrics: EmbedMetrics,
    wishes: HashMap<u64, Arc<Wish>>,
    reply: UnboundedSender<EmbedReply>,
    replies: UnboundedReceiver<EmbedReply>,
}

impl Desk {
    fn new(settings: &Settings) -> Self {
        let now = Instant::now();
        let metrics = EmbedMetrics::register(&prometheus::Registry::new()).unwrap();
        let health = Health::default();
        let random = fastrand::Rng::with_seed(7);
        let [endpoint, _] = LanePart::pair(&health, Lane::Embed);
        let (reply, replies) = mpsc::unbounded_channel();
        Self {
            schedule: Schedule::new(settings, metrics.clone(), endpoint, random, now),
            now,
            health,
            metrics,
            wishes: HashMap::new(),
            reply,
            replies,
        }
    }

    fn ask(&mut self, ticket: u64, text: &str) {
        let wish = Arc::new(Wish::default());
        let request = EmbedRequest {
            ticket: Ticket(ticket),
            text: text.into(),
            purpose: For {
                table: "t".into(),
                reason: Reason::New,
            },
            wanted: Arc::downgrade(&wish),
            reply: self.reply.clone(),
        };
        self.wishes.insert(ticket, wish);
        self.schedule.submit(request, self.now);
    }

    /// Asks for the texts, with their positions as tickets.
    fn ask_all(&mut self, texts: &[&str]) {
        for (ticket, text) in texts.iter().enumerate() {
            self.ask(ticket as u64, text);
        }
    }

    fn forget(&mut self, ticket: u64) {
        self.wishes.remove(&ticket).unwrap();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// The request that goes out now.
    fn sent(&mut self) -> Call {
        match self.schedule.next(self.now) {
            Next::Send(call) => call,
            Next::Wait(until) => panic!("nothing to send until {until:?}"),
        }
    }

    /// How long nothing will go out; `None` if that depends on an event.
    fn quiet(&mut self) -> Option<Duration> {
        match self.schedule.next(self.now) {
            Next::Send(call) => panic!("{:?} goes out", call.texts),
            Next::Wait(until) => until.map(|until| until - self.now),
        }
    }

    /// Turns the clock to when the next request goes out, and takes it.
    fn sent_later(&mut self) -> Call {
        let quiet = self.quiet().unwrap();
        self.pass(quiet);
        self.sent()
    }

    /// Answers each text with its length.
    fn accept(&mut self, call: Call) {
        let vectors = call
            .texts
            .iter()
            .map(|text| Vector::from_iter([text.len() as f32]))
            .collect();
        let answer = Answer {
            vectors,
            charged: Some(10),
        };
        self.schedule.finish(call, Ok(answer), self.now);
    }

    fn refuse(&mut self, call: Call, refusal: Refusal) {
        self.schedule.finish(call, Err(refusal), self.now);
    }

    /// The replies that came, by ticket: a number, or the message of the failure.
    fn replied(&mut self) -> BTreeMap<u64, Result<f32, String>> {
        let mut replied = BTreeMap::new();
        while let Ok(EmbedReply { ticket, outcome }) = self.replies.try_recv() {
            let outcome = match outcome {
                Ok(vector) => Ok(vector.floats().next().unwrap()),
                Err(failure) => {
                    assert_eq!(failure.disposition, Disposition::Record);
                    Err(failure.message)
                }
            };
            assert!(replied.insert(ticket.0, outcome).is_none(), "replied twice");
        }
        replied
    }

    fn state(&self) -> LaneState {
        self.health.get(Lane::Embed)
    }
}

fn texts(call: &Call) -> Vec<&str> {
    call.texts.iter().map(|text| &**text).collect()
}

fn outage(blame: Blame) -> Refusal {
    Refusal::Outage {
        failure: Failure::transient("http_503", "it is down"),
        after: None,
        blame,
    }
}

fn throttled(after: Option<Duration>) -> Refusal {
    Refusal::Throttled {
        failure: Failure::new(Disposition::Throttled { after }, "http_429", "slowly"),
        after,
    }
}

fn refused() -> Refusal {
    Refusal::Inputs(Failure::record("http_400", "too long"))
}

fn blocked() -> Refusal {
    Refusal::Blocked(Failure::blocked("unauthorized", "correct the key"))
}

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
    let answer = || Ok(4.0);
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
    assert_eq!(desk.replied(), BTreeMap::from([(2, Ok(4.0))]));
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
    let first = desk.sent();
    assert_eq!(desk.quiet(), Some(SECOND));
    desk.refuse(first, outage(Blame::Endpoint));
    let _second = desk.sent_later();
    assert_eq!(desk.quiet(), Some(SECOND));
}

#[test]
fn a_refused_text_is_found_and_its_siblings_get_their_vectors() {
    let mut desk = Desk::new(&settings());
    desk.ask_all(&["a", "bb", "too long", "dddd"]);
    desk.schedule.base64_works = true;
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
            (0, Ok(1.0)),
            (1, Ok(2.0)),
            (2, Err("too long".into())),
            (3, Ok(4.0))
        ])
    );
    assert_eq!(requests, 5);
    assert_eq!(desk.state(), LaneState::Ready);
}

#[test]
fn an_endpoint_that_takes_fewer_texts_is_sent_fewer() {
    let mut desk = Desk::new(&settings());
    desk.schedule.base64_works = true;
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
fn the_queue_metric_counts_what_waits_wherever_it_waits() {
    let mut desk = Desk::new(&settings());
    desk.ask_all(&["a", "b", "c", "d", "e"]);
    let call = desk.sent();
    assert_eq!(desk.metrics.queue.get(), 1);
    desk.refuse(call, outage(Blame::Endpoint));
    assert_eq!(desk.metrics.queue.get(), 5);
}
