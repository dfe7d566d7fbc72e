//! What an endpoint turns out to take that nobody said beforehand.

use std::sync::atomic::Ordering;

use tracing::info;

use super::super::call::Call;
use crate::config::EncodingFormat;

/// Whether the endpoint knows base64.
///
/// Some refuse `encoding_format: "base64"`, not all in so many words. So until it has worked once,
/// what is refused is tried with numbers; and if that helps, for good.
#[derive(Debug)]
pub(super) struct Encoding {
    preferred: EncodingFormat,
    pub(super) base64_works: bool,
}

impl Encoding {
    pub(super) fn new(preferred: EncodingFormat) -> Self {
        Self {
            preferred,
            base64_works: false,
        }
    }

    /// What to ask for.
    pub(super) fn preferred(&self) -> EncodingFormat {
        self.preferred
    }

    /// Whether a request may have been refused for its encoding.
    pub(super) fn is_in_doubt(&self, call: &Call) -> bool {
        call.encoding == EncodingFormat::Base64 && !self.base64_works
    }

    /// A request was answered.
    pub(super) fn learn(&mut self, call: &Call) {
        match call.encoding {
            EncodingFormat::Base64 => self.base64_works = true,
            EncodingFormat::Float
                if self.preferred == EncodingFormat::Base64 && !self.base64_works =>
            {
                info!("the embedding endpoint does not know base64: asking for numbers");
                self.preferred = EncodingFormat::Float;
            }
            EncodingFormat::Float => {}
        }
    }
}

/// After so many full requests, one that takes twice as many texts is tried again.
const GROW_AFTER: u32 = 256;

/// How many texts a request may have.
///
/// Where both halves of a refused request are accepted, it was refused for its size: some endpoints
/// take fewer texts a request than we are told to send. Smaller requests are cut from then on, and
/// larger ones tried again from time to time.
#[derive(Debug)]
pub(super) struct Size {
    configured: usize,
    full_in_a_row: u32,
}

impl Size {
    pub(super) fn new(configured: usize) -> Self {
        Self {
            configured,
            full_in_a_row: 0,
        }
    }

    /// A request was answered, while requests of `most` texts at most are cut. Returns how many it is
    /// to be from now on, if that changes.
    pub(super) fn learn(&mut self, call: &Call, most: usize) -> Option<usize> {
        let size = call.texts.len();
        if let Some(accepted) = &call.half_of
            && accepted.fetch_add(1, Ordering::Relaxed) == 1
            && size < most
        {
            self.full_in_a_row = 0;
            info!(
                "the embedding endpoint takes no {} texts a request: sending {size} at most",
                2 * size
            );
            return Some(size);
        }
        if size != most || size >= self.configured {
            return None;
        }
        self.full_in_a_row += 1;
        if self.full_in_a_row < GROW_AFTER {
            return None;
        }
        self.full_in_a_row = 0;
        Some(self.configured.min(2 * size))
    }
}
