//! The letters under way: when each is tried again, and what that says of the lane.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender},
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{Delivered, Submission, envelope::Envelope, producer::Producer};
use crate::{
    backoff::Backoff,
    error::{Disposition, Failure},
    record::Ticket,
    telemetry::{Health, Lane, LaneState},
};

/// Letters under way at once.
const IN_FLIGHT: usize = 256;

/// A letter that is under way for longer means that the brokers don't answer.
const OVERDUE: Duration = Duration::from_secs(8);

/// How often it is looked for such letters.
const LOOK: Duration = Duration::from_secs(1);

const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// A letter until it is delivered.
#[derive(Debug)]
struct Letter {
    ticket: Ticket,
    reply: UnboundedSender<Delivered>,
    envelope: Arc<Envelope>,
    failures: u32,
    /// When the attempt under way began.
    since: Instant,
    /// What came of the attempt before it.
    failure: Option<Failure>,
}

/// An attempt to deliver the letter of that number.
type Attempt = BoxFuture<'static, (u64, Result<(), Failure>)>;

pub(super) struct Service {
    producer: Arc<Producer>,
    group: String,
    submitted: UnboundedReceiver<Submission>,
    health: Health,
    /// By a running number: the oldest first.
    letters: BTreeMap<u64, Letter>,
    attempts: FuturesUnordered<Attempt>,
    next: u64,
}

impl Service {
    /// Starts a service on the current runtime.
    pub(super) fn start(
        producer: Producer,
        group: &str,
        submitted: UnboundedReceiver<Submission>,
        health: Health,
        shutdown: CancellationToken,
    ) {
        let service = Self {
            producer: Arc::new(producer),
            group: group.to_owned(),
            submitted,
            health: health.clone(),
            letters: BTreeMap::new(),
            attempts: FuturesUnordered::new(),
            next: 0,
        };
        let running = tokio::spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = service.run() => {}
            }
        });
        tokio::spawn(async move {
            if running.await.is_err_and(|error| error.is_panic()) {
                let advice =
                    "the dead-letter stage died of a bug: restart the program, and report it";
                health.set(Lane::DeadLetter, LaneState::Blocked(advice.into()));
            }
        });
    }

    async fn run(mut self) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut open = true;
        while open || !self.letters.is_empty() {
            let takes = open && self.letters.len() < IN_FLIGHT;
            tokio::select! {
                Some((number, outcome)) = self.attempts.next() => self.ended(number, outcome),
                submission = self.submitted.recv(), if takes => match submission {
                    Some(submission) => self.take(submission),
                    None => open = false,
                },
                _ = look.tick(), if !self.letters.is_empty() => {}
            }
            let state = state(&self.letters, Instant::now(), || self.producer.complaint());
            self.health.set(Lane::DeadLetter, state);
        }
    }

    fn take(&mut self, submission: Submission) {
        let Submission {
            ticket,
            letter,
            reply,
        } = submission;
        // Its partition was given up: the next owner comes to the same end.
        if reply.is_closed() {
            return;
        }
        let letter = Letter {
            ticket,
            reply,
            envelope: Arc::new(Envelope::new(letter, &self.group, SystemTime::now())),
            failures: 0,
            since: Instant::now(),
            failure: None,
        };
        self.next += 1;
        self.attempt(self.next, letter, Duration::ZERO);
    }

    /// Begins an attempt, after a pause.
    fn attempt(&mut self, number: u64, mut letter: Letter, pause: Duration) {
        letter.since = Instant::now() + pause;
        let (producer, envelope) = (self.producer.clone(), letter.envelope.clone());
        self.letters.insert(number, letter);
        let attempt = async move {
            if !pause.is_zero() {
                sleep(pause).await;
            }
            (number, producer.deliver(&envelope).await)
        };
        self.attempts.push(attempt.boxed());
    }

    fn ended(&mut self, number: u64, outcome: Result<(), Failure>) {
        let Some(mut letter) = self.letters.remove(&number) else {
            return;
        };
        match outcome {
            Ok(()) => {
                let ticket = letter.ticket;
                // Nobody waits for it where the partition was given up meanwhile.
                let _ = letter.reply.send(Delivered { ticket });
            }
            Err(_) if letter.reply.is_closed() => {}
            Err(failure) => {
                debug!(reason = failure.reason, "a dead letter: {failure}");
                letter.failures = letter.failures.saturating_add(1);
                let pause = BACKOFF.delay(letter.failures, fastrand::f64());
                letter.failure = Some(failure);
                self.attempt(number, letter, pause);
            }
        }
    }
}

/// How the lane is, seeing the letters under way, the oldest first; `complaint` is what the client
/// says about its connections.
fn state(
    letters: &BTreeMap<u64, Letter>,
    now: Instant,
    complaint: impl FnOnce() -> Option<Failure>,
) -> LaneState {
    let failures = || letters.values().filter_map(|letter| letter.failure.clone());
    let is_blocked = |failure: &Failure| failure.disposition == Disposition::Blocked;
    let is_overdue = |letter: &Letter| now.saturating_duration_since(letter.since) > OVERDUE;
    let is_slow = letters.values().any(is_overdue);
    let failure = failures().find(is_blocked).or_else(|| {
        let failed = failures().next();
        if failed.is_none() && !is_slow {
            return None;
        }
        let complaint = complaint();
        // A letter that fails for want of a connection does not say why there is none.
        if complaint.as_ref().is_some_and(is_blocked) {
            return complaint;
        }
        let silence = || {
            Failure::transient(
                "unacknowledged",
                "the brokers do not acknowledge dead letters; waiting for them",
            )
        };
        failed.or(complaint).or_else(|| Some(silence()))
    });
    match failure {
        None => LaneState::Ready,
        Some(failure) if is_blocked(&failure) => LaneState::Blocked(failure.message),
        Some(failure) => LaneState::Waiting(failure.message),
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::{
        dead_letter::DeadLetter,
        record::{Offset, RawRecord},
    };

    fn letter(since: Instant, failure: Option<Failure>) -> Letter {
        let raw = RawRecord {
            topic: "shop.public.products".into(),
            partition: 0,
            offset: Offset(0),
            timestamp_ms: None,
            key: None,
            value: None,
            headers: Vec::new(),
        };
        let letter = DeadLetter {
            raw,
            stage: "decode",
            failure: Failure::record("not_json", "no JSON"),
        };
        Letter {
            ticket: Ticket(0),
            reply: mpsc::unbounded_channel().0,
            envelope: Arc::new(Envelope::new(letter, "vectide", SystemTime::UNIX_EPOCH)),
            failures: 0,
            since,
            failure,
        }
    }

    fn letters<const N: usize>(letters: [Letter; N]) -> BTreeMap<u64, Letter> {
        (0..).zip(letters).collect()
    }

    #[test]
    fn one_letter_that_needs_a_person_blocks_the_lane_whatever_the_others_wait_for() {
        let now = Instant::now();
        let outage = || letter(now, Some(Failure::transient("unavailable", "no broker")));
        let stuck = letter(now, Some(Failure::blocked("too_large", "raise it")));
        let none = || None;
        assert_eq!(
            state(&letters([outage(), stuck]), now, none),
            LaneState::Blocked("raise it".into())
        );
        assert_eq!(
            state(&letters([outage()]), now, none),
            LaneState::Waiting("no broker".into())
        );
        assert_eq!(state(&letters([]), now, none), LaneState::Ready);
    }

    #[test]
    fn a_complaint_that_needs_a_person_is_not_hidden_by_the_outage_that_comes_of_it() {
        let now = Instant::now();
        let outage = Failure::transient("unavailable", "no broker");
        let letters = letters([letter(now, Some(outage))]);
        let untrusted = || Some(Failure::blocked("tls", "correct the authorities"));
        assert_eq!(
            state(&letters, now, untrusted),
            LaneState::Blocked("correct the authorities".into())
        );
        let down = || Some(Failure::transient("unavailable", "all are down"));
        assert_eq!(
            state(&letters, now, down),
            LaneState::Waiting("no broker".into())
        );
    }

    #[test]
    fn brokers_that_stay_silent_are_noticed_and_their_complaint_is_passed_on() {
        let now = Instant::now();
        let letters = letters([letter(now, None)]);
        assert_eq!(state(&letters, now, || None), LaneState::Ready);
        let later = now + OVERDUE + Duration::from_millis(1);
        assert!(matches!(
            state(&letters, later, || None),
            LaneState::Waiting(_)
        ));
        let refused = || Some(Failure::blocked("authentication", "correct the password"));
        assert_eq!(
            state(&letters, later, refused),
            LaneState::Blocked("correct the password".into())
        );
    }
}
