//! Which topic's tables are processed how.

use regex::Regex;

/// What each table has of its own, found by its topic: of the first entry that names or matches
/// it, else of all others.
#[derive(Debug)]
pub struct Routes<T> {
    entries: Vec<(Vec<Matcher>, T)>,
    others: Option<T>,
}

#[derive(Debug)]
enum Matcher {
    Name(String),
    Pattern(Regex),
}

impl<T> Default for Routes<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            others: None,
        }
    }
}

impl<T> Routes<T> {
    /// Adds an entry behind those there are: topics by name, or patterns that start with `^`.
    /// Fails on a pattern that is none.
    pub fn push(&mut self, topics: &[String], table: T) -> Result<(), regex::Error> {
        let matchers = topics
            .iter()
            .map(|topic| {
                if topic.starts_with('^') {
                    Regex::new(topic).map(Matcher::Pattern)
                } else {
                    Ok(Matcher::Name(topic.clone()))
                }
            })
            .collect::<Result<_, _>>()?;
        self.entries.push((matchers, table));
        Ok(())
    }

    /// Says what counts where no entry matches.
    pub fn set_others(&mut self, table: T) {
        self.others = Some(table);
    }

    /// What a topic's table has; `None` where no entry matches, and there is nothing for others.
    pub fn of(&self, topic: &str) -> Option<&T> {
        let matches = |matcher: &Matcher| match matcher {
            Matcher::Name(name) => name == topic,
            Matcher::Pattern(pattern) => pattern.is_match(topic),
        };
        self.entries
            .iter()
            .find(|(matchers, _)| matchers.iter().any(matches))
            .map(|(_, table)| table)
            .or(self.others.as_ref())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_that_matches_counts_and_else_what_is_for_others() {
        let mut routes = Routes::default();
        let topics = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        routes.push(&topics(&["shop.brands"]), 1).unwrap();
        routes.push(&topics(&["^shop[.]", "stock"]), 2).unwrap();
        assert_eq!(routes.of("orders"), None);
        routes.set_others(3);
        for (topic, table) in [
            ("shop.brands", 1),
            ("shop.brands2", 2),
            ("stock", 2),
            ("old.shop.brands", 3),
            ("stock2", 3),
        ] {
            assert_eq!(routes.of(topic), Some(&table), "{topic}");
        }
        assert!(routes.push(&topics(&["^("]), 4).is_err());
    }
}
