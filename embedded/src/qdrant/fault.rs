//! Faults on demand, for tests of what a client does about them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tonic::{Code, Status};

/// Makes the points service slow, absent or broken while it runs. Clones switch the same server.
///
/// The collections service and the health check are left alone. Mind that `qdrant_client` itself
/// repeats a call once that answered `Unavailable`, `Internal`, `Cancelled` or `Unknown`: to be seen
/// by its user, such a fault must last for two calls.
#[derive(Clone, Debug, Default)]
pub struct FaultSwitch {
    state: Arc<Mutex<Faults>>,
}

#[derive(Debug, Default)]
struct Faults {
    delay: Duration,
    refused: bool,
    failing: Failing,
    failing_writes: Failing,
    losing: u32,
}

#[derive(Debug)]
struct Failing {
    calls: u32,
    code: Code,
}

impl Default for Failing {
    fn default() -> Self {
        Self {
            calls: 0,
            code: Code::Internal,
        }
    }
}

impl Failing {
    /// Fails a call, if one is to fail.
    fn next(&mut self) -> Result<(), Status> {
        if self.calls == 0 {
            return Ok(());
        }
        self.calls -= 1;
        Err(Status::new(self.code, "failed by the fault switch"))
    }
}

impl FaultSwitch {
    /// Every later call waits this long before it is looked at; zero (the default) doesn't wait.
    pub fn set_delay(&self, delay: Duration) {
        self.with(|faults| faults.delay = delay);
    }

    /// The next `calls` calls change nothing and answer `code`.
    pub fn fail_next(&self, calls: u32, code: Code) {
        self.with(|faults| faults.failing = Failing { calls, code });
    }

    /// The next `calls` calls that would write points change nothing; who waits for them is answered `code`.
    pub fn fail_next_writes(&self, calls: u32, code: Code) {
        self.with(|faults| faults.failing_writes = Failing { calls, code });
    }

    /// The next `calls` calls that would have succeeded are carried out, but answer `Unavailable`:
    /// what a client sees whose connection breaks after the write.
    pub fn lose_next_answers(&self, calls: u32) {
        self.with(|faults| faults.losing = calls);
    }

    /// While `true`, every call answers `Unavailable` and changes nothing.
    pub fn refuse(&self, refused: bool) {
        self.with(|faults| faults.refused = refused);
    }

    /// Waits and fails as switched, before a call is carried out.
    pub(super) async fn before(&self) -> Result<(), Status> {
        let delay = self.with(|faults| faults.delay);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        self.with(|faults| {
            if faults.refused {
                return Err(Status::unavailable("refused by the fault switch"));
            }
            faults.failing.next()
        })
    }

    /// The same, before points are written.
    pub(super) async fn before_write(&self) -> Result<(), Status> {
        self.before().await?;
        self.with(|faults| faults.failing_writes.next())
    }

    /// Loses the answer of a call that was carried out, as switched.
    pub(super) fn after(&self) -> Result<(), Status> {
        self.with(|faults| {
            if faults.losing > 0 {
                faults.losing -= 1;
                return Err(Status::unavailable("answer lost by the fault switch"));
            }
            Ok(())
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut Faults) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
