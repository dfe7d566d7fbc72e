//! Schedules of several members against one provider that enforces its limits, in simulated time:
//! how much of the limits they use, and how often they are throttled.
//!
//! The provider's arithmetic is the stand-in's: buckets of a minute's worth.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc, time::Duration};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use vectide_embedded::embeddings::RateLimits as Buckets;

use super::{tests::settings, *};
use crate::{
    cost::{Purpose as For, Reason},
    embed::{EmbedReply, refusal::Refusal},
    error::{Disposition, Failure},
    http::LimitStatus,
    record::{Priority, Ticket, Vector, Wish},
    telemetry::{Health, Lane},
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// Texts that a member never has fewer of in its queue.
const BACKLOG: usize = 600;

/// What happens, in the order of time.
enum Event {
    Wake(usize),
    Arrive(usize, Call),
    Answer(usize, Call, Result<Answer, Refusal>, RateLimits),
}

struct Member {
    schedule: Schedule,
    /// Whether it still runs.
    is_alive: bool,
    wake_at: Option<Instant>,
}

/// What came of it.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    accepted: u64,
    tokens: u64,
    throttled: u64,
}

impl Tally {
    /// Of a hundred requests, those that were throttled.
    fn throttled_percent(&self) -> f64 {
        100.0 * self.throttled as f64 / (self.accepted + self.throttled) as f64
    }

    fn since(&self, before: Self) -> Self {
        Self {
            accepted: self.accepted - before.accepted,
            tokens: self.tokens - before.tokens,
            throttled: self.throttled - before.throttled,
        }
    }
}

struct World {
    now: Instant,
    events: BTreeMap<(Instant, u64), Event>,
    numbers: u64,
    random: fastrand::Rng,
    buckets: Buckets,
    /// Whether answers tell of the limits.
    tells: Option<(u32, u32)>,
    members: Vec<Member>,
    wish: Arc<Wish>,
    reply: UnboundedSender<EmbedReply>,
    replies: UnboundedReceiver<EmbedReply>,
    tally: Tally,
}

impl World {
    /// A provider that allows so many requests and tokens a minute; 0 for as many as one likes.
    fn new(requests: u32, tokens: u32) -> Self {
        let now = Instant::now();
        let mut buckets = Buckets::default();
        buckets.set(NonZeroU32::new(requests), NonZeroU32::new(tokens), now);
        let (reply, replies) = mpsc::unbounded_channel();
        Self {
            now,
            events: BTreeMap::new(),
            numbers: 0,
            random: fastrand::Rng::with_seed(11),
            buckets,
            tells: None,
            members: Vec::new(),
            wish: Arc::new(Wish::default()),
            reply,
            replies,
            tally: Tally::default(),
        }
    }

    /// A member that was told so many requests and tokens a minute.
    fn join(&mut self, requests: u32, tokens: u32, share: Share) {
        let settings = Settings {
            concurrency: 10,
            batch_inputs: 128,
            batch_tokens: Some(300_000),
            requests_per_minute: NonZeroU32::new(requests),
            tokens_per_minute: NonZeroU32::new(tokens),
            ..settings()
        };
        let metrics = EmbedMetrics::register(&prometheus::Registry::new()).unwrap();
        let random = fastrand::Rng::with_seed(self.members.len() as u64);
        let [endpoint, _] = LanePart::pair(&Health::default(), Lane::Embed);
        let mut schedule = Schedule::new(&settings, metrics, endpoint, random, self.now);
        schedule.set_share(share, self.now);
        self.members.push(Member {
            schedule,
            is_alive: true,
            wake_at: None,
        });
        self.wake(self.members.len() - 1, self.now);
    }

    fn set_share(&mut self, member: usize, assigned: usize, total: usize) {
        let share = Share::of(assigned, total);
        self.members[member].schedule.set_share(share, self.now);
        self.wake(member, self.now);
    }

    fn kill(&mut self, member: usize) {
        self.members[member].is_alive = false;
    }

    fn at(&mut self, time: Instant, event: Event) {
        self.numbers += 1;
        self.events.insert((time, self.numbers), event);
    }

    fn wake(&mut self, member: usize, time: Instant) {
        self.members[member].wake_at = Some(time);
        self.at(time, Event::Wake(member));
    }

    /// Milliseconds, `least` or up to `most`.
    fn a_while(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.random.u64(least..=most))
    }

    fn run_for(&mut self, time: Duration) -> Tally {
        let before = self.tally;
        let end = self.now + time;
        while let Some(entry) = self.events.first_entry() {
            let (at, _) = *entry.key();
            if at > end {
                break;
            }
            self.now = at;
            match entry.remove() {
                Event::Wake(member) if self.members[member].wake_at == Some(at) => self.go(member),
                Event::Wake(_) => {}
                Event::Arrive(member, call) => self.arrive(member, call),
                Event::Answer(member, call, outcome, limits) => {
                    let schedule = &mut self.members[member].schedule;
                    schedule.finish(call, outcome, at);
                    schedule.told(&limits, at);
                    self.go(member);
                }
            }
        }
        while self.replies.try_recv().is_ok() {}
        self.now = end;
        self.tally.since(before)
    }

    /// Lets a member do what there is to do.
    fn go(&mut self, number: usize) {
        if !self.members[number].is_alive {
            return;
        }
        while self.members[number].schedule.batcher.queued() < BACKLOG {
            self.numbers += 1;
            let text = format!("{} ", self.numbers).repeat(self.random.usize(10..60));
            let request = EmbedRequest {
                ticket: Ticket(self.numbers),
                text: text.into(),
                purpose: For {
                    table: "t".into(),
                    reason: Reason::New,
                },
                priority: Priority::Backfill,
                wanted: Arc::downgrade(&self.wish),
                seen: None,
                reply: self.reply.clone(),
            };
            self.members[number].schedule.submit(request, self.now);
        }
        loop {
            match self.members[number].schedule.next(self.now) {
                Next::Send(call) => {
                    let arrives = self.now + self.a_while(5, 60);
                    self.at(arrives, Event::Arrive(number, call));
                }
                Next::Wait(Some(until)) => {
                    // A timer is a little late.
                    let late = self.a_while(0, 15);
                    return self.wake(number, until + late);
                }
                Next::Wait(None) => return,
            }
        }
    }

    /// A request reaches the provider, which counts a quarter more than is estimated at first.
    fn arrive(&mut self, member: usize, call: Call) {
        let characters: usize = call.texts.iter().map(|text| text.len()).sum();
        let tokens = characters as u64 * 5 / 16;
        let outcome = match self.buckets.admit(tokens, self.now) {
            Ok(()) => {
                self.tally.accepted += 1;
                self.tally.tokens += tokens;
                let vectors = vec![Vector::from_iter([1.0]); call.texts.len()];
                let charged = Some(tokens);
                Ok(Answer { vectors, charged })
            }
            Err(over) => {
                self.tally.throttled += 1;
                let after = over.after.filter(|_| self.tells.is_some());
                let disposition = Disposition::Throttled { after };
                let failure = Failure::new(disposition, "http_429", "slowly");
                Err(Refusal::Throttled { failure, after })
            }
        };
        let limits = self.limits();
        let answered = self.now + self.a_while(60, 400);
        self.at(answered, Event::Answer(member, call, outcome, limits));
    }

    fn limits(&self) -> RateLimits {
        let told = |limit| LimitStatus {
            limit: Some(u64::from(limit)),
            ..LimitStatus::default()
        };
        let both = self.tells.map(|(requests, tokens)| RateLimits {
            requests: told(requests),
            tokens: told(tokens),
        });
        both.unwrap_or_default()
    }
}

fn percent(part: u64, minutes: u64, limit: u32) -> f64 {
    100.0 * part as f64 / (minutes as f64 * f64::from(limit))
}

#[test]
fn a_backlog_uses_the_limit_on_tokens_to_the_full_and_is_never_throttled() {
    let mut world = World::new(3_000, 60_000);
    world.join(3_000, 60_000, Share::WHOLE);
    let first = world.run_for(MINUTE);
    let then = world.run_for(10 * MINUTE);
    let used = percent(then.tokens, 10, 60_000);
    assert!((98.0..=100.0).contains(&used), "{used} %, {then:?}");
    assert_eq!((first.throttled, then.throttled), (0, 0));
}

#[test]
fn a_backlog_uses_the_limit_on_requests_to_the_full_and_is_never_throttled() {
    let mut world = World::new(120, 0);
    world.join(120, 0, Share::WHOLE);
    world.run_for(MINUTE);
    let then = world.run_for(10 * MINUTE);
    let used = percent(then.accepted, 10, 120);
    assert!((98.0..=100.0).contains(&used), "{used} %, {then:?}");
    assert_eq!(then.throttled, 0);
}

#[test]
fn where_both_are_scarce_requests_are_filled_and_both_are_used() {
    let mut world = World::new(20, 100_000);
    world.join(20, 100_000, Share::WHOLE);
    world.run_for(MINUTE);
    let then = world.run_for(10 * MINUTE);
    let used = percent(then.tokens, 10, 100_000);
    assert!((98.0..=100.0).contains(&used), "{used} %, {then:?}");
    assert_eq!(then.throttled, 0);
}

#[test]
fn members_share_a_limit_through_rebalances_and_a_death() {
    let mut world = World::new(3_000, 60_000);
    let limit = |world: &mut World, share| world.join(3_000, 60_000, share);
    limit(&mut world, Share::of(6, 12));
    limit(&mut world, Share::of(6, 12));
    let two = world.run_for(5 * MINUTE);

    // A third joins: what it gets is given up by the others first.
    world.set_share(0, 4, 12);
    world.set_share(1, 4, 12);
    world.run_for(3 * SECOND);
    limit(&mut world, Share::of(4, 12));
    let joined = world.run_for(MINUTE);
    let three = world.run_for(5 * MINUTE);

    // It dies without a word, and the others get its partitions once its session is over.
    world.kill(2);
    world.run_for(10 * SECOND);
    world.set_share(0, 6, 12);
    world.set_share(1, 6, 12);
    let after = world.run_for(5 * MINUTE);

    for (tally, minutes) in [(two, 5), (joined, 1), (three, 5), (after, 5)] {
        let throttled = tally.throttled_percent();
        assert!(throttled < 1.0, "{throttled} %: {tally:?}");
        let used = percent(tally.tokens, minutes, 60_000);
        assert!((97.0..=101.0).contains(&used), "{used} %: {tally:?}");
    }
}

#[test]
fn a_limit_that_answers_tell_is_kept_without_being_configured() {
    let mut world = World::new(600, 40_000);
    world.tells = Some((600, 40_000));
    world.join(0, 0, Share::WHOLE);
    world.run_for(2 * MINUTE);
    let then = world.run_for(10 * MINUTE);
    let used = percent(then.tokens, 10, 40_000);
    assert!((98.0..=100.0).contains(&used), "{used} %, {then:?}");
    assert_eq!(then.throttled, 0);
}

#[test]
fn a_limit_that_nobody_tells_is_found_and_followed() {
    for (requests, tokens) in [(120, 0), (0, 40_000), (0, 200_000)] {
        let mut world = World::new(requests, tokens);
        world.join(0, 0, Share::WHOLE);
        // A minute's worth was there to begin with.
        world.run_for(3 * MINUTE);
        let then = world.run_for(10 * MINUTE);
        let used = match requests {
            0 => percent(then.tokens, 10, tokens),
            _ => percent(then.accepted, 10, requests),
        };
        let throttled = then.throttled_percent();
        assert!(used > 90.0, "{used} % of {requests}, {tokens}: {then:?}");
        assert!(throttled < 5.0, "{throttled} % of {requests}, {tokens}");
    }
}

#[test]
fn a_limit_that_was_configured_too_high_is_found_out() {
    let mut world = World::new(120, 0);
    world.join(3_000, 0, Share::WHOLE);
    world.run_for(3 * MINUTE);
    let then = world.run_for(10 * MINUTE);
    let used = percent(then.accepted, 10, 120);
    assert!(used > 90.0, "{used} %: {then:?}");
    let throttled = then.throttled_percent();
    assert!(throttled < 5.0, "{throttled} %: {then:?}");
}
