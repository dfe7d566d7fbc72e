//! What came of the requests to one provider.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    error::{Disposition, Failure},
    record::Vector,
};

/// What one provider did.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Requests that were answered with vectors.
    pub answered: Vec<Answered>,
    /// Requests that were not, by the failure's reason.
    pub failed: BTreeMap<&'static str, Kind>,
    /// Texts that got a vector; one that was sent twice counts twice.
    pub texts: u64,
    /// The tokens of these texts.
    pub tokens: u64,
    /// Whether the provider itself said how many tokens all of them were.
    pub tokens_told: bool,
    /// The vectors of the first texts, by the text's position; as many as are compared.
    pub vectors: Vec<Option<Vector>>,
    /// From when the first request was sent until the last was answered.
    pub elapsed: Duration,
    /// Why no more requests were sent.
    pub end: End,
}

/// A request that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// When it was sent, since the first.
    pub at: Duration,
    /// From then until its answer was read.
    pub latency: Duration,
}

/// Failures of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// How many.
    pub count: u64,
    /// Whether the provider asked for patience (HTTP 429).
    pub throttled: bool,
    /// What the first of them said.
    pub message: String,
}

/// Why no more requests are sent to a provider.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum End {
    /// All were.
    #[default]
    Complete,
    /// Somebody asked to stop.
    Interrupted,
    /// The ceiling is reached.
    Ceiling,
    /// The provider refuses everything until a person mends something: what.
    Blocked(String),
}

impl Measured {
    /// Nothing yet, of which the vectors of `compared` texts are to be kept.
    pub fn new(compared: usize) -> Self {
        Self {
            vectors: vec![None; compared],
            tokens_told: true,
            ..Self::default()
        }
    }

    /// Takes in an answer: `vectors` of texts with their positions, and the tokens that were `charged`, or
    /// else the `estimate`.
    pub fn answered(
        &mut self,
        answered: Answered,
        vectors: impl IntoIterator<Item = (usize, Vector)>,
        charged: Option<u64>,
        estimate: u64,
    ) {
        self.answered.push(answered);
        self.tokens += charged.unwrap_or(estimate);
        self.tokens_told &= charged.is_some();
        for (position, vector) in vectors {
            self.texts += 1;
            // A text that is sent again may get another vector: the first one counts.
            if let Some(slot @ None) = self.vectors.get_mut(position) {
                *slot = Some(vector);
            }
        }
    }

    /// Takes in that there was none.
    pub fn failed(&mut self, failure: Failure) {
        let kind = self.failed.entry(failure.reason).or_insert_with(|| Kind {
            count: 0,
            throttled: matches!(failure.disposition, Disposition::Throttled { .. }),
            message: failure.message,
        });
        kind.count += 1;
    }

    /// Requests that were not answered with vectors.
    pub fn failures(&self) -> u64 {
        self.failed.values().map(|kind| kind.count).sum()
    }

    /// Of these, those to which the provider asked for patience.
    pub fn throttled(&self) -> u64 {
        let throttled = self.failed.values().filter(|kind| kind.throttled);
        throttled.map(|kind| kind.count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Answered = Answered {
        at: Duration::ZERO,
        latency: Duration::from_millis(3),
    };

    fn vector(float: f32) -> Vector {
        [float].into_iter().collect()
    }

    #[test]
    fn only_the_first_vector_of_the_first_texts_is_kept() {
        let mut measured = Measured::new(2);
        measured.answered(MOMENT, [(1, vector(1.0)), (2, vector(2.0))], Some(7), 9);
        measured.answered(MOMENT, [(1, vector(3.0))], Some(1), 9);
        assert_eq!(measured.vectors, [None, Some(vector(1.0))]);
        assert_eq!((measured.texts, measured.tokens), (3, 8));
        assert!(measured.tokens_told);
    }

    #[test]
    fn a_provider_that_does_not_say_what_it_charges_is_estimated() {
        let mut measured = Measured::new(0);
        measured.answered(MOMENT, [(0, vector(1.0))], Some(7), 9);
        measured.answered(MOMENT, [(1, vector(1.0))], None, 9);
        assert_eq!((measured.tokens, measured.tokens_told), (16, false));
    }

    #[test]
    fn failures_are_counted_by_their_kind() {
        let mut measured = Measured::new(0);
        for message in ["first", "second"] {
            measured.failed(Failure::transient("timeout", message));
        }
        let throttled = Disposition::Throttled { after: None };
        measured.failed(Failure::new(throttled, "http_429", "later"));
        assert_eq!((measured.failures(), measured.throttled()), (3, 1));
        let timeouts = measured.failed.get("timeout");
        assert_eq!(
            timeouts.map(|kind| (kind.count, &*kind.message)),
            Some((2, "first"))
        );
    }
}
