//! Wishes for vectors.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Somebody's wish for the vector of a text: dropped when the vector is not wanted any more, and
/// marked when the text is sent, for from then on it is paid for.
#[derive(Debug, Default)]
pub struct Wish {
    sent: AtomicU8,
    is_put_off: AtomicBool,
}

const PART: u8 = 1;
const WHOLE: u8 = 2;

impl Wish {
    /// The text is on its way to the provider.
    pub fn send(&self) {
        self.is_put_off.store(false, Ordering::Relaxed);
        self.sent.fetch_max(WHOLE, Ordering::Relaxed);
    }

    /// Some of its chunks are.
    pub fn send_part(&self) {
        self.sent.fetch_max(PART, Ordering::Relaxed);
    }

    /// It was sent in vain, or some of its chunks were, and will be again.
    pub fn put_off(&self) {
        self.is_put_off.store(true, Ordering::Relaxed);
    }

    /// Whether all of it is on its way.
    pub fn is_under_way(&self) -> bool {
        self.sent.load(Ordering::Relaxed) == WHOLE && !self.is_put_off.load(Ordering::Relaxed)
    }

    /// Whether any of it has been.
    pub fn is_partly_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed) >= PART
    }
}
