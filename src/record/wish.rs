//! Wishes for vectors.

use std::sync::atomic::{AtomicU8, Ordering};

/// Somebody's wish for the vector of a text: dropped when the vector is not wanted any more, and
/// marked when the text is sent, for from then on it is paid for.
#[derive(Debug, Default)]
pub struct Wish {
    sent: AtomicU8,
}

const PART: u8 = 1;
const WHOLE: u8 = 2;

impl Wish {
    /// The text is on its way to the provider.
    pub fn send(&self) {
        self.sent.fetch_max(WHOLE, Ordering::Relaxed);
    }

    /// Some of its chunks are.
    pub fn send_part(&self) {
        self.sent.fetch_max(PART, Ordering::Relaxed);
    }

    /// Whether all of it has been on its way.
    pub fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed) == WHOLE
    }

    /// Whether any of it has.
    pub fn is_partly_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed) >= PART
    }
}
