//! What to send next, and what follows from an answer: the embed stage without its I/O.
//!
//! A request is cut from the queue when it may be sent, not earlier, so that what waits fills it
//! up. One that has to be sent again keeps its texts and goes before new ones.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::time::Instant;
use tracing::info;

use super::{
    EmbedRequest, Settings,
    batcher::Batcher,
    call::{Call, Purpose},
    condition::{Condition, State},
    limiter::Limiter,
    refusal::{Blame, Refusal},
    response::Answer,
};
use crate::{
    backoff::Backoff,
    config::EncodingFormat,
    cost::BoughtText,
    error::Failure,
    telemetry::{EmbedMetrics, LanePart},
};

/// A provider's wish for a longer wait than this shows in the lane's health; shorter ones are
/// everyday life near a rate limit.
const PATIENCE: Duration = Duration::from_secs(10);

/// After so many full requests, one that takes twice as many texts is tried again.
const GROW_AFTER: u32 = 256;

/// What there is to do.
#[derive(Debug)]
pub(super) enum Next {
    /// Send this now, and [finish](Schedule::finish) it.
    Send(Call),
    /// Nothing until that time, or until something happens.
    Wait(Option<Instant>),
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
    waiting: Vec<Call>,
    in_flight: usize,
    condition: Condition,
    last_success: Option<Instant>,
    throttled_in_a_row: u32,
    full_in_a_row: u32,
    metrics: EmbedMetrics,
}

impl Schedule {
    pub(super) fn new(
        settings: &Settings,
        metrics: EmbedMetrics,
        health: LanePart,
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
            waiting: Vec::new(),
            in_flight: 0,
            condition: Condition::new(settings.retry_max, health),
            last_success: None,
            throttled_in_a_row: 0,
            full_in_a_row: 0,
            metrics,
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
        let state = self.condition.state();
        let due = match state {
            State::Blocked { probe } => probe,
            State::Ready | State::Waiting(_) => self.due(),
        };
        let Some(due) = due else {
            if self.in_flight == 0 {
                self.condition.nothing_waits();
            }
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
        if matches!(state, State::Blocked { .. }) {
            self.condition.probe_sent();
            return Next::Send(Call::probe(self.encoding, now));
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
        let places = match self.condition.state() {
            State::Ready => self.in_flight,
            State::Waiting(_) | State::Blocked { .. } => self.in_flight + self.waiting.len(),
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
        (!texts.is_empty()).then(|| Call::new(texts, self.encoding, now))
    }

    /// Keeps a request until it is due again.
    fn again(&mut self, call: Call) {
        // A probe is nobody's; there will be another.
        if call.purpose == Purpose::Vectors {
            self.waiting.push(call);
        }
    }

    /// The texts of a request, and for whom they are.
    pub(super) fn bought<'a>(&'a self, call: &'a Call) -> Vec<BoughtText<'a>> {
        let texts = call.texts.iter().map(|text| BoughtText {
            text,
            purposes: self.batcher.purposes(text).collect(),
        });
        texts.collect()
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
        if is_probe {
            self.condition.probe_ended(now);
        }
        self.note_queue();
    }

    fn answered(&mut self, call: &Call, answer: Answer, now: Instant) {
        self.last_success = Some(now);
        self.throttled_in_a_row = 0;
        self.condition.reachable(call.purpose);
        self.metrics.tokens.inc_by(answer.charged.unwrap_or(0));
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
                self.condition.outage(&failure);
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
                    self.condition.outage(&failure);
                }
                self.again(Call { due: now, ..call });
                "throttled"
            }
            Refusal::Inputs(failure) => {
                self.condition.reachable(call.purpose);
                self.throttled_in_a_row = 0;
                self.after_refusal(call, &failure, now);
                "refused"
            }
            Refusal::Blocked(failure) => {
                self.count_retry(&failure);
                self.condition.block(failure, now);
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
        match call.halve(self.encoding, due) {
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
        match call.halve(self.encoding, now) {
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

    fn count_retry(&self, failure: &Failure) {
        self.metrics
            .retries
            .with_label_values(&[failure.reason])
            .inc();
    }

    /// Shows how many texts wait.
    pub(super) fn note_queue(&mut self) {
        self.metrics.skipped.inc_by(self.batcher.take_skipped());
        let again: usize = self.waiting.iter().map(|call| call.texts.len()).sum();
        let texts = i64::try_from(self.batcher.queued() + again).unwrap_or(i64::MAX);
        self.metrics.queue.set(texts);
    }
}

#[cfg(test)]
mod tests;
