//! What to send next, and what follows from an answer: the embed stage without its I/O.
//!
//! A request is cut from the queue when it may be sent, not earlier, so that what waits fills it
//! up. One that has to be sent again keeps its texts and goes before new ones.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use tracing::{debug, info};

use super::{
    EmbedRequest, Settings,
    batcher::Batcher,
    limiter::Limiter,
    refusal::{Blame, Refusal},
    response::Answer,
    retry::Backoff,
};
use crate::{
    config::EncodingFormat,
    error::Failure,
    telemetry::{Health, Lane, LaneState, metrics::EmbedMetrics},
};

/// The longest wait between two probes of a blocked lane.
const PROBE_AT_LEAST_EVERY: Duration = Duration::from_secs(30);

/// A provider's wish for a longer wait than this shows in the lane's health; shorter ones are
/// everyday life near a rate limit.
const PATIENCE: Duration = Duration::from_secs(10);

/// After so many full requests, one that takes twice as many texts is tried again.
const GROW_AFTER: u32 = 256;

/// What a blocked lane asks a vector of, to find out whether it still is.
const PROBE_TEXT: &str = "vectide";

/// One request: under way, or waiting to be sent again.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) texts: Vec<Arc<str>>,
    pub(super) encoding: EncodingFormat,
    /// Outages it has met so far, and when it met the last.
    failures: u32,
    failed_at: Option<Instant>,
    /// When it may be sent again.
    due: Instant,
    /// The halves of a refused request share a count of how many of them were accepted.
    half_of: Option<Arc<AtomicU8>>,
    purpose: Purpose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To get vectors for those who asked.
    Vectors,
    /// To find out whether a blocked lane still is.
    Probe,
}

/// What there is to do.
#[derive(Debug)]
pub(super) enum Next {
    /// Send this now, and [finish](Schedule::finish) it.
    Send(Call),
    /// Nothing until that time, or until something happens.
    Wait(Option<Instant>),
}

#[derive(Debug)]
enum Condition {
    Ready,
    /// An outage, for that reason.
    Waiting(&'static str),
    Blocked {
        /// When to probe; `None` while a probe is under way.
        probe: Option<Instant>,
    },
}

/// The state of the embed stage. Time comes in as an argument; answers go straight to the askers.
#[derive(Debug)]
pub(super) struct Schedule {
    batcher: Batcher,
    limiter: Limiter,
    backoff: Backoff,
    random: fastrand::Rng,
    encoding: EncodingFormat,
    base64_works: bool,
    concurrency: usize,
    batch_inputs: usize,
    probe_every: Duration,
    waiting: Vec<Call>,
    in_flight: usize,
    condition: Condition,
    last_success: Option<Instant>,
    throttled_in_a_row: u32,
    full_in_a_row: u32,
    metrics: EmbedMetrics,
    health: Health,
}

impl Schedule {
    pub(super) fn new(
        settings: &Settings,
        metrics: EmbedMetrics,
        health: Health,
        random: fastrand::Rng,
        now: Instant,
    ) -> Self {
        Self {
            batcher: Batcher::new(settings.batch_inputs, settings.batch_linger),
            limiter: Limiter::new(settings.requests_per_minute, now),
            backoff: Backoff::new(settings.retry_initial, settings.retry_max),
            random,
            encoding: settings.encoding_format,
            base64_works: false,
            concurrency: settings.concurrency.max(1),
            batch_inputs: settings.batch_inputs.max(1),
            probe_every: settings.retry_max.min(PROBE_AT_LEAST_EVERY),
            waiting: Vec::new(),
            in_flight: 0,
            condition: Condition::Ready,
            last_success: None,
            throttled_in_a_row: 0,
            full_in_a_row: 0,
            metrics,
            health,
        }
    }

    /// Takes a request.
    pub(super) fn submit(&mut self, request: EmbedRequest, now: Instant) {
        self.batcher.push(request, now);
    }

    /// What to do now. Ask again after every submission and every answer.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        let mut next = self.choose(now);
        if let Next::Send(call) = &mut next {
            if self.encoding == EncodingFormat::Float {
                call.encoding = EncodingFormat::Float;
            }
            self.limiter.spend();
            self.in_flight += 1;
        }
        self.note_queue();
        next
    }

    fn choose(&mut self, now: Instant) -> Next {
        let due = match &self.condition {
            Condition::Blocked { probe } => *probe,
            Condition::Ready | Condition::Waiting(_) => self.due(),
        };
        let Some(due) = due else {
            self.rest();
            return Next::Wait(None);
        };
        if self.in_flight >= self.concurrency {
            return Next::Wait(None);
        }
        if now < due {
            return Next::Wait(Some(due));
        }
        if let Err(until) = self.limiter.admit(now) {
            return Next::Wait(Some(until));
        }
        if let Condition::Blocked { probe } = &mut self.condition {
            *probe = None;
            return Next::Send(self.probe(now));
        }
        let new_is_due = self.new_due().is_some_and(|due| due <= now);
        let call = match self.take_waiting(now) {
            None if new_is_due => self.cut(now),
            waiting => waiting,
        };
        match call {
            Some(call) => Next::Send(call),
            // What was due is wanted no more; something else may be.
            None => self.choose(now),
        }
    }

    /// When there is something to send.
    fn due(&self) -> Option<Instant> {
        let again = self.waiting.iter().map(|call| call.due).min();
        again.into_iter().chain(self.new_due()).min()
    }

    /// When a new request is to be cut, if there is a place for it.
    fn new_due(&self) -> Option<Instant> {
        // In an outage those that wait keep their places, so that no more requests than may be
        // under way ever knock at a sick endpoint. Otherwise the fault is theirs, and others pass.
        let places = match self.condition {
            Condition::Ready => self.in_flight,
            Condition::Waiting(_) | Condition::Blocked { .. } => {
                self.in_flight + self.waiting.len()
            }
        };
        (places < self.concurrency)
            .then(|| self.batcher.due())
            .flatten()
    }

    /// Of the requests that wait and are due, the one that was due first and is still wanted.
    fn take_waiting(&mut self, now: Instant) -> Option<Call> {
        loop {
            let (first, _) = self
                .waiting
                .iter()
                .enumerate()
                .filter(|(_, call)| call.due <= now)
                .min_by_key(|(_, call)| call.due)?;
            let mut call = self.waiting.swap_remove(first);
            self.batcher.keep_wanted(&mut call.texts);
            if !call.texts.is_empty() {
                return Some(call);
            }
        }
    }

    /// A new request, if any text in the queue is still wanted.
    fn cut(&mut self, now: Instant) -> Option<Call> {
        let texts = self.batcher.cut();
        (!texts.is_empty()).then(|| self.call(texts, Purpose::Vectors, now))
    }

    /// A request that costs next to nothing: some reasons to block, such as vectors of another
    /// length, show only in an answer that is paid for.
    fn probe(&self, now: Instant) -> Call {
        self.call(vec![Arc::from(PROBE_TEXT)], Purpose::Probe, now)
    }

    /// Ends an outage that nobody waits for: all that was to be sent again is wanted no more.
    fn rest(&mut self) {
        if self.in_flight == 0 && matches!(self.condition, Condition::Waiting(_)) {
            self.reachable(Purpose::Vectors);
        }
    }

    fn call(&self, texts: Vec<Arc<str>>, purpose: Purpose, now: Instant) -> Call {
        Call {
            texts,
            encoding: self.encoding,
            failures: 0,
            failed_at: None,
            due: now,
            half_of: None,
            purpose,
        }
    }

    /// Keeps a request until it is due again.
    fn again(&mut self, call: Call) {
        // A probe is nobody's; there will be another.
        if call.purpose == Purpose::Vectors {
            self.waiting.push(call);
        }
    }

    /// Takes the outcome of a request that was sent.
    pub(super) fn finish(&mut self, call: Call, outcome: Result<Answer, Refusal>, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let is_probe = call.purpose == Purpose::Probe;
        let label = match outcome {
            Ok(answer) => {
                self.answered(&call, answer, now);
                "ok"
            }
            Err(refusal) => self.refused(call, refusal, now),
        };
        self.metrics.requests.with_label_values(&[label]).inc();
        if is_probe
            && let Condition::Blocked {
                probe: probe @ None,
            } = &mut self.condition
        {
            *probe = Some(now + self.probe_every);
        }
        self.note_queue();
    }

    fn answered(&mut self, call: &Call, answer: Answer, now: Instant) {
        self.last_success = Some(now);
        self.throttled_in_a_row = 0;
        self.reachable(call.purpose);
        self.metrics.tokens.inc_by(answer.tokens);
        self.metrics.inputs.inc_by(call.texts.len() as u64);
        self.learn_encoding(call);
        self.learn_size(call);
        for (text, vector) in call.texts.iter().zip(answer.vectors) {
            self.batcher.answer(text, vector);
        }
    }

    /// Does what a refusal calls for, and says how the request ended.
    fn refused(&mut self, call: Call, refusal: Refusal, now: Instant) -> &'static str {
        match refusal {
            Refusal::Outage {
                failure,
                after,
                blame,
            } => {
                self.count_retry(&failure);
                if let Some(after) = after {
                    self.limiter.hold(after, now);
                }
                self.wait_for_recovery(&failure);
                self.after_outage(call, blame, now);
                "transient"
            }
            Refusal::Throttled { failure, after } => {
                self.count_retry(&failure);
                self.throttled_in_a_row += 1;
                let wait = after.filter(|wait| !wait.is_zero()).unwrap_or_else(|| {
                    self.backoff
                        .delay(self.throttled_in_a_row, self.random.f64())
                });
                self.limiter.hold(wait, now);
                if wait > PATIENCE {
                    self.wait_for_recovery(&failure);
                }
                self.again(Call { due: now, ..call });
                "throttled"
            }
            Refusal::Inputs(failure) => {
                self.reachable(call.purpose);
                self.throttled_in_a_row = 0;
                self.after_refusal(call, &failure, now);
                "refused"
            }
            Refusal::Blocked(failure) => {
                self.count_retry(&failure);
                if !matches!(self.condition, Condition::Blocked { .. }) {
                    let probe = Some(now + self.probe_every);
                    self.condition = Condition::Blocked { probe };
                }
                self.health
                    .set(Lane::Embed, LaneState::Blocked(failure.message));
                self.again(Call { due: now, ..call });
                "blocked"
            }
        }
    }

    /// Puts a request away until it is to be sent again: whole, or in halves where there is
    /// reason to think that it fails for what it asks. Otherwise one text that makes the server
    /// fail would hold up its siblings for ever.
    fn after_outage(&mut self, mut call: Call, blame: Blame, now: Instant) {
        let works_for_others = call.failed_at <= self.last_success;
        let failed_before = call.failures > 0;
        let is_own_fault = match blame {
            Blame::Endpoint => false,
            // A server that is merely slow may never have answered anything in time.
            Blame::Size => failed_before,
            // In a real outage this doubles the requests that wait, and no more.
            Blame::Inputs => {
                failed_before && (works_for_others || self.waiting.len() < 2 * self.concurrency)
            }
        };
        call.failures = call.failures.saturating_add(1);
        call.failed_at = Some(now);
        call.due = now + self.backoff.delay(call.failures, self.random.f64());
        if !is_own_fault {
            self.again(call);
            return;
        }
        let due = call.due;
        match halves(call, self.encoding, due) {
            // It was not refused for its size; nothing is to be learnt from its halves.
            Ok(halves) => self.waiting.extend(halves.map(|half| Call {
                half_of: None,
                ..half
            })),
            Err(call) => self.again(call),
        }
    }

    /// Finds out what was refused: base64, the texts together, or one of them.
    fn after_refusal(&mut self, call: Call, failure: &Failure, now: Instant) {
        if call.encoding == EncodingFormat::Base64 && !self.base64_works {
            self.again(Call {
                encoding: EncodingFormat::Float,
                due: now,
                ..call
            });
            return;
        }
        match halves(call, self.encoding, now) {
            Ok(halves) => self.waiting.extend(halves),
            Err(call) => {
                for text in &call.texts {
                    self.batcher.refuse(text, failure.clone());
                }
            }
        }
    }

    /// Some endpoints refuse `encoding_format: "base64"`, not all in so many words. So until it
    /// has worked once, what is refused is tried with numbers; and if that helps, for good.
    fn learn_encoding(&mut self, call: &Call) {
        match call.encoding {
            EncodingFormat::Base64 => self.base64_works = true,
            EncodingFormat::Float
                if self.encoding == EncodingFormat::Base64 && !self.base64_works =>
            {
                info!("the embedding endpoint does not know base64: asking for numbers");
                self.encoding = EncodingFormat::Float;
            }
            EncodingFormat::Float => {}
        }
    }

    /// Where both halves of a refused request are accepted, it was refused for its size: some
    /// endpoints take fewer texts a request than we are told to send. Smaller requests are cut
    /// from then on, and larger ones tried again from time to time.
    fn learn_size(&mut self, call: &Call) {
        let size = call.texts.len();
        if let Some(accepted) = &call.half_of
            && accepted.fetch_add(1, Ordering::Relaxed) == 1
            && size < self.batcher.max_inputs()
        {
            self.full_in_a_row = 0;
            self.batcher.set_max_inputs(size);
            info!(
                "the embedding endpoint takes no {} texts a request: sending {size} at most",
                2 * size
            );
        } else if size == self.batcher.max_inputs() && size < self.batch_inputs {
            self.full_in_a_row += 1;
            if self.full_in_a_row == GROW_AFTER {
                self.full_in_a_row = 0;
                self.batcher.set_max_inputs(self.batch_inputs.min(2 * size));
            }
        }
    }

    /// The endpoint answers, if not always what one would like: the lane is ready. A lane that
    /// is blocked takes only a probe's word for it; others may have been sent before.
    fn reachable(&mut self, purpose: Purpose) {
        if matches!(self.condition, Condition::Blocked { .. }) && purpose != Purpose::Probe {
            return;
        }
        self.condition = Condition::Ready;
        self.health.set(Lane::Embed, LaneState::Ready);
    }

    fn wait_for_recovery(&mut self, failure: &Failure) {
        debug!(reason = failure.reason, "{failure}");
        match self.condition {
            Condition::Blocked { .. } => return,
            // Said once, not once for each request.
            Condition::Waiting(reason) if reason == failure.reason => return,
            Condition::Ready | Condition::Waiting(_) => {}
        }
        self.condition = Condition::Waiting(failure.reason);
        self.health
            .set(Lane::Embed, LaneState::Waiting(failure.message.clone()));
    }

    fn count_retry(&self, failure: &Failure) {
        self.metrics
            .retries
            .with_label_values(&[failure.reason])
            .inc();
    }

    fn note_queue(&mut self) {
        self.metrics.skipped.inc_by(self.batcher.take_skipped());
        let again: usize = self.waiting.iter().map(|call| call.texts.len()).sum();
        let texts = i64::try_from(self.batcher.queued() + again).unwrap_or(i64::MAX);
        self.metrics.queue.set(texts);
    }
}

/// Splits a request in two, both to be sent at `due`; or gives it back if it has but one text.
fn halves(mut call: Call, encoding: EncodingFormat, due: Instant) -> Result<[Call; 2], Call> {
    if call.texts.len() < 2 {
        return Err(call);
    }
    let accepted = Some(Arc::new(AtomicU8::new(0)));
    let second = call.texts.split_off(call.texts.len().div_ceil(2));
    let half = |texts| Call {
        texts,
        encoding,
        failures: call.failures,
        failed_at: call.failed_at,
        due,
        half_of: accepted.clone(),
        purpose: Purpose::Vectors,
    };
    let second = half(second);
    let first = half(std::mem::take(&mut call.texts));
    Ok([first, second])
}

#[cfg(test)]
mod tests;
