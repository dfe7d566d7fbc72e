//! Which topics are read, and how many partitions they have together.

use rdkafka::metadata::Metadata;
use regex::Regex;

/// `kafka.topics`: names, and patterns that begin with `^`.
#[derive(Debug, Default)]
pub(super) struct Subscription {
    names: Vec<String>,
    patterns: Vec<Regex>,
}

impl Subscription {
    pub(super) fn new(topics: &[String]) -> Self {
        let (patterns, names): (Vec<_>, Vec<_>) =
            topics.iter().partition(|topic| topic.starts_with('^'));
        Self {
            names: names.into_iter().cloned().collect(),
            // One that can't be read is refused by the configuration, and by the client.
            patterns: patterns
                .into_iter()
                .filter_map(|pattern| Regex::new(pattern).ok())
                .collect(),
        }
    }

    fn includes(&self, topic: &str) -> bool {
        self.names.iter().any(|name| name == topic)
            || self.patterns.iter().any(|pattern| pattern.is_match(topic))
    }

    /// How many partitions its topics have, of those that the cluster has.
    pub(super) fn partitions(&self, cluster: &Metadata) -> usize {
        self.sum(
            cluster
                .topics()
                .iter()
                .map(|topic| (topic.name(), topic.partitions().len())),
        )
    }

    fn sum<'a>(&self, topics: impl Iterator<Item = (&'a str, usize)>) -> usize {
        topics
            .filter(|(topic, _)| self.includes(topic))
            .map(|(_, partitions)| partitions)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_as_they_are_and_patterns_by_what_they_match() {
        let topics = ["shop.products", "^stock[.]"].map(str::to_owned);
        let cluster = [
            ("shop.products", 6),
            ("shop.products.old", 50),
            ("stock.a", 2),
            ("stock.b", 4),
            ("vectide.dead-letters", 1),
        ];
        let subscription = Subscription::new(&topics);
        assert_eq!(subscription.sum(cluster.into_iter()), 12);
    }
}
