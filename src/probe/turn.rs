//! When the next request may be sent to a provider.

use std::{
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Spreads requests and their tokens evenly, and holds them back when the provider asks for patience.
#[derive(Debug)]
pub(super) struct Turns {
    /// What a request takes of the minute, in seconds.
    request: Duration,
    /// What a token takes of the minute, in seconds.
    token: f64,
    next: Mutex<Instant>,
}

impl Turns {
    pub(super) fn new(
        requests_per_minute: Option<NonZeroU32>,
        tokens_per_minute: Option<NonZeroU32>,
        now: Instant,
    ) -> Self {
        let request = requests_per_minute.map(|rate| Duration::from_mins(1) / rate.get());
        let token = tokens_per_minute.map(|rate| 60.0 / f64::from(rate.get()));
        Self {
            request: request.unwrap_or_default(),
            token: token.unwrap_or_default(),
            next: Mutex::new(now),
        }
    }

    /// Takes a turn for a request of about so many tokens; or says when to ask again. One that nobody took in
    /// time may be made up for, but no more than one: a burst is what the limits are there to prevent.
    pub(super) fn take(&self, tokens: u64, now: Instant) -> Result<(), Instant> {
        let tokens = Duration::try_from_secs_f64(tokens as f64 * self.token);
        let interval = self.request.max(tokens.unwrap_or(Duration::MAX));
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if now < *next {
            return Err(*next);
        }
        *next = next.checked_add(interval).unwrap_or(*next).max(now);
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
        let turns = Turns::new(NonZeroU32::new(60), None, start);
        let second = Duration::from_secs(1);
        assert_eq!(turns.take(1, start), Ok(()));
        assert_eq!(turns.take(1, start), Err(start + second));
        assert_eq!(turns.take(1, start + second), Ok(()));
        // After a long silence one is made up for.
        let later = start + 60 * second;
        assert_eq!(
            [turns.take(1, later), turns.take(1, later)],
            [Ok(()), Ok(())]
        );
        assert_eq!(turns.take(1, later), Err(later + second));
    }

    #[test]
    fn a_request_of_many_tokens_takes_what_they_are_of_the_minute() {
        let start = Instant::now();
        let turns = Turns::new(NonZeroU32::new(60), NonZeroU32::new(6_000), start);
        assert_eq!(turns.take(500, start), Ok(()));
        let then = start + Duration::from_secs(5);
        assert_eq!(turns.take(50, start), Err(then));
        assert_eq!(turns.take(50, then), Ok(()));
        // Of few tokens the request itself is more.
        let later = then + Duration::from_secs(1);
        assert_eq!(turns.take(1, then), Err(later));
    }

    #[test]
    fn without_a_limit_only_the_provider_holds_requests_back() {
        let start = Instant::now();
        let turns = Turns::new(None, None, start);
        assert_eq!(
            [turns.take(1, start), turns.take(1, start)],
            [Ok(()), Ok(())]
        );
        let until = start + Duration::from_secs(3);
        turns.hold(until);
        assert_eq!(turns.take(1, start), Err(until));
        assert_eq!(turns.take(1, until), Ok(()));
    }
}
