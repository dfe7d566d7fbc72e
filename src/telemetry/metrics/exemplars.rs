//! Exemplars: of each bucket of a histogram the last observation whose trace is known.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use opentelemetry::trace::TraceId;

/// An observation, and the trace that tells how it came about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exemplar {
    /// What was observed.
    pub value: f64,
    /// The trace.
    pub trace: TraceId,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// The exemplars of one histogram with one label. A clone is a handle of the same. Only records that are
/// traced come here, so that a lock does.
#[derive(Debug, Clone)]
pub struct Exemplars {
    /// The histogram's name.
    pub(super) histogram: &'static str,
    /// The name of its label.
    pub(super) label: &'static str,
    /// The upper bounds of its buckets, but for the last, which has none.
    bounds: &'static [f64],
    /// By the label's value and the bucket's number.
    last: Arc<Mutex<BTreeMap<(&'static str, usize), Exemplar>>>,
}

impl Exemplars {
    pub(super) fn new(
        histogram: &'static str,
        label: &'static str,
        bounds: &'static [f64],
    ) -> Self {
        Self {
            histogram,
            label,
            bounds,
            last: Arc::default(),
        }
    }

    /// Remembers an observation.
    pub fn note(&self, label: &'static str, exemplar: Exemplar) {
        let is_within = |bound: &&f64| exemplar.value > **bound;
        let bucket = self.bounds.iter().take_while(is_within).count();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.insert((label, bucket), exemplar);
    }

    /// That of a bucket, by its number.
    pub(super) fn of(&self, label: &str, bucket: usize) -> Option<Exemplar> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut of_label = last.iter().filter(|((value, _), _)| *value == label);
        let found = of_label.find(|((_, number), _)| *number == bucket);
        found.map(|(_, exemplar)| *exemplar)
    }
}
