//! A progress bar, where somebody looks.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{cost::grouped, probe::Progress};

/// How wide the bar is, in characters.
const WIDTH: usize = 30;

/// Draws on standard error until it is dropped. Never returns; where standard error is no terminal it
/// draws nothing.
pub(super) async fn draw(progress: &Progress, total: u64) {
    if !io::stderr().is_terminal() {
        return std::future::pending().await;
    }
    let _cleared = Cleared;
    let start = Instant::now();
    let mut ticks = interval(Duration::from_millis(200));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let (answered, failed) = progress.so_far();
        let line = line(answered, failed, total, start.elapsed());
        let mut err = io::stderr();
        // Measuring goes on without a bar.
        let _ = write!(err, "\r{line}\x1b[K").and_then(|()| err.flush());
    }
}

/// Leaves an empty line for what is printed next.
struct Cleared;

impl Drop for Cleared {
    fn drop(&mut self) {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

fn line(answered: u64, failed: u64, total: u64, elapsed: Duration) -> String {
    let ended = answered + failed;
    let share = ended as f64 / total.max(1) as f64;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of the width"
    )]
    let filled = ((share * WIDTH as f64) as usize).min(WIDTH);
    let bar = format!("{}{}", "#".repeat(filled), "-".repeat(WIDTH - filled));
    let mut line = format!("[{bar}] {} of {} requests", grouped(ended), grouped(total));
    if failed > 0 {
        line = format!("{line}, {} failed", grouped(failed));
    }
    let left = total.saturating_sub(ended) as f64;
    let seconds = elapsed.as_secs_f64() / ended.max(1) as f64 * left;
    if ended > 0
        && let Ok(left) = Duration::try_from_secs_f64(seconds.ceil())
    {
        line = format!("{line}, {} left", humantime::format_duration(left));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_is_left_follows_from_the_time_that_passed() {
        assert_eq!(
            line(4_000, 1_000, 20_000, Duration::from_secs(30)),
            "[#######-----------------------] 5,000 of 20,000 requests, 1,000 failed, 1m 30s left"
        );
        assert_eq!(
            line(0, 0, 10, Duration::ZERO),
            "[------------------------------] 0 of 10 requests"
        );
    }
}
