//! Requests as seen by those whose texts they carry: for traces.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Instant,
};

/// Requests that are kept of one text: an outage may take thousands.
const KEPT: usize = 16;
/// Texts from which on those are looked for whose vectors nobody waits for any more.
const SWEEP_FROM: usize = 256;

/// One request that carried a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// When it was sent.
    pub sent: Instant,
    /// When its answer was there.
    pub answered: Instant,
    /// How many texts it carried.
    pub texts: usize,
    /// The tokens that the provider says it charged for all of them, if it does.
    pub tokens: Option<u64>,
    /// What the provider calls it: its header `x-request-id`.
    pub id: Option<Box<str>>,
    /// Why there were no vectors, if there were none.
    pub failure: Option<&'static str>,
}

/// What is seen of the requests that carry one text, or chunks of it. Whoever asks for the text keeps it, and it is kept up
/// as long as they do.
#[derive(Debug, Default)]
pub struct Sightings(Mutex<Vec<Sighting>>);

impl Sightings {
    /// Takes out what was seen: the first requests, in their order.
    pub fn take(&self) -> Vec<Sighting> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, sighting: Sighting) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A request may carry several chunks of the text.
        if seen.len() < KEPT && seen.last() != Some(&sighting) {
            seen.push(sighting);
        }
    }
}

/// The texts whose requests somebody wants to see.
#[derive(Debug, Default)]
pub(super) struct Watched {
    texts: HashMap<Arc<str>, Vec<Weak<Sightings>>>,
    sweep_at: usize,
}

impl Watched {
    pub(super) fn watch(&mut self, text: &Arc<str>, by: Weak<Sightings>) {
        self.texts.entry(text.clone()).or_default().push(by);
        if self.texts.len() >= self.sweep_at.max(SWEEP_FROM) {
            self.texts.retain(|_, watchers| {
                watchers.retain(|watcher| watcher.strong_count() > 0);
                !watchers.is_empty()
            });
            self.sweep_at = 2 * self.texts.len();
        }
    }

    /// A request with these texts was answered.
    pub(super) fn see(&mut self, texts: &[Arc<str>], sighting: impl FnOnce() -> Sighting) {
        if self.texts.is_empty() || !texts.iter().any(|text| self.texts.contains_key(text)) {
            return;
        }
        let sighting = sighting();
        for text in texts {
            let Some(watchers) = self.texts.get_mut(text) else {
                continue;
            };
            watchers.retain(|watcher| {
                let watcher = watcher.upgrade();
                if let Some(seen) = &watcher {
                    seen.push(sighting.clone());
                }
                watcher.is_some()
            });
            if sighting.failure.is_none() || watchers.is_empty() {
                self.texts.remove(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;

    fn sighting(failure: Option<&'static str>) -> Sighting {
        let now = Instant::now();
        Sighting {
            sent: now,
            answered: now,
            texts: 1,
            tokens: None,
            id: None,
            failure,
        }
    }

    #[test]
    fn a_text_is_seen_until_it_has_its_vector() {
        let (mut watched, seen) = (Watched::default(), Arc::new(Sightings::default()));
        let text: Arc<str> = "kettle".into();
        watched.watch(&text, Arc::downgrade(&seen));
        watched.see(&["toaster".into()], || sighting(None));
        watched.see(slice::from_ref(&text), || sighting(Some("connect")));
        watched.see(slice::from_ref(&text), || sighting(None));
        watched.see(&[text], || sighting(None));
        let failures: Vec<_> = seen.take().into_iter().map(|it| it.failure).collect();
        assert_eq!(failures, [Some("connect"), None]);
        assert!(watched.texts.is_empty());
    }

    #[test]
    fn texts_that_nobody_waits_for_are_forgotten() {
        let mut watched = Watched::default();
        for text in 0..10 * SWEEP_FROM {
            let seen = Arc::new(Sightings::default());
            watched.watch(&text.to_string().into(), Arc::downgrade(&seen));
        }
        assert!(watched.texts.len() <= SWEEP_FROM);
    }
}
