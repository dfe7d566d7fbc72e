//! Waiting for a condition, with a deadline.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// Calls `condition` until it gives a value; fails when `patience` is over first, or with the condition's own error.
pub(crate) fn until<T>(
    what: &str,
    patience: Duration,
    mut condition: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            bail!("waited {} s in vain for {what}", patience.as_secs());
        }
        sleep(INTERVAL);
    }
}
