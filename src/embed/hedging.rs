//! Which requests may be sent a second time while the first has no answer yet: Dean and Barroso's hedged
//! requests ("The Tail at Scale", 2013), with a budget. `docs/adr/0035-hedges-have-a-budget.md` has the reasons.

use std::time::Duration;

use tokio::time::Instant;

/// One of so many requests may be sent twice: 5 %.
const REQUESTS_A_HEDGE: u32 = 20;

/// So many hedges can be saved up, for when many requests are late together.
const MOST_SAVED: u32 = 5;

/// The budget for hedges. What was not earned by requests is not spent.
#[derive(Debug)]
pub(super) struct Hedging {
    /// How long a request is waited for; `None` for ever.
    after: Option<Duration>,
    /// In requests.
    earned: u32,
}

impl Hedging {
    pub(super) fn new(after: Option<Duration>) -> Self {
        Self { after, earned: 0 }
    }

    /// When a request that is sent now is late.
    pub(super) fn late_at(&self, now: Instant) -> Option<Instant> {
        now.checked_add(self.after?)
    }

    /// A request goes out that is no hedge.
    pub(super) fn sent(&mut self) {
        self.earned = (self.earned + 1).min(MOST_SAVED * REQUESTS_A_HEDGE);
    }

    /// Takes a hedge from the budget, if there is one.
    pub(super) fn take(&mut self) -> bool {
        let left = self.earned.checked_sub(REQUESTS_A_HEDGE);
        self.earned = left.unwrap_or(self.earned);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_of_twenty_may_be_sent_twice_and_few_at_once() {
        let mut hedging = Hedging::new(Some(Duration::from_secs(1)));
        assert!(!hedging.take(), "nothing was earned");
        let mut hedges = 0;
        for _ in 0..1_000 {
            hedging.sent();
            hedges += u32::from(hedging.take());
        }
        assert_eq!(hedges, 50);
        for _ in 0..1_000 {
            hedging.sent();
        }
        let at_once = (0..100).filter(|_| hedging.take()).count();
        assert_eq!(at_once, 5);
    }

    #[test]
    fn without_a_time_no_request_is_ever_late() {
        assert_eq!(Hedging::new(None).late_at(Instant::now()), None);
    }
}
