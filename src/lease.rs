//! The lease: whether this process may still take itself for a member of its group.
//!
//! A process that was stopped (by a signal, a paused virtual machine, a stalled disk) does not know
//! it. Its session may be over, its partitions may belong to others, and it would go on where it
//! was. So the polling thread renews the lease each time it comes by; once it was away for longer
//! than a session lasts, the lease is in doubt until the group has confirmed the membership, and
//! nothing is written meanwhile.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// How often whoever waits looks at the clock.
const LOOK: Duration = Duration::from_millis(50);

/// Shared by the polling thread, which renews it, and those who write. A clone is the same lease.
#[derive(Debug, Clone)]
pub struct Lease {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    lasts: Duration,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    renewed: Instant,
    in_doubt: bool,
    /// When it was last put in doubt.
    doubted: Option<Instant>,
}

impl Lease {
    /// A lease from `now` on that lasts as long as the group's session.
    pub fn new(lasts: Duration, now: Instant) -> Self {
        Self {
            shared: Arc::new(Shared {
                lasts,
                state: Mutex::new(State {
                    renewed: now,
                    in_doubt: false,
                    doubted: None,
                }),
                changed: Notify::new(),
            }),
        }
    }

    /// For who is no member of a group: never in doubt.
    pub fn unlimited() -> Self {
        Self::new(Duration::MAX, Instant::now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let state = self.shared.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    /// The polling thread comes by. `false` when it was away for too long: then the lease is in
    /// doubt from now on.
    pub fn renew(&self, now: Instant) -> bool {
        let mut state = self.state();
        let lapsed = now.saturating_duration_since(state.renewed) > self.shared.lasts;
        state.renewed = now;
        if lapsed {
            state.in_doubt = true;
            state.doubted = Some(now);
        }
        !lapsed
    }

    /// Something says that another member owns what this one takes for its own.
    pub fn doubt(&self, now: Instant) {
        let mut state = self.state();
        state.in_doubt = true;
        state.doubted = Some(now);
    }

    /// The group has confirmed the membership.
    pub fn confirm(&self) {
        self.state().in_doubt = false;
        self.shared.changed.notify_waiters();
    }

    /// Whether the group is to be asked.
    pub fn is_in_doubt(&self) -> bool {
        self.state().in_doubt
    }

    /// Whether writing is safe at `now`.
    pub fn is_good(&self, now: Instant) -> bool {
        let state = self.state();
        !state.in_doubt && now.saturating_duration_since(state.renewed) <= self.shared.lasts
    }

    /// Waits until writing is safe.
    pub async fn trusted(&self) {
        while !self.is_good(Instant::now()) {
            // Who is notified between the look and the wait looks again soon.
            let _ = tokio::time::timeout(LOOK, self.shared.changed.notified()).await;
        }
    }

    /// Whether somebody else may have become the owner since `started`, of what is owned by `now`.
    pub fn may_have_lapsed(&self, started: Instant, now: Instant) -> bool {
        let doubted = self.state().doubted;
        now.saturating_duration_since(started) > self.shared.lasts
            || doubted.is_some_and(|doubted| doubted >= started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Duration = Duration::from_secs(10);

    #[test]
    fn a_lease_that_is_renewed_in_time_is_good() {
        let start = Instant::now();
        let lease = Lease::new(SESSION, start);
        assert!(lease.renew(start + SESSION));
        assert!(lease.is_good(start + 2 * SESSION));
        assert!(!lease.may_have_lapsed(start + SESSION, start + 2 * SESSION));
    }

    #[test]
    fn after_a_stop_nothing_is_written_before_the_group_confirms() {
        let start = Instant::now();
        let lease = Lease::new(SESSION, start);
        let awake = start + SESSION + Duration::from_millis(1);
        assert!(
            !lease.is_good(awake),
            "also before the polling thread knows"
        );
        assert!(!lease.renew(awake));
        assert!(!lease.is_good(awake));
        lease.confirm();
        assert!(lease.is_good(awake));
        assert!(lease.may_have_lapsed(start, awake));
        assert!(!lease.may_have_lapsed(awake + LOOK, awake + LOOK));
    }

    #[test]
    fn a_lease_without_limit_is_never_in_doubt() {
        let lease = Lease::unlimited();
        let later = Instant::now() + Duration::from_hours(10_000);
        assert!(lease.renew(later) && lease.is_good(later));
    }

    #[tokio::test]
    async fn who_waits_goes_on_once_it_is_confirmed() {
        let lease = Lease::new(SESSION, Instant::now());
        lease.doubt(Instant::now());
        let waiting = tokio::spawn({
            let lease = lease.clone();
            async move { lease.trusted().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        lease.confirm();
        assert!(waiting.await.is_ok());
    }
}
