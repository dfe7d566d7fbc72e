//! Buying vectors: texts in, vectors out, for as few requests as possible.
//!
//! [`Embedder::submit`] queues a text and never waits; its answer comes through the channel that
//! the request carries. In between:
//!
//! ```text
//! EmbedRequest ─> batcher ─> schedule ─> client ─> endpoint
//!                 (texts,    (limiter,    (wire)      │
//!                  askers)    backoff)                │
//!                    ^            ^                   │
//! EmbedReply <───────┘            └─ refusal <────────┤
//!                    └────────────── response <───────┘
//! ```
//!
//! - `batcher` keeps each text once, with everybody who asks for it.
//! - `inputs` knows how long texts are, and cuts or splits what is too long for the model; `gathering`
//!   brings the vectors of a split text's chunks together; `queue` has the order in which all have
//!   their turn.
//! - `limiter` says when a request may go out: two rates, a provider's wish, a backoff.
//! - `schedule` decides what goes out next and what follows from an answer; `condition` knows
//!   whether the lane works at all. They do no I/O, and time is an argument.
//! - `under_way` has the requests that were sent. One that is late may be sent once more, as `hedging` allows.
//! - `client` sends one request; `response` checks the vectors that come back. When none do, `complaint`
//!   reads what the endpoint says instead, and `refusal` finds out what it means.
//!
//! What is asked for is answered once, in any order: with a vector, or with the failure of that
//! one text. An outage, a rate limit, a wrong key are no answers: the text waits until they pass,
//! and [`Health`] says so meanwhile; likewise while a person wants the lane to be paused. It stops waiting when its [`wanted`](EmbedRequest::wanted)
//! is dropped; then no answer comes.

mod batcher;
mod call;
mod client;
mod complaint;
mod condition;
mod gathering;
mod hedging;
mod inputs;
mod key;
mod limiter;
mod once;
mod queue;
pub(crate) mod refusal;
mod response;
mod schedule;
mod settings;
mod sightings;
#[cfg(test)]
mod spending_tests;
#[cfg(test)]
mod tests;
mod under_way;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use anyhow::Context;
use tokio::{
    sync::{
        mpsc::{self, UnboundedReceiver, UnboundedSender},
        watch,
    },
    task::Id,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

pub use self::once::{Bought, Once};
pub use self::response::BadAnswer;
pub use self::settings::{InputLimit, Pace, Proxy, Settings, SettingsError};
pub use self::sightings::{Sighting, Sightings};
use self::{
    call::Call,
    client::{Client, Reply},
    refusal::{Refusal, has_version},
    response::Answer,
    schedule::{Next, Schedule},
    under_way::UnderWay,
};
use crate::{
    config::EncodingFormat,
    cost::{Access, Books, Purpose},
    error::Failure,
    record::{PointVector, Priority, Share, Ticket, Vector, Wish},
    telemetry::{EmbedMetrics, Health, Lane, LanePart, LaneState},
    tokens::Tokenizer,
};

/// Requests taken from the queue at once.
const TAKE: usize = 256;

/// While the books are closed, this often it is looked whether they still are: midnight comes without a
/// word.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Asks for the vector of a text.
#[derive(Debug)]
pub struct EmbedRequest {
    /// Comes back with the reply.
    pub ticket: Ticket,
    /// The text.
    pub text: Arc<str>,
    /// For whom it is bought.
    pub purpose: Purpose,
    /// How urgent it is.
    pub priority: Priority,
    /// The caller holds the strong side and drops it when it wants the vector no more. Then the
    /// text is not sent, or not again, on this caller's behalf, and no reply is promised.
    pub wanted: Weak<Wish>,
    /// Takes what is seen of the requests that carry the text, for whoever wants to know.
    pub seen: Option<Weak<Sightings>>,
    /// Where the reply goes.
    pub reply: UnboundedSender<EmbedReply>,
}

/// What became of an [`EmbedRequest`].
#[derive(Debug, PartialEq)]
pub struct EmbedReply {
    /// The request's.
    pub ticket: Ticket,
    /// The vector, of the configured length and finite, or those of the text's chunks; or why this one text has none, always
    /// [`Disposition::Record`](crate::error::Disposition::Record).
    pub outcome: Result<PointVector, Failure>,
}

/// Settings that can't work.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// The URL isn't one, or not of a kind that can be used.
    #[error("embed.url \"{url}\" can't be used: {reason}")]
    Url {
        /// What is configured.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The URL carries a user name or a password, which would show wherever it is shown.
    #[error("embed.url must not carry a user name or password: use embed.api_key")]
    Credentials,
    /// The header for the key has no valid name.
    #[error("embed.api_key_header \"{0}\" is not the name of an HTTP header")]
    KeyHeader(String),
    /// The key has characters that no header can carry.
    #[error(
        "the key of embed.api_key has characters that an HTTP header can't carry, such as a line end"
    )]
    Key,
    /// The proxy's URL isn't one.
    #[error("embed.proxy.url can't be used")]
    Proxy(#[source] reqwest::Error),
    /// The HTTP client can't be set up.
    #[error("the HTTP client for the embedding endpoint can't be set up")]
    Client(#[source] reqwest::Error),
}

/// A handle of the embed stage. Clones are handles of the same one.
#[derive(Debug, Clone)]
pub struct Embedder {
    requests: UnboundedSender<EmbedRequest>,
    share: watch::Sender<Share>,
    pace: watch::Sender<Pace>,
}

impl Embedder {
    /// Starts the stage on the current Tokio runtime. It ends, and what is under way is given up
    /// unanswered, when `shutdown` is cancelled; or when every handle is dropped. What is bought goes
    /// into the `books`; nothing is, while they are closed.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn start(
        settings: &Settings,
        metrics: EmbedMetrics,
        books: Books,
        health: Health,
        shutdown: CancellationToken,
    ) -> Result<Self, EmbedError> {
        let client = Client::new(settings)?;
        let random = fastrand::Rng::new();
        let now = Instant::now();
        let [endpoint, budget] = LanePart::pair(&health, Lane::Embed);
        let schedule = Schedule::new(settings, metrics.clone(), endpoint, random, now);
        let (requests, submitted) = mpsc::unbounded_channel();
        let (share, shares) = watch::channel(Share::WHOLE);
        let (pace, paces) = watch::channel(settings.pace());
        // It takes tenths of a second, which the first text need not wait for.
        let tokenizer = Tokenizer::for_model(&settings.model);
        tokio::task::spawn_blocking(move || tokenizer.load());
        let stage = Stage {
            client,
            schedule,
            books,
            budget,
            metrics,
            submitted,
            shares,
            paces,
            paused: health.watch_embed_pause(),
            under_way: UnderWay::default(),
        };
        let running = tokio::spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = stage.run() => {}
            }
        });
        tokio::spawn(async move {
            if running.await.is_err_and(|error| error.is_panic()) {
                let advice = "the embed stage died of a bug: restart the program, and report it";
                health.set(Lane::Embed, LaneState::Blocked(advice.into()));
            }
        });
        Ok(Self {
            requests,
            share,
            pace,
        })
    }

    /// Asks for a vector. Never waits: whoever asks bounds how much they ask for.
    pub fn submit(&self, request: EmbedRequest) {
        // Fails only once the stage has been shut down, when nobody is promised a reply.
        let _ = self.requests.send(request);
    }

    /// Takes no more than `share` of the provider's limits from now on. Until this is called, they are
    /// all this program's.
    pub fn set_share(&self, share: Share) {
        self.share.send_replace(share);
    }

    /// Goes at another pace from now on; requests under way end as they were sent.
    pub fn set_pace(&self, pace: Pace) {
        self.pace.send_replace(pace);
    }
}

/// Asks for one vector, once, and says what came of it: the way to find out whether `settings`
/// work. The error's message says what to do.
pub async fn check(settings: &Settings) -> anyhow::Result<()> {
    let Err(refusal) = ask(settings, "vectide").await? else {
        return Ok(());
    };
    let is_elsewhere =
        |refusal: &Refusal| matches!(refusal.failure().reason, "not_found" | "malformed_answer");
    if is_elsewhere(&refusal) && !has_version(&settings.url) {
        let url = format!("{}/v1", settings.url.trim_end_matches('/'));
        let there = Settings {
            url: url.clone(),
            ..settings.clone()
        };
        let answered = match ask(&there, "vectide").await? {
            Ok(_) => true,
            // A key or a model that is wrong is so at the right place.
            Err(Refusal::Blocked(failure)) => failure.reason != "not_found",
            Err(other) => matches!(other, Refusal::Inputs(_) | Refusal::Throttled { .. }),
        };
        if answered {
            anyhow::bail!(
                "embed.url lacks its /v1: set it to \"{url}\", where the endpoint answers"
            );
        }
    }
    Err(refusal.failure().clone().into())
}

/// The vector of one text, such as a search's words, asked for once. The error's message says what
/// to do.
pub async fn vector_of(settings: &Settings, text: &str) -> anyhow::Result<Vector> {
    let settings = settings.clone().for_queries();
    let answer = ask(&settings, text).await?;
    let answer = answer.map_err(|refusal| refusal.failure().clone())?;
    // An answer has a vector for each text.
    answer
        .vectors
        .into_iter()
        .next()
        .context("no vector came back")
}

async fn ask(settings: &Settings, text: &str) -> Result<Result<Answer, Refusal>, EmbedError> {
    let client = Client::new(settings)?;
    let texts = [Arc::from(text)];
    let mut answer = client.call(&texts, settings.encoding_format).await.outcome;
    if matches!(answer, Err(Refusal::Inputs(_))) {
        answer = client.call(&texts, EncodingFormat::Float).await.outcome;
    }
    Ok(answer)
}

/// The schedule with its I/O: one task that owns both, and one more for each request under way.
struct Stage {
    client: Client,
    schedule: Schedule,
    books: Books,
    /// The lane, as far as it depends on the books.
    budget: LanePart,
    metrics: EmbedMetrics,
    submitted: UnboundedReceiver<EmbedRequest>,
    shares: watch::Receiver<Share>,
    paces: watch::Receiver<Pace>,
    /// Whether a person wants nothing to be bought for now.
    paused: watch::Receiver<bool>,
    under_way: UnderWay,
}

impl Stage {
    async fn run(mut self) {
        let mut taken = Vec::with_capacity(TAKE);
        loop {
            let wake = loop {
                if *self.paused.borrow_and_update() {
                    break self.schedule.stand_still(Instant::now());
                }
                if self.is_closed() {
                    self.schedule.stand_still(Instant::now());
                    break Some(Instant::now() + LOOK_AGAIN);
                }
                match self.schedule.next(Instant::now()) {
                    Next::Send(call) => {
                        self.send(call);
                    }
                    Next::Wait(until) => {
                        let late_at = self.hedge_what_is_late(Instant::now());
                        break until.into_iter().chain(late_at).min();
                    }
                }
            };
            tokio::select! {
                Some((id, reply)) = self.under_way.ended() => {
                    self.metrics.in_flight.dec();
                    self.ended(id, reply);
                }
                Ok(()) = self.shares.changed() => {
                    let share = *self.shares.borrow_and_update();
                    self.schedule.set_share(share, Instant::now());
                }
                Ok(()) = self.paces.changed() => {
                    let pace = *self.paces.borrow_and_update();
                    self.schedule.set_pace(&pace, Instant::now());
                }
                count = self.submitted.recv_many(&mut taken, TAKE) => {
                    if count == 0 {
                        return;
                    }
                    let now = Instant::now();
                    for request in taken.drain(..) {
                        self.schedule.submit(request, now);
                    }
                }
                Ok(()) = self.paused.changed() => {}
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
    }

    /// Whether nothing may be bought right now; the lane's state says why.
    fn is_closed(&self) -> bool {
        if !self.books.has_budget() {
            // There may have been one until now.
            self.budget.set(LaneState::Ready);
            return false;
        }
        let (state, is_closed) = match self.books.access() {
            Access::Open => (LaneState::Ready, false),
            Access::Pending => (LaneState::Ready, true),
            Access::Unknown(why) => (LaneState::Waiting(why), true),
            Access::Closed(why) => (LaneState::Blocked(why), true),
        };
        self.budget.set(state);
        is_closed
    }

    fn send(&mut self, call: Call) -> Id {
        self.metrics.in_flight.inc();
        self.metrics.batch_inputs.observe(call.texts.len() as f64);
        let client = self.client.clone();
        let duration = self.metrics.duration.clone();
        let texts = call.texts.clone();
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        let reserved = self.books.reserve(bytes as u64);
        let encoding = call.encoding;
        self.under_way.send(call, reserved, async move {
            let start = Instant::now();
            let reply = client.call(&texts, encoding).await;
            duration.observe(start.elapsed().as_secs_f64());
            reply
        })
    }

    /// Sends a second time what has had no answer for long, as far as it may be. Says when to look again.
    fn hedge_what_is_late(&mut self, now: Instant) -> Option<Instant> {
        for first in self.under_way.late(now) {
            let late = self.under_way.get_mut(first);
            if let Some(hedge) = late.and_then(|late| self.schedule.hedge(&mut late.call, now)) {
                let second = self.send(hedge);
                self.under_way.pair(first, second);
            }
        }
        self.under_way.next_late_at()
    }

    /// A request has come to an end. Of one that was sent twice the first answer counts, and the other is
    /// cancelled; an end by which nothing is decided is left to the other.
    fn ended(&mut self, id: Id, reply: Reply) {
        let now = Instant::now();
        let Some(sent) = self.under_way.take(id) else {
            // It was cancelled.
            return;
        };
        self.schedule
            .watched
            .see(&sent.call.texts, || sighting(&sent.call, &reply, now));
        let answer = reply.outcome.as_ref();
        if sent.is_hedge {
            self.metrics.count_hedge(answer.is_ok());
        }
        match (answer, sent.other) {
            (Err(refusal), Some(other)) if refusal.may_pass() => {
                self.under_way.part(other);
                self.schedule.left_to_another(&sent.call, refusal, now);
            }
            (_, other) => {
                let bought = self.schedule.bought(&sent.call);
                if let Ok(answer) = answer {
                    self.books.bought(&bought, answer.charged);
                }
                let cancelled = other.and_then(|other| self.under_way.cancel(other));
                if let (Ok(answer), Some(_)) = (answer, &cancelled) {
                    self.books.hedged(&bought, answer.charged);
                }
                if let Some(cancelled) = cancelled {
                    if cancelled.is_hedge {
                        self.metrics.count_hedge(false);
                    }
                    self.schedule.cancelled(&cancelled.call, answer.is_ok());
                }
                self.schedule.finish(sent.call, reply.outcome, now);
            }
        }
        self.schedule.told(&reply.limits, now);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The requests under way end with the set that holds them.
        self.metrics.in_flight.set(0);
    }
}

/// What those see whose texts the request carries.
fn sighting(call: &Call, reply: &Reply, now: Instant) -> Sighting {
    let (tokens, failure) = match &reply.outcome {
        Ok(answer) => (answer.charged, None),
        Err(refusal) => (None, Some(refusal.failure().reason)),
    };
    Sighting {
        sent: call.sent_at.into_std(),
        answered: now.into_std(),
        texts: call.texts.len(),
        tokens,
        id: reply.id.clone(),
        failure,
    }
}
