//! Wishes for vectors.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// Somebody's wish for the vector of a text: dropped when the vector is not wanted any more, and
/// marked when the text is sent, for from then on it is paid for.
#[derive(Debug, Default)]
pub struct Wish {
    sent: AtomicU8,
    /// How many of its chunks were sent in vain and wait to be sent again.
    put_off: AtomicU32,
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

    /// It was sent in vain, or one of its chunks was, and will be again.
    pub fn put_off(&self) {
        self.put_off.fetch_add(1, Ordering::Relaxed);
    }

    /// What was put off is on its way again.
    pub fn send_again(&self) {
        self.put_off.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether all of it is on its way.
    pub fn is_under_way(&self) -> bool {
        self.sent.load(Ordering::Relaxed) == WHOLE && self.put_off.load(Ordering::Relaxed) == 0
    }

    /// Whether any of it has been.
    pub fn is_partly_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed) >= PART
    }
}
