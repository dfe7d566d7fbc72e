//! Which letters are done with. Pure.
//!
//! A *mark* is a record without key in the partition of the letters that it marks, with a header
//! and the ranges of their offsets. It lies behind them, so retention takes it after them.

use std::collections::BTreeMap;

use crate::record::{Header, RawRecord};

use super::{Place, envelope::Envelope};

/// The header that makes a record a mark.
const DONE: &str = "vectide.done";

/// Offsets that one mark may list as ranges: a record of some ten kilobytes.
const RANGES: usize = 500;

/// The letters that are done with, as ranges of offsets: a million in a row cost as much as one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// By partition: the first offset of each range, and its last.
    ranges: BTreeMap<i32, BTreeMap<i64, i64>>,
}

impl Done {
    /// Adds a letter.
    pub fn insert(&mut self, place: Place) {
        self.insert_range(place.partition, place.offset.0, place.offset.0);
    }

    /// Whether a letter is done with.
    pub fn contains(&self, place: Place) -> bool {
        let ranges = self.ranges.get(&place.partition);
        let before = ranges.and_then(|ranges| ranges.range(..=place.offset.0).next_back());
        before.is_some_and(|(_, last)| *last >= place.offset.0)
    }

    /// Takes in what a record of the dead-letter topic marks; says whether it is a mark.
    pub fn read(&mut self, raw: &RawRecord) -> bool {
        if !raw.headers.iter().any(|header| *header.name == *DONE) {
            return false;
        }
        let value = raw.value.as_deref().unwrap_or_default();
        let ranges: Vec<(i64, i64)> = serde_json::from_slice(value).unwrap_or_default();
        for (first, last) in ranges {
            // A mark speaks of what lies before it.
            if first <= last && last < raw.offset.0 {
                self.insert_range(raw.partition, first, last);
            }
        }
        true
    }

    /// The marks that say all this, each with its partition.
    pub(super) fn marks(&self) -> Vec<(i32, Envelope)> {
        let mut marks = Vec::new();
        for (partition, ranges) in &self.ranges {
            let ranges: Vec<(&i64, &i64)> = ranges.iter().collect();
            for ranges in ranges.chunks(RANGES) {
                let value = serde_json::json!(ranges).to_string();
                let mark = Envelope {
                    key: None,
                    value: Some(value.into_bytes().into()),
                    timestamp_ms: None,
                    headers: vec![Header {
                        name: DONE.into(),
                        value: Some(env!("CARGO_PKG_VERSION").as_bytes().into()),
                    }],
                };
                marks.push((*partition, mark));
            }
        }
        marks
    }

    fn insert_range(&mut self, partition: i32, mut first: i64, mut last: i64) {
        let ranges = self.ranges.entry(partition).or_default();
        // Those that overlap or touch become one.
        while let Some((&from, &to)) = ranges.range(..=last.saturating_add(1)).next_back()
            && to >= first.saturating_sub(1)
        {
            ranges.remove(&from);
            (first, last) = (first.min(from), last.max(to));
        }
        ranges.insert(first, last);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::record::Offset;

    fn place(partition: i32, offset: i64) -> Place {
        Place {
            partition,
            offset: Offset(offset),
        }
    }

    /// The mark as it is read from the end of its partition.
    fn written((partition, mark): (i32, Envelope)) -> RawRecord {
        RawRecord {
            topic: "dead".into(),
            partition,
            offset: Offset(1_000),
            timestamp_ms: None,
            key: mark.key,
            value: mark.value,
            headers: mark.headers,
        }
    }

    #[test]
    fn a_run_of_letters_is_one_range() {
        let mut done = Done::default();
        for offset in (0..10_000).rev() {
            done.insert(place(0, offset));
        }
        assert_eq!(done.ranges.get(&0), Some(&[(0, 9_999)].into()));
    }

    #[test]
    fn a_mark_of_rubbish_marks_nothing() {
        let mut done = Done::default();
        for value in ["", "x", "[[5,1]]", "[[0,1000]]", "{}"] {
            let mark = Envelope {
                key: None,
                value: Some(value.as_bytes().into()),
                timestamp_ms: None,
                headers: vec![Header {
                    name: DONE.into(),
                    value: None,
                }],
            };
            assert!(done.read(&written((0, mark))));
        }
        assert_eq!(done, Done::default());
    }

    proptest! {
        /// Against a set of places: what was written in marks and read from them is the same.
        #[test]
        fn what_is_marked_is_what_is_read(
            places in prop::collection::vec((0_i32..3, 0_i64..60), 0..120)
        ) {
            let (mut done, mut model) = (Done::default(), BTreeSet::new());
            for (partition, offset) in places {
                done.insert(place(partition, offset));
                model.insert((partition, offset));
            }
            let mut read = Done::default();
            for mark in done.marks() {
                prop_assert!(read.read(&written(mark)));
            }
            prop_assert_eq!(&read, &done);
            for partition in 0..3 {
                for offset in 0..60 {
                    let is_done = read.contains(place(partition, offset));
                    prop_assert_eq!(is_done, model.contains(&(partition, offset)));
                }
            }
        }
    }
}
