//! What the demonstration says.

use std::{
    io::{IsTerminal, Write},
    time::Duration,
};

use super::super::Output;

/// Writes the story, step by step, with a line of progress where there is a terminal.
pub(super) struct Report<'a> {
    out: &'a mut Output,
    terminal: bool,
    progress: bool,
}

impl<'a> Report<'a> {
    pub(super) fn new(out: &'a mut Output) -> Self {
        Self {
            out,
            terminal: std::io::stdout().is_terminal(),
            progress: false,
        }
    }

    pub(super) fn line(&mut self, text: &str) -> std::io::Result<()> {
        self.clear()?;
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// A step's headline.
    pub(super) fn step(&mut self, number: u8, text: &str) -> std::io::Result<()> {
        self.line("")?;
        self.line(&format!("({number}) {text}"))
    }

    /// Replaces the line of progress, on a terminal.
    pub(super) fn progress(&mut self, text: &str) -> std::io::Result<()> {
        if self.terminal {
            write!(self.out, "\r\x1b[K    {text}")?;
            self.progress = true;
            self.out.flush()?;
        }
        Ok(())
    }

    fn clear(&mut self) -> std::io::Result<()> {
        if std::mem::take(&mut self.progress) {
            write!(self.out, "\r\x1b[K")?;
        }
        Ok(())
    }

    /// Names and figures, in two columns.
    pub(super) fn table(&mut self, rows: &[(&str, String)]) -> std::io::Result<()> {
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let rule = "-".repeat(width + 44);
        self.line(&rule)?;
        for (name, figure) in rows {
            self.line(&format!("{name:<width$}  {figure}"))?;
        }
        self.line(&rule)
    }
}

/// The value at a quantile of sorted or unsorted durations; zero when there are none.
pub(super) fn quantile(durations: &[Duration], quantile: f64) -> Duration {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a position in a short list"
    )]
    let index = ((sorted.len() as f64 * quantile).ceil() as usize).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}

/// Thousands apart, as people read them: `12,345`.
pub(in crate::cli) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in milliseconds, or seconds when it is long.
pub(in crate::cli) fn time(duration: Duration) -> String {
    if duration < Duration::from_secs(2) {
        format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occur() {
        let durations: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(quantile(&durations, 0.5), Duration::from_millis(50));
        assert_eq!(quantile(&durations, 0.99), Duration::from_millis(99));
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_234_567), "1,234,567");
    }
}
