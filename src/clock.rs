//! The wall clock, for what outlives the process. What is pure gets the time from whoever calls this.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time, in milliseconds since 1970; 0 where the clock says that it is earlier.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
