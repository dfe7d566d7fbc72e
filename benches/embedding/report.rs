//! The lines that are printed.

use std::time::Duration;

/// What a round took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) texts: usize,
    /// By the clock on the wall.
    pub(crate) took: Duration,
    /// CPU of what is measured,
    pub(crate) cpu: Duration,
    /// and of the endpoint.
    pub(crate) endpoint: Duration,
}

impl Measured {
    /// The round that took the least CPU: whatever else runs can only add to it.
    pub(crate) fn best(rounds: impl IntoIterator<Item = Self>) -> Option<Self> {
        rounds.into_iter().min_by_key(|round| round.cpu)
    }

    /// CPU seconds for 100,000 texts.
    fn seconds(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 100_000.0 / self.texts as f64
    }

    fn a_second(&self, time: Duration) -> f64 {
        self.texts as f64 / time.as_secs_f64()
    }
}

pub(crate) fn head() {
    println!(
        "{:<8} {:<8} {:>5} {:>16} {:>14} {:>22} {:>22}",
        "scope",
        "encoding",
        "batch",
        "texts/s a core",
        "texts/s here",
        "CPU s a 100,000 texts",
        "endpoint's CPU s"
    );
}

/// Prints both encodings, as numbers and in base64, and their ratio.
pub(crate) fn pair(scope: &str, batch: usize, [float, base64]: [Measured; 2]) {
    for (encoding, it) in [("float", &float), ("base64", &base64)] {
        println!(
            "{scope:<8} {encoding:<8} {batch:>5} {:>16.0} {:>14.0} {:>22.3} {:>22.3}",
            it.a_second(it.cpu),
            it.a_second(it.took),
            it.seconds(it.cpu),
            it.seconds(it.endpoint),
        );
    }
    let ratio = float.seconds(float.cpu) / base64.seconds(base64.cpu);
    println!("{scope:<8} {:<8} {batch:>5} {ratio:>15.1}x", "ratio");
}
