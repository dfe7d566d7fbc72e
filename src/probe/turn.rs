//! When the next request may be sent to a provider.

use std::{
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Spreads requests evenly, and holds them back when the provider asks for patience.
#[derive(Debug)]
pub(super) struct Turns {
    interval: Duration,
    next: Mutex<Instant>,
}

impl Turns {
    pub(super) fn new(per_minute: Option<NonZeroU32>, now: Instant) -> Self {
        let interval = per_minute.map(|rate| Duration::from_mins(1) / rate.get());
        Self {
            interval: interval.unwrap_or_default(),
            next: Mutex::new(now),
        }
    }

    /// Takes a turn; or says when to ask again. One that nobody took in time may be made up for, but no more
    /// than one: a burst is what the limit is there to prevent.
    pub(super) fn take(&self, now: Instant) -> Result<(), Instant> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if now < *next {
            return Err(*next);
        }
        *next = (*next + self.interval).max(now);
        Ok(())
    }

    /// Nobody has a turn before `until`.
    pub(super) fn hold(&self, until: Instant) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = until.max(*next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_spread_over_the_minute() {
        let start = Instant::now();
        let turns = Turns::new(NonZeroU32::new(60), start);
        let second = Duration::from_secs(1);
        assert_eq!(turns.take(start), Ok(()));
        assert_eq!(turns.take(start), Err(start + second));
        assert_eq!(turns.take(start + second), Ok(()));
        // After a long silence one is made up for.
        let later = start + 60 * second;
        assert_eq!([turns.take(later), turns.take(later)], [Ok(()), Ok(())]);
        assert_eq!(turns.take(later), Err(later + second));
    }

    #[test]
    fn without_a_limit_only_the_provider_holds_requests_back() {
        let start = Instant::now();
        let turns = Turns::new(None, start);
        assert_eq!([turns.take(start), turns.take(start)], [Ok(()), Ok(())]);
        let until = start + Duration::from_secs(3);
        turns.hold(until);
        assert_eq!(turns.take(start), Err(until));
        assert_eq!(turns.take(until), Ok(()));
    }
}
