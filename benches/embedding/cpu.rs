//! What threads and processes have computed, on Linux.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};

/// What `/proc/…/stat` counts in, on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// What this thread has computed so far; see "schedstat" in the kernel's sched-stats.
pub(crate) fn of_thread() -> Result<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split_whitespace().next();
    let nanoseconds = nanoseconds.context("schedstat is empty")?.parse()?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// What a process has computed so far, the kernel on its behalf included; see proc(5).
pub(crate) fn of_process(id: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name in parentheses may hold anything; behind it come the state, the third field, and
    // so on. The 14th and the 15th are user and system time.
    let (_, rest) = stat.rsplit_once(')').context("no name in stat")?;
    let mut fields = rest.split_whitespace().skip(14 - 3);
    let mut ticks = || -> Result<u32> {
        let field = fields.next().context("stat is too short")?;
        Ok(field.parse()?)
    };
    Ok(TICK * (ticks()? + ticks()?))
}
