#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::*;
use crate::http::LimitStatus;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

fn limits(requests: u32, tokens: u32) -> Limits {
    Limits {
        requests_per_minute: NonZeroU32::new(requests),
        tokens_per_minute: NonZeroU32::new(tokens),
        request_tokens: 300_000,
    }
}

/// A limiter and a clock to turn by hand.
struct Gate {
    limiter: Limiter,
    now: Instant,
}

impl Gate {
    fn new(requests: u32, tokens: u32) -> Self {
        let now = Instant::now();
        Self {
            limiter: Limiter::new(limits(requests, tokens), now),
            now,
        }
    }

    fn wait(&mut self, tokens: u64) -> Duration {
        match self.limiter.admit(tokens, self.now) {
            Ok(()) => Duration::ZERO,
            Err(until) => until - self.now,
        }
    }

    fn sent(&mut self, tokens: u64) -> Charge {
        assert_eq!(self.wait(tokens), Duration::ZERO);
        self.limiter.send(tokens, self.now)
    }

    /// Sends requests of `tokens` for `time`, as many as get out, and has them answered at once.
    fn sent_for(&mut self, time: Duration, tokens: u64) -> u32 {
        let end = self.now + time;
        let mut sent = 0;
        while self.now < end {
            match self.limiter.admit(tokens, self.now) {
                Ok(()) => {
                    let charge = self.limiter.send(tokens, self.now);
                    self.limiter.accepted(charge, tokens, self.now);
                    sent += 1;
                }
                Err(until) => self.now = until,
            }
        }
        self.now = end;
        sent
    }

    fn told(&mut self, requests: LimitStatus, tokens: LimitStatus) {
        self.limiter
            .told(&RateLimits { requests, tokens }, self.now);
    }
}

fn status(limit: u64, remaining: u64, reset: Duration) -> LimitStatus {
    LimitStatus {
        limit: Some(limit),
        remaining: Some(remaining),
        reset: Some(reset),
    }
}

fn about(found: Duration, expected: Duration) -> bool {
    found.abs_diff(expected) <= expected / 20 + Duration::from_millis(2)
}

#[test]
fn a_minute_lets_out_a_minutes_worth_and_spreads_it() {
    let mut gate = Gate::new(3000, 0);
    let first_second = gate.sent_for(SECOND, 1);
    assert!((49..=51).contains(&first_second), "{first_second}");
    let rest = gate.sent_for(59 * SECOND, 1);
    let all = first_second + rest;
    assert!((2950..=3000).contains(&all), "{all}");
}

#[test]
fn tokens_are_kept_within_their_limit_too_and_the_scarcer_of_the_two_counts() {
    let mut gate = Gate::new(3000, 60_000);
    // A hundred tokens each: 600 requests a minute by the tokens, 3000 by themselves.
    let sent = gate.sent_for(10 * MINUTE, 100);
    assert!((5_880..=6_000).contains(&sent), "{sent}");
    let mut gate = Gate::new(60, 60_000);
    let sent = gate.sent_for(10 * MINUTE, 100);
    assert!((588..=600).contains(&sent), "{sent}");
}

#[test]
fn a_late_timer_costs_nothing_and_a_rest_saves_up_nothing() {
    let mut gate = Gate::new(600, 0);
    let mut sent = 0;
    // Whoever should send every 100 ms looks only every 300 ms.
    for _ in 0..200 {
        gate.now += Duration::from_millis(300);
        while gate.wait(1) == Duration::ZERO {
            gate.sent(1);
            sent += 1;
        }
    }
    assert!((588..=600).contains(&sent), "{sent}");
    gate.now += 10 * MINUTE;
    let mut burst = 0;
    while gate.wait(1) == Duration::ZERO {
        gate.sent(1);
        burst += 1;
    }
    assert!(burst <= 6, "{burst}");
}

#[test]
fn what_an_estimate_got_wrong_is_made_good_by_the_answer() {
    let mut gate = Gate::new(0, 60_000);
    let charge = gate.sent(1_000);
    assert!(about(gate.wait(1), SECOND));
    gate.limiter.accepted(charge, 3_000, gate.now);
    assert!(about(gate.wait(1), 3 * SECOND));
    gate.now += 3 * SECOND + SECOND / 2;
    let charge = gate.sent(1_000);
    gate.limiter.accepted(charge, 500, gate.now);
    assert!(gate.wait(1) < SECOND);
}

#[test]
fn a_request_that_was_refused_costs_no_tokens_and_one_whose_answer_was_lost_does() {
    let mut gate = Gate::new(0, 60_000);
    let charge = gate.sent(3_000);
    gate.limiter.failed(charge, false);
    assert_eq!(gate.wait(1), Duration::ZERO);
    let charge = gate.sent(3_000);
    gate.limiter.failed(charge, true);
    assert!(about(gate.wait(1), 3 * SECOND));
}

#[test]
fn requests_are_small_where_tokens_are_scarce_and_large_where_requests_are() {
    let most = |requests, tokens| {
        let gate = Gate::new(requests, tokens);
        gate.limiter.request_tokens()
    };
    assert_eq!(most(3000, 0), 300_000);
    // A second's worth.
    assert!((16_000..17_000).contains(&most(3000, 1_000_000)));
    // Three requests a minute must take what there is.
    assert!((3_400..3_900).contains(&most(3, 10_000)));
    assert_eq!(most(1, 600_000_000), 300_000);
    assert_eq!(most(0, 1), 1);
}

#[test]
fn a_share_is_taken_of_both_limits_and_a_new_one_counts_at_once() {
    let mut gate = Gate::new(0, 60_000);
    gate.limiter.set_share(Share::of(4, 12), gate.now);
    let sent = gate.sent_for(10 * MINUTE, 100);
    assert!((1_960..=2_000).contains(&sent), "{sent}");
    gate.sent(3_000);
    gate.limiter.set_share(Share::of(6, 12), gate.now);
    assert!(about(gate.wait(1), 6 * SECOND));
}

#[test]
fn a_lower_limit_that_the_provider_tells_counts_and_a_higher_one_does_not() {
    let mut gate = Gate::new(600, 0);
    gate.told(status(60, 60, SECOND), status(6_000, 6_000, SECOND));
    let sent = gate.sent_for(10 * MINUTE, 10);
    assert!((588..=600).contains(&sent), "{sent}");
    gate.told(status(6_000, 6_000, SECOND), LimitStatus::default());
    let sent = gate.sent_for(MINUTE, 10);
    assert!((588..=600).contains(&sent), "{sent}");
}

#[test]
fn what_others_have_left_over_is_waited_for() {
    let mut gate = Gate::new(0, 60_000);
    gate.told(LimitStatus::default(), status(60_000, 500, MINUTE));
    assert_eq!(gate.wait(400), Duration::ZERO);
    // 1,000 a second come back.
    assert!(about(gate.wait(2_500), 2 * SECOND));
    // Never longer than until all of it is back, nor for more than there ever is.
    gate.told(LimitStatus::default(), status(60_000, 0, 5 * SECOND));
    assert!(about(gate.wait(50_000), 5 * SECOND));
    gate.told(LimitStatus::default(), status(60_000, 60_000, SECOND));
    assert_eq!(gate.wait(90_000), Duration::ZERO);
}

#[test]
fn requests_under_way_count_as_taken() {
    let mut gate = Gate::new(0, 0);
    gate.sent(1_000);
    let left = LimitStatus {
        limit: None,
        ..status(0, 1_500, MINUTE)
    };
    gate.told(LimitStatus::default(), left);
    assert_eq!(gate.wait(400), Duration::ZERO);
    assert!(gate.wait(600) > Duration::ZERO);
}

#[test]
fn without_a_rate_or_a_time_nothing_is_waited_for() {
    let mut gate = Gate::new(0, 0);
    let nothing_left = LimitStatus {
        remaining: Some(0),
        ..LimitStatus::default()
    };
    gate.told(nothing_left, nothing_left);
    assert_eq!(gate.wait(100), Duration::ZERO);
    let until = LimitStatus {
        reset: Some(7 * SECOND),
        ..nothing_left
    };
    gate.told(until, nothing_left);
    assert!(about(gate.wait(100), 7 * SECOND));
}

#[test]
fn a_hold_stops_everything_and_is_never_shortened() {
    let mut gate = Gate::new(0, 0);
    gate.limiter.hold(20 * SECOND, gate.now);
    gate.limiter.hold(5 * SECOND, gate.now);
    assert_eq!(gate.wait(1), 20 * SECOND);
    gate.now += 20 * SECOND;
    assert_eq!(gate.wait(1), Duration::ZERO);
}

/// A limiter that knows no limit, and has got 10 requests of 100 tokens a second through.
fn unlimited() -> Gate {
    let mut gate = Gate::new(0, 0);
    for _ in 0..100 {
        let charge = gate.sent(100);
        gate.now += SECOND / 10;
        gate.limiter.accepted(charge, 100, gate.now);
    }
    gate
}

fn requests_per_second(gate: &Gate) -> Option<f64> {
    let [requests, _] = gate.limiter.usage(gate.now);
    requests.per_minute.map(|rate| rate / 60.0)
}

#[test]
fn the_first_throttling_teaches_what_the_provider_takes() {
    let mut gate = unlimited();
    assert_eq!(requests_per_second(&gate), None);
    assert!(gate.limiter.throttled(gate.now, gate.now));
    let rate = requests_per_second(&gate).unwrap();
    assert!((7.0..9.0).contains(&rate), "{rate}");
    gate.now += MINUTE;
    assert_eq!(
        requests_per_second(&gate),
        Some(rate),
        "nothing new is known"
    );
    gate.sent_for(12 * SECOND, 100);
    let rate = requests_per_second(&gate).unwrap();
    assert!((9.0..11.0).contains(&rate), "{rate}");
}

#[test]
fn many_requests_throttled_together_slow_down_once() {
    let mut gate = unlimited();
    let sent = gate.now;
    gate.now += SECOND / 5;
    assert!(gate.limiter.throttled(sent, gate.now));
    let once = requests_per_second(&gate);
    for _ in 0..50 {
        assert!(!gate.limiter.throttled(sent, gate.now));
    }
    assert_eq!(requests_per_second(&gate), once);
}

#[test]
fn an_outage_that_shows_as_throttling_does_not_wear_the_rate_down() {
    let mut gate = unlimited();
    for _ in 0..30 {
        gate.now += Duration::from_millis(1);
        let sent = gate.now;
        gate.now += SECOND;
        assert!(gate.limiter.throttled(sent, gate.now));
    }
    let rate = requests_per_second(&gate).unwrap();
    assert!(rate > 7.0, "{rate}");
}

#[test]
fn throttling_below_a_known_limit_passes() {
    let mut gate = Gate::new(600, 0);
    gate.sent_for(20 * SECOND, 1);
    gate.limiter.throttled(gate.now, gate.now);
    assert!(requests_per_second(&gate).unwrap() < 8.0);
    gate.sent_for(30 * SECOND, 1);
    assert!(about(
        Duration::from_secs_f64(requests_per_second(&gate).unwrap()),
        Duration::from_secs_f64(9.9)
    ));
}

/// A limiter that was throttled while it sent a request every two seconds.
fn throttled_at_little_demand(configured: u32) -> Gate {
    let mut gate = Gate::new(configured, 0);
    for _ in 0..10 {
        let charge = gate.sent(1);
        gate.now += 2 * SECOND;
        gate.limiter.accepted(charge, 1, gate.now);
    }
    assert!(gate.limiter.throttled(gate.now, gate.now));
    let rate = requests_per_second(&gate).unwrap();
    assert!(rate < 1.0, "{rate}");
    gate
}

#[test]
fn throttling_while_little_is_asked_for_does_not_hold_up_a_backlog_for_long() {
    let mut gate = throttled_at_little_demand(3_000);
    gate.sent_for(3 * MINUTE, 1);
    let rate = requests_per_second(&gate).unwrap();
    assert!(rate > 49.0, "{rate}");
}

#[test]
fn what_was_learnt_is_forgotten_once_far_more_is_taken() {
    let mut gate = throttled_at_little_demand(0);
    for _ in 0..1_000 {
        let wait = gate.wait(1);
        gate.now += wait;
        let charge = gate.sent(1);
        gate.now += SECOND / 4;
        gate.limiter.accepted(charge, 1, gate.now);
    }
    assert_eq!(requests_per_second(&gate), None);
}

#[test]
fn another_limit_counts_at_once_and_what_is_owed_stays_owed() {
    let mut gate = Gate::new(60, 0);
    let _ = gate.sent(1);
    let before = gate.wait(1);
    gate.limiter.set_limits(limits(600, 0), gate.now);
    let after = gate.wait(1);
    assert!(after > Duration::ZERO, "the first request is not paid off");
    assert!(after < before / 5, "{after:?} {before:?}");
    gate.limiter.set_limits(limits(0, 0), gate.now);
    assert_eq!(gate.wait(1), Duration::ZERO);
}

proptest! {
    /// Whatever sizes, waits and shares: no more goes out in any minute than a minute's worth, a
    /// rest's credit and one request.
    #[test]
    fn no_minute_takes_more_than_its_worth(
        steps in prop::collection::vec((1_u64..2_000, 0_u64..3_000, 1_usize..=4), 1..300),
    ) {
        let limit = 20_000.0;
        let mut gate = Gate::new(0, 20_000);
        let mut sent: Vec<(Instant, u64)> = Vec::new();
        for (tokens, rest, share) in steps {
            gate.now += Duration::from_millis(rest);
            gate.limiter.set_share(Share::of(share, 4), gate.now);
            let wait = gate.wait(tokens);
            gate.now += wait;
            let charge = gate.sent(tokens);
            gate.limiter.accepted(charge, tokens, gate.now);
            sent.push((gate.now, tokens));
        }
        for (index, (start, _)) in sent.iter().enumerate() {
            let within = sent.iter().skip(index).take_while(|(at, _)| *at < *start + MINUTE);
            let (sum, largest) = within.fold((0, 0), |(sum, largest), (_, tokens)| {
                (sum + tokens, largest.max(*tokens))
            });
            prop_assert!((sum - largest) as f64 <= limit * 1.01, "{sum} less {largest}");
        }
    }
}
