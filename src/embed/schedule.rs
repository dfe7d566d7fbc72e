//! What to send next, and what follows from an answer: the embed stage without its I/O.
//!
//! A request is cut from the queue when it may be sent, not earlier, so that what waits fills it
//! up. One that has to be sent again keeps its texts and goes before new ones.

mod learning;
mod refused;

use std::time::Duration;

use tokio::time::Instant;

use self::learning::{Encoding, Size};
use super::{
    EmbedReply, EmbedRequest, Settings,
    batcher::{Batcher, Cut},
    call::{Call, Purpose},
    condition::{Condition, State},
    hedging::Hedging,
    inputs::{Fitted, Inputs},
    limiter::Limiter,
    refusal::Refusal,
    response::Answer,
    settings::Pace,
    sightings::Watched,
};
use crate::{
    backoff::Backoff,
    config::EncodingFormat,
    cost::BoughtText,
    http::RateLimits,
    record::{Priority, Share},
    telemetry::{EmbedMetrics, LanePart, LimitMetrics},
    tokens::Tokenizer,
};

/// While nothing may be sent, what waits is looked through this often for what nobody wants any more.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

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
    inputs: Inputs,
    batcher: Batcher,
    /// The texts, as they are sent, whose requests somebody wants to see.
    pub(super) watched: Watched,
    limiter: Limiter,
    /// Since when the limiter keeps back what is due.
    limited_since: Option<Instant>,
    backoff: Backoff,
    random: fastrand::Rng,
    hedging: Hedging,
    encoding: Encoding,
    size: Size,
    concurrency: usize,
    waiting: Vec<Call>,
    in_flight: usize,
    condition: Condition,
    last_success: Option<Instant>,
    throttled_in_a_row: u32,
    /// How many requests met an outage since one was answered.
    outages_in_a_row: u32,
    /// When what waits was last looked through for what nobody wants any more.
    swept_at: Instant,
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
        let tokenizer = Tokenizer::for_model(&settings.model);
        Self {
            inputs: Inputs::new(tokenizer, settings.input_limit),
            batcher: Batcher::new(settings.batch_inputs, settings.batch_linger),
            watched: Watched::default(),
            limiter: Limiter::new(settings.pace().limits(), now),
            limited_since: None,
            backoff: Backoff::new(settings.retry_initial, settings.retry_max),
            random,
            hedging: Hedging::new(settings.hedge_after),
            encoding: Encoding::new(settings.encoding_format),
            size: Size::new(settings.batch_inputs.max(1)),
            concurrency: settings.concurrency.max(1),
            waiting: Vec::new(),
            in_flight: 0,
            condition: Condition::new(settings.retry_max, health),
            last_success: None,
            throttled_in_a_row: 0,
            outages_in_a_row: 0,
            swept_at: now,
            metrics,
        }
    }

    /// Takes a request.
    pub(super) fn submit(&mut self, mut request: EmbedRequest, now: Instant) {
        let seen = request.seen.take();
        let text = match self.inputs.fit(request.text.clone()) {
            Ok(Fitted::Whole(text)) => text,
            Ok(Fitted::Cut(text)) => {
                self.metrics.truncated.inc();
                text
            }
            Ok(Fitted::Chunks { chunks, is_cut }) => {
                self.metrics.chunked.inc_by(u64::from(chunks.len() > 1));
                self.metrics.truncated.inc_by(u64::from(is_cut));
                if let Some(seen) = seen {
                    let chunks = chunks.iter();
                    chunks.for_each(|chunk| self.watched.watch(chunk, seen.clone()));
                }
                return self.batcher.push_chunks(request, chunks, now);
            }
            Err(failure) => {
                let reply = EmbedReply {
                    ticket: request.ticket,
                    outcome: Err(failure),
                };
                // Whoever has stopped listening wants no answer.
                let _ = request.reply.send(reply);
                return;
            }
        };
        if let Some(seen) = seen {
            self.watched.watch(&text, seen);
        }
        self.batcher.push(EmbedRequest { text, ..request }, now);
    }

    /// Another pace, from now on.
    pub(super) fn set_pace(&mut self, pace: &Pace, now: Instant) {
        self.limiter.set_limits(pace.limits(), now);
        self.concurrency = pace.concurrency.max(1);
    }

    /// This member's share of the limits, from now on.
    pub(super) fn set_share(&mut self, share: Share, now: Instant) {
        self.limiter.set_share(share, now);
        // Where partitions were given up, nobody wants their texts.
        self.sweep(now);
    }

    /// Nothing may be sent, for another reason than those that are known here. Says when to look again.
    pub(super) fn stand_still(&mut self, now: Instant) -> Option<Instant> {
        if now.saturating_duration_since(self.swept_at) >= SWEEP_EVERY {
            self.sweep(now);
        }
        self.note_queue();
        (self.batcher.queued() > 0).then(|| now + SWEEP_EVERY)
    }

    /// Drops what nobody wants any more of what waits. Where nothing is sent, nothing else would.
    fn sweep(&mut self, now: Instant) {
        self.swept_at = now;
        self.batcher.sweep();
        for call in &mut self.waiting {
            self.batcher.keep_wanted(&mut call.texts);
        }
        self.waiting.retain(|call| !call.texts.is_empty());
    }

    /// Takes what an answer said of the provider's limits, once the answer itself was taken.
    pub(super) fn told(&mut self, limits: &RateLimits, now: Instant) {
        self.limiter.told(limits, now);
    }

    /// What to do now. Ask again after every submission and every answer.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        let mut next = self.choose(now);
        if let Next::Send(call) = &mut next {
            if self.encoding.preferred() == EncodingFormat::Float {
                call.encoding = EncodingFormat::Float;
            }
            let tokens = self.batcher.tokens(&call.texts).max(1);
            call.charge = self.limiter.send(tokens, now);
            call.sent_at = now;
            self.in_flight += 1;
            self.hedging.sent();
        }
        self.note_queue();
        self.note_limits(now);
        next
    }

    fn choose(&mut self, now: Instant) -> Next {
        let state = self.condition.state();
        let most_tokens = self.limiter.request_tokens();
        let due = match state {
            State::Blocked { probe } => probe,
            State::Ready | State::Waiting(_) => self.due(most_tokens),
        };
        let Some(due) = due else {
            self.limited_since = None;
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
        if let Err(until) = self.admit(most_tokens, now) {
            return Next::Wait(Some(until));
        }
        if matches!(state, State::Blocked { .. }) {
            self.sweep(now);
            self.condition.probe_sent();
            return Next::Send(Call::probe(self.encoding.preferred(), now));
        }
        let new_is_due = self.new_due(most_tokens).is_some_and(|due| due <= now);
        let call = match self.take_waiting(now) {
            None if new_is_due => self.cut(most_tokens, now),
            waiting => waiting,
        };
        match call {
            Some(call) => Next::Send(call),
            // What was due is wanted no more; something else may be.
            None => self.choose(now),
        }
    }

    /// Whether the limits let out what is due; if not, when to ask again.
    fn admit(&mut self, most_tokens: u64, now: Instant) -> Result<(), Instant> {
        let again = self.waiting.iter().find(|call| call.due <= now);
        let tokens = match again {
            Some(call) => self.batcher.tokens(&call.texts),
            None => self.batcher.next_tokens(most_tokens),
        };
        let admitted = self.limiter.admit(tokens, now);
        match (admitted, self.limited_since) {
            (Ok(()), Some(since)) => {
                let waited = now.saturating_duration_since(since);
                self.metrics.limits.wait.inc_by(waited.as_secs_f64());
                self.limited_since = None;
            }
            (Err(_), None) => self.limited_since = Some(now),
            _ => {}
        }
        admitted
    }

    /// When there is something to send.
    fn due(&self, most_tokens: u64) -> Option<Instant> {
        let again = self.waiting.iter().map(|call| call.due).min();
        again.into_iter().chain(self.new_due(most_tokens)).min()
    }

    /// When a new request is to be cut, if there is a place for it.
    fn new_due(&self, most_tokens: u64) -> Option<Instant> {
        // In an outage those that wait keep their places, so that no more requests than may be
        // under way ever knock at a sick endpoint. Otherwise the fault is theirs, and others pass.
        let places = match self.condition.state() {
            State::Ready => self.in_flight,
            State::Waiting(_) | State::Blocked { .. } => self.in_flight + self.waiting.len(),
        };
        (places < self.concurrency)
            .then(|| self.batcher.due(most_tokens))
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
                self.batcher.send_again(&call.texts);
                return Some(call);
            }
        }
    }

    /// A new request, if any text in the queue is still wanted.
    fn cut(&mut self, most_tokens: u64, now: Instant) -> Option<Call> {
        let inputs = &self.inputs;
        let Cut { texts, priority } = self.batcher.cut(most_tokens, |text| inputs.count(text));
        let is_urgent = priority == Priority::Fresh;
        (!texts.is_empty()).then(|| Call {
            late_at: self.hedging.late_at(now).filter(|_| is_urgent),
            ..Call::new(texts, self.encoding.preferred(), now)
        })
    }

    /// A second request for the same texts, if `late` may have one. That is decided once, when its time has
    /// come: it pays twice for an answer that is wanted soon, so it never adds to what is too much already.
    pub(super) fn hedge(&mut self, late: &mut Call, now: Instant) -> Option<Call> {
        late.late_at.take_if(|at| *at <= now)?;
        let is_calm = self.condition.state() == State::Ready
            && self.throttled_in_a_row == 0
            && self.limited_since.is_none()
            && self.in_flight < self.concurrency;
        if !is_calm || !self.batcher.is_any_wanted(&late.texts) {
            return None;
        }
        let tokens = self.batcher.tokens(&late.texts).max(1);
        self.limiter.admit(tokens, now).ok()?;
        if !self.hedging.take() {
            return None;
        }
        self.in_flight += 1;
        Some(Call {
            charge: self.limiter.send(tokens, now),
            sent_at: now,
            ..late.clone()
        })
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
    pub(super) fn finish(
        &mut self,
        mut call: Call,
        outcome: Result<Answer, Refusal>,
        now: Instant,
    ) {
        // Where it is sent again it is no first attempt any more.
        call.late_at = None;
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

    /// One of two requests for the same texts was cancelled, because the other has come to an end. Where that
    /// was answered, this one may have been, too, and is charged.
    pub(super) fn cancelled(&mut self, call: &Call, is_charged: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.limiter.failed(call.charge, is_charged);
        let cancelled = self.metrics.requests.with_label_values(&["cancelled"]);
        cancelled.inc();
    }

    fn answered(&mut self, call: &Call, answer: Answer, now: Instant) {
        self.last_success = Some(now);
        self.throttled_in_a_row = 0;
        self.outages_in_a_row = 0;
        self.condition.reachable(call.purpose);
        let charged = answer.charged.unwrap_or(0);
        self.limiter.accepted(call.charge, charged, now);
        self.inputs.learn(&call.texts, charged);
        self.metrics.tokens.inc_by(charged);
        self.metrics.inputs.inc_by(call.texts.len() as u64);
        self.encoding.learn(call);
        if let Some(most) = self.size.learn(call, self.batcher.max_inputs()) {
            self.batcher.set_max_inputs(most);
        }
        for (text, vector) in call.texts.iter().zip(answer.vectors) {
            self.batcher.answer(text, vector);
        }
    }

    /// Shows how many texts wait.
    pub(super) fn note_queue(&mut self) {
        self.metrics.skipped.inc_by(self.batcher.take_skipped());
        let again: usize = self.waiting.iter().map(|call| call.texts.len()).sum();
        let texts = i64::try_from(self.batcher.queued() + again).unwrap_or(i64::MAX);
        self.metrics.queue.set(texts);
    }

    fn note_limits(&self, now: Instant) {
        let is_idle = self.in_flight == 0 && self.batcher.queued() == 0;
        let usage = self.limiter.usage(now);
        for (label, usage) in LimitMetrics::LABELS.into_iter().zip(usage) {
            let per_minute = self.metrics.limits.per_minute.with_label_values(&[label]);
            per_minute.set(usage.per_minute.unwrap_or_default());
            let used = self.metrics.limits.used.with_label_values(&[label]);
            used.set(if is_idle { 0.0 } else { usage.ratio });
        }
    }
}

#[cfg(all(test, feature = "embedded"))]
mod simulation;
#[cfg(test)]
mod tests;
