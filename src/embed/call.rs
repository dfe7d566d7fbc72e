//! One request, from when it is cut until all its texts are answered or refused.

use std::sync::{Arc, atomic::AtomicU8};

use tokio::time::Instant;

use super::limiter::Charge;
use crate::config::EncodingFormat;

/// What a blocked lane asks a vector of, to find out whether it still is.
pub(super) const PROBE_TEXT: &str = "vectide";

/// One request: under way, or waiting to be sent again.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) texts: Vec<Arc<str>>,
    pub(super) encoding: EncodingFormat,
    /// Outages it has met so far, and when it met the last.
    pub(super) failures: u32,
    pub(super) failed_at: Option<Instant>,
    /// When it may be sent again.
    pub(super) due: Instant,
    /// The halves of a refused request share a count of how many of them were accepted.
    pub(super) half_of: Option<Arc<AtomicU8>>,
    pub(super) purpose: Purpose,
    /// What the limiter charged for it, and when it was last sent.
    pub(super) charge: Charge,
    pub(super) sent_at: Instant,
    /// When it is late enough to be sent a second time; `None` if it is not to be.
    pub(super) late_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To get vectors for those who asked.
    Vectors,
    /// To find out whether a blocked lane still is.
    Probe,
}

impl Call {
    /// A request for the vectors of `texts`.
    pub(super) fn new(texts: Vec<Arc<str>>, encoding: EncodingFormat, now: Instant) -> Self {
        Self {
            texts,
            encoding,
            failures: 0,
            failed_at: None,
            due: now,
            half_of: None,
            purpose: Purpose::Vectors,
            charge: Charge { tokens: 0 },
            sent_at: now,
            late_at: None,
        }
    }

    /// A request that costs next to nothing: some reasons to block, such as vectors of another
    /// length, show only in an answer that is paid for.
    pub(super) fn probe(encoding: EncodingFormat, now: Instant) -> Self {
        Self {
            purpose: Purpose::Probe,
            ..Self::new(vec![Arc::from(PROBE_TEXT)], encoding, now)
        }
    }

    /// Splits it in two, both to be sent at `due`; or gives it back if it has but one text.
    pub(super) fn halve(
        mut self,
        encoding: EncodingFormat,
        due: Instant,
    ) -> Result<[Self; 2], Self> {
        if self.texts.len() < 2 {
            return Err(self);
        }
        let accepted = Some(Arc::new(AtomicU8::new(0)));
        let second = self.texts.split_off(self.texts.len().div_ceil(2));
        let half = |texts| Self {
            failures: self.failures,
            failed_at: self.failed_at,
            half_of: accepted.clone(),
            ..Self::new(texts, encoding, due)
        };
        let second = half(second);
        let first = half(std::mem::take(&mut self.texts));
        Ok([first, second])
    }
}
