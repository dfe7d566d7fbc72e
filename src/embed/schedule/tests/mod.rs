//! The schedule, with a clock to turn by hand.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod chunks;
mod hedges;
mod limits;
mod outages;
mod turns;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::*;
use crate::{
    cost::{Purpose as For, Reason},
    embed::{EmbedReply, InputLimit, call::PROBE_TEXT, refusal::Blame},
    error::{Disposition, Failure},
    record::{PointVector, Priority, Ticket, Vector, Wish},
    telemetry::{Health, Lane, LaneState},
};

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const LINGER: Duration = Duration::from_millis(20);

pub(super) fn settings() -> Settings {
    Settings {
        url: "http://localhost".into(),
        model: "small".into(),
        dimensions: 1,
        send_dimensions: true,
        encoding_format: EncodingFormat::Base64,
        api_key: None,
        api_key_header: "authorization".into(),
        query: BTreeMap::new(),
        body: serde_json::Map::new(),
        query_body: serde_json::Map::new(),
        authorities: None,
        proxy: None,
        timeout: 30 * SECOND,
        connect_timeout: 5 * SECOND,
        hedge_after: None,
        concurrency: 2,
        batch_inputs: 4,
        batch_linger: LINGER,
        batch_tokens: None,
        input_limit: InputLimit::Unknown,
        requests_per_minute: None,
        tokens_per_minute: None,
        retry_initial: SECOND,
        retry_max: 60 * SECOND,
    }
}

/// A schedule with a clock to turn by hand, and those who ask it for vectors.
pub(super) struct Desk {
    pub(super) schedule: Schedule,
    pub(super) now: Instant,
    pub(super) health: Health,
    pub(super) metrics: EmbedMetrics,
    pub(super) wishes: HashMap<u64, Arc<Wish>>,
    pub(super) reply: UnboundedSender<EmbedReply>,
    pub(super) replies: UnboundedReceiver<EmbedReply>,
}

impl Desk {
    pub(super) fn new(settings: &Settings) -> Self {
        let now = Instant::now();
        let metrics = EmbedMetrics::register(&prometheus::Registry::new()).unwrap();
        let health = Health::default();
        let [endpoint, _] = LanePart::pair(&health, Lane::Embed);
        let random = fastrand::Rng::with_seed(7);
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

    pub(super) fn ask(&mut self, ticket: u64, text: &str) {
        self.ask_for(ticket, text, Priority::Fresh);
    }

    pub(super) fn ask_for(&mut self, ticket: u64, text: &str, priority: Priority) {
        let wish = Arc::new(Wish::default());
        let request = EmbedRequest {
            ticket: Ticket(ticket),
            text: text.into(),
            purpose: For {
                table: "t".into(),
                reason: Reason::New,
            },
            priority,
            wanted: Arc::downgrade(&wish),
            seen: None,
            reply: self.reply.clone(),
        };
        self.wishes.insert(ticket, wish);
        self.schedule.submit(request, self.now);
    }

    /// Asks for the texts, with their positions as tickets.
    pub(super) fn ask_all(&mut self, texts: &[&str]) {
        for (ticket, text) in texts.iter().enumerate() {
            self.ask(ticket as u64, text);
        }
    }

    pub(super) fn forget(&mut self, ticket: u64) {
        self.wishes.remove(&ticket).unwrap();
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// The request that goes out now.
    pub(super) fn sent(&mut self) -> Call {
        match self.schedule.next(self.now) {
            Next::Send(call) => call,
            Next::Wait(until) => panic!("nothing to send until {until:?}"),
        }
    }

    /// How long nothing will go out; `None` if that depends on an event.
    pub(super) fn quiet(&mut self) -> Option<Duration> {
        match self.schedule.next(self.now) {
            Next::Send(call) => panic!("{:?} goes out", call.texts),
            Next::Wait(until) => until.map(|until| until - self.now),
        }
    }

    /// The request that goes out now, or when its time has come.
    pub(super) fn sent_later_or_now(&mut self) -> Call {
        loop {
            match self.schedule.next(self.now) {
                Next::Send(call) => return call,
                Next::Wait(until) => self.now = until.expect("something is to be sent"),
            }
        }
    }

    /// Turns the clock to when the next request goes out, and takes it.
    pub(super) fn sent_later(&mut self) -> Call {
        let quiet = self.quiet().unwrap();
        self.pass(quiet);
        self.sent()
    }

    /// Answers each text with its length.
    pub(super) fn accept(&mut self, call: Call) {
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

    pub(super) fn refuse(&mut self, call: Call, refusal: Refusal) {
        self.schedule.finish(call, Err(refusal), self.now);
    }

    /// The replies that came, by ticket: a number, or the message of the failure.
    pub(super) fn replied(&mut self) -> BTreeMap<u64, Result<Vec<f32>, String>> {
        let mut replied = BTreeMap::new();
        while let Ok(EmbedReply { ticket, outcome }) = self.replies.try_recv() {
            let outcome = match outcome {
                Ok(vector) => Ok(vector.vectors().iter().flat_map(Vector::floats).collect()),
                Err(failure) => {
                    assert_eq!(failure.disposition, Disposition::Record);
                    Err(failure.message)
                }
            };
            assert!(replied.insert(ticket.0, outcome).is_none(), "replied twice");
        }
        replied
    }

    pub(super) fn state(&self) -> LaneState {
        self.health.get(Lane::Embed)
    }
}

pub(super) fn texts(call: &Call) -> Vec<&str> {
    call.texts.iter().map(|text| &**text).collect()
}

pub(super) fn outage(blame: Blame) -> Refusal {
    Refusal::Outage {
        failure: Failure::transient("http_503", "it is down"),
        after: None,
        blame,
    }
}

pub(super) fn throttled(after: Option<Duration>) -> Refusal {
    Refusal::Throttled {
        failure: Failure::new(Disposition::Throttled { after }, "http_429", "slowly"),
        after,
    }
}

pub(super) fn refused() -> Refusal {
    Refusal::Inputs(Failure::record("http_400", "too long"))
}

pub(super) fn blocked() -> Refusal {
    Refusal::Blocked(Failure::blocked("unauthorized", "correct the key"))
}
