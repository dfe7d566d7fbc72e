//! Letters by what is wrong with them.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use serde_json::{Value as Json, json};

use crate::{
    cli::{
        inspect::show::{Length, time},
        layout::align,
        selection::counted,
    },
    dead_letter::{Letter, Place},
};

/// More groups than that are one: whoever else writes to the topic may have endless reasons.
const MOST: usize = 1_000;

/// The letters of a topic by stage and reason. Keeps of each group one example, whatever their
/// number.
#[derive(Debug, Default)]
pub(super) struct Groups {
    by_reason: BTreeMap<(Box<str>, Box<str>), Group>,
    /// Letters that are done with.
    pub(super) done: u64,
    /// Letters that were not asked for.
    pub(super) unmatched: u64,
    /// Records that are no letters.
    pub(super) others: u64,
}

#[derive(Debug)]
struct Group {
    count: u64,
    first_ms: Option<i64>,
    last_ms: Option<i64>,
    tables: BTreeMap<Box<str>, u64>,
    /// The latest.
    example: Example,
}

#[derive(Debug)]
struct Example {
    place: Place,
    message: Box<str>,
}

impl Groups {
    pub(super) fn add(&mut self, letter: &Letter) {
        let mut name = (letter.stage.clone(), letter.reason.clone());
        if self.by_reason.len() >= MOST && !self.by_reason.contains_key(&name) {
            name = ("…".into(), "…".into());
        }
        let example = Example {
            place: letter.place,
            message: letter.message.clone(),
        };
        let failed_ms = letter.failed_ms;
        let group = self.by_reason.entry(name).or_insert_with(|| Group {
            count: 0,
            first_ms: failed_ms,
            last_ms: failed_ms,
            tables: BTreeMap::new(),
            example: Example {
                message: "".into(),
                ..example
            },
        });
        group.count += 1;
        group.first_ms = [group.first_ms, failed_ms].into_iter().flatten().min();
        if failed_ms >= group.last_ms {
            group.last_ms = failed_ms;
            group.example = example;
        }
        let topic = Box::from(&*letter.record.topic);
        if group.tables.len() < MOST || group.tables.contains_key(&topic) {
            *group.tables.entry(topic).or_default() += 1;
        }
    }

    fn total(&self) -> u64 {
        self.by_reason.values().map(|group| group.count).sum()
    }

    /// The most frequent first.
    fn sorted(&self) -> Vec<(&str, &str, &Group)> {
        let groups = self.by_reason.iter();
        let mut sorted: Vec<_> = groups.map(|((s, r), it)| (&**s, &**r, it)).collect();
        sorted.sort_by_key(|(.., group)| std::cmp::Reverse(group.count));
        sorted
    }

    pub(super) fn to_text(&self, topic: &str) -> Result<String, fmt::Error> {
        let mut text = format!("{topic}: {}", letters(self.total()));
        if self.done > 0 {
            write!(text, ", and {} done with", self.done)?;
        }
        if self.unmatched > 0 {
            write!(text, "; {} not asked for", self.unmatched)?;
        }
        if self.others > 0 {
            write!(text, "; besides {} of another kind", counted(self.others))?;
        }
        text.push('\n');
        let when = |at: Option<i64>| at.map_or_else(|| "?".to_owned(), time);
        for (stage, reason, group) in self.sorted() {
            let line = |text: &str| Length::Cut.line(text);
            writeln!(text, "\n{} {}", line(stage), line(reason))?;
            let tables = group.tables.iter();
            let tables: Vec<String> = tables
                .map(|(topic, count)| format!("{count} of {}", line(topic)))
                .collect();
            let facts = [
                ("letters", tables.join(", ")),
                ("first", when(group.first_ms)),
                ("last", when(group.last_ms)),
                ("example", group.example.place.to_string()),
                ("says", Length::Full.line(&group.example.message)),
            ];
            let facts: Vec<Vec<String>> = facts
                .into_iter()
                .map(|(name, fact)| vec![name.to_owned(), fact])
                .collect();
            align(&mut text, "  ", &facts)?;
        }
        Ok(text)
    }

    pub(super) fn to_json(&self, topic: &str) -> Json {
        let groups: Vec<Json> = self
            .sorted()
            .into_iter()
            .map(|(stage, reason, group)| {
                json!({
                    "stage": stage,
                    "reason": reason,
                    "count": group.count,
                    "first_ms": group.first_ms,
                    "last_ms": group.last_ms,
                    "topics": group.tables,
                    "example": {
                        "place": group.example.place.to_string(),
                        "message": group.example.message,
                    },
                })
            })
            .collect();
        json!({
            "topic": topic,
            "letters": self.total(),
            "done": self.done,
            "unmatched": self.unmatched,
            "others": self.others,
            "groups": groups,
        })
    }
}

/// `1 letter`, `3 letters`.
pub(super) fn letters(count: u64) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} letter{plural}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::cli::dlq::filter::tests::letter;

    #[test]
    fn letters_are_grouped_the_most_frequent_first_with_their_latest_as_example() {
        let mut groups = Groups::default();
        groups.add(&letter(1, "empty_text", 10));
        groups.add(&letter(2, "not_json", 30));
        groups.add(&letter(3, "not_json", 20));
        groups.done = 2;
        groups.unmatched = 4;
        groups.others = 1;
        assert_eq!(
            groups.to_text("dead").unwrap(),
            "\
dead: 3 letters, and 2 done with; 4 not asked for; besides 1 record of another kind

decode not_json
  letters  2 of shop.public.products
  first    1970-01-01T00:00:20.000Z
  last     1970-01-01T00:00:30.000Z
  example  0@2
  says     the message of 2

decode empty_text
  letters  1 of shop.public.products
  first    1970-01-01T00:00:10.000Z
  last     1970-01-01T00:00:10.000Z
  example  0@1
  says     the message of 1
"
        );
        let json = groups.to_json("dead");
        assert_eq!(json["letters"], 3);
        assert_eq!(json["groups"][0]["example"]["place"], "0@2");
        assert_eq!(json["groups"][0]["topics"]["shop.public.products"], 2);
    }

    #[test]
    fn endless_reasons_are_one_group() {
        let mut groups = Groups::default();
        for offset in 0..5_000 {
            groups.add(&letter(offset, &format!("reason {offset}"), 1));
        }
        assert_eq!(groups.by_reason.len(), MOST + 1);
        assert_eq!(groups.total(), 5_000);
    }
}
