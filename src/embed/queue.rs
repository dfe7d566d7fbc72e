//! The order in which texts have their turn: the fresh before the backfill, the older first.

use std::{collections::BTreeMap, sync::Arc};

use tokio::time::Instant;

use crate::record::Priority;

/// Texts in their order, each once.
#[derive(Debug, Default)]
pub(super) struct Queue {
    texts: BTreeMap<Place, Queued>,
    tokens: u64,
    next: u64,
}

/// Where a text stands; a promotion gives it another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) priority: Priority,
    number: u64,
}

#[derive(Debug)]
struct Queued {
    text: Arc<str>,
    /// By guess.
    tokens: u64,
    since: Instant,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    /// How many tokens all of them are, by guess.
    pub(super) fn tokens(&self) -> u64 {
        self.tokens
    }

    pub(super) fn push(
        &mut self,
        text: Arc<str>,
        tokens: u64,
        priority: Priority,
        now: Instant,
    ) -> Place {
        let number = self.next;
        self.next += 1;
        let place = Place { priority, number };
        self.tokens += tokens;
        let queued = Queued {
            text,
            tokens,
            since: now,
        };
        self.texts.insert(place, queued);
        place
    }

    /// Moves a text to those of another priority, where it stands by its age. It stands nowhere else.
    pub(super) fn promote(&mut self, place: Place, priority: Priority) -> Option<Place> {
        let queued = self.texts.remove(&place)?;
        let place = Place { priority, ..place };
        self.texts.insert(place, queued);
        Some(place)
    }

    /// The text whose turn it is.
    pub(super) fn first(&self) -> Option<&Arc<str>> {
        let (_, queued) = self.texts.first_key_value()?;
        Some(&queued.text)
    }

    pub(super) fn pop_first(&mut self) {
        if let Some((_, queued)) = self.texts.pop_first() {
            self.tokens -= queued.tokens;
        }
    }

    /// Since when the text waits that waits longest.
    pub(super) fn oldest(&self) -> Option<Instant> {
        let backfill = Place {
            priority: Priority::Backfill,
            number: 0,
        };
        let (fresh, backfill) = (
            self.texts.first_key_value(),
            self.texts.range(backfill..).next(),
        );
        let both = fresh.into_iter().chain(backfill);
        both.map(|(_, queued)| queued.since).min()
    }

    /// Drops the texts that `keep` does not want.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Arc<str>) -> bool) {
        let tokens = &mut self.tokens;
        self.texts.retain(|_, queued| {
            let is_kept = keep(&queued.text);
            if !is_kept {
                *tokens -= queued.tokens;
            }
            is_kept
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn priority(is_fresh: bool) -> Priority {
        if is_fresh {
            Priority::Fresh
        } else {
            Priority::Backfill
        }
    }

    proptest! {
        /// Against a list that is sorted anew each time. Texts are named by their numbers.
        #[test]
        fn the_fresh_come_first_and_then_the_older(
            steps in prop::collection::vec(
                (0..5_u8, any::<bool>(), 1_u64..9, any::<prop::sample::Index>()),
                0..80,
            ),
        ) {
            let start = Instant::now();
            let mut queue = Queue::default();
            let mut model: Vec<(Place, u64)> = Vec::new();
            let mut pushed = 0_u64;
            let since = |place: Place| start + Duration::from_secs(place.number);
            for (step, is_fresh, tokens, which) in steps {
                match step {
                    0..3 => {
                        let now = start + Duration::from_secs(pushed);
                        let text = pushed.to_string().into();
                        pushed += 1;
                        model.push((queue.push(text, tokens, priority(is_fresh), now), tokens));
                    }
                    3 if !model.is_empty() => {
                        let promoted = which.get_mut(&mut model);
                        promoted.0 = queue.promote(promoted.0, Priority::Fresh).unwrap();
                    }
                    _ => {
                        queue.pop_first();
                        model = model.split_off(1.min(model.len()));
                    }
                }
                model.sort_unstable();
                let first = queue.first().map(|text| text.parse().unwrap());
                prop_assert_eq!(first, model.first().map(|(place, _)| place.number));
                prop_assert_eq!(queue.oldest(), model.iter().map(|(place, _)| since(*place)).min());
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.tokens(), model.iter().map(|(_, tokens)| tokens).sum::<u64>());
            }
        }
    }
}
