//! What the process that is measured has used.

use std::fs;

use anyhow::{Context as _, Result};

/// What `/proc/self/stat` counts in, on every Linux.
const TICKS_A_SECOND: f64 = 100.0;

/// What this process, the kernel on its behalf included, has computed so far; see proc(5).
pub(crate) fn cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name in parentheses may hold anything; behind it come the state, the third field, and
    // so on. The 14th and the 15th are user and system time.
    let (_, rest) = stat
        .rsplit_once(')')
        .context("no name in /proc/self/stat")?;
    let mut fields = rest.split_whitespace().skip(14 - 3);
    let mut ticks = || -> Result<f64> {
        let field = fields.next().context("/proc/self/stat is too short")?;
        Ok(field.parse()?)
    };
    Ok((ticks()? + ticks()?) / TICKS_A_SECOND)
}

/// The most memory that this process has had at a time.
pub(crate) fn peak_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kilobytes: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"))
        .context("no VmHWM in /proc/self/status")?
        .trim()
        .parse()?;
    Ok(kilobytes * 1024)
}
