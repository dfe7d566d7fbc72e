//! Wishes for vectors.

use std::sync::atomic::{AtomicBool, Ordering};

/// Somebody's wish for the vector of a text: dropped when the vector is not wanted any more, and
/// marked when the text is sent, for from then on it is paid for.
#[derive(Debug, Default)]
pub struct Wish {
    is_sent: AtomicBool,
}

impl Wish {
    /// The text is on its way to the provider.
    pub fn send(&self) {
        self.is_sent.store(true, Ordering::Relaxed);
    }

    /// Whether it has been on its way.
    pub fn is_sent(&self) -> bool {
        self.is_sent.load(Ordering::Relaxed)
    }
}
