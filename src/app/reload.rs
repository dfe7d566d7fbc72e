//! What of the configuration may change while the program runs, and what needs a restart.

use std::fmt;

use serde_json::{Map, Value};

use crate::config::{Config, CostConfig, EmbedConfig};

/// What became of a reload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// How many configurations were in effect, this one included.
    pub generation: u64,
    /// Keys that have other values now.
    pub changed: Vec<String>,
    /// Keys that have other values in the configuration, which don't count before the next start.
    pub needs_restart: Vec<String>,
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "configuration {} is in effect", self.generation)?;
        if self.changed.is_empty() {
            f.write_str("; nothing has changed")?;
        } else {
            write!(f, "; changed: {}", self.changed.join(", "))?;
        }
        if !self.needs_restart.is_empty() {
            write!(f, "; needs a restart: {}", self.needs_restart.join(", "))?;
        }
        Ok(())
    }
}

/// What is to be in effect once `read` is reloaded: the running configuration, but for what may change.
pub(super) fn merged(running: &Config, read: &Config) -> Config {
    let mut merged = running.clone();
    let EmbedConfig {
        concurrency,
        batch_tokens,
        requests_per_minute,
        tokens_per_minute,
        ..
    } = read.embed;
    merged.embed = EmbedConfig {
        concurrency,
        batch_tokens,
        requests_per_minute,
        tokens_per_minute,
        ..merged.embed
    };
    merged.cost = CostConfig {
        prices: read.cost.prices.clone(),
        budget: read.cost.budget.clone(),
        ..merged.cost
    };
    merged.log.level.clone_from(&read.log.level);
    merged
}

/// The keys, sections included, in which two configurations differ.
pub(super) fn differing(one: &Config, other: &Config) -> Vec<String> {
    let tree = |config: &Config| serde_json::to_value(config).unwrap_or_default();
    let mut keys = Vec::new();
    note(&tree(one), &tree(other), "", &mut keys);
    keys
}

fn note(one: &Value, other: &Value, key: &str, keys: &mut Vec<String>) {
    let empty = Map::new();
    let section = |value: &Value| value.as_object().cloned();
    // A section that is absent lacks all that the other has.
    let (left, right) = match (section(one), section(other)) {
        (Some(left), Some(right)) => (left, right),
        (Some(left), None) if other.is_null() => (left, empty),
        (None, Some(right)) if one.is_null() => (empty, right),
        _ => {
            if one != other {
                keys.push(key.to_owned());
            }
            return;
        }
    };
    // Where a secret is found is one value.
    let is_reference = |section: &Map<String, Value>| {
        section.len() == 1 && (section.contains_key("env") || section.contains_key("file"))
    };
    if is_reference(&left) || is_reference(&right) {
        if left != right {
            keys.push(key.to_owned());
        }
        return;
    }
    let added = right.keys().filter(|name| !left.contains_key(*name));
    for name in left.keys().chain(added) {
        let path = match key {
            "" => name.clone(),
            key => format!("{key}.{name}"),
        };
        let value = |section: &Map<String, Value>| section.get(name).cloned().unwrap_or_default();
        note(&value(&left), &value(&right), &path, keys);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SecretRef;

    #[test]
    fn what_differs_is_named_by_its_key() {
        let one = Config::default();
        let mut other = one.clone();
        assert_eq!(differing(&one, &other), Vec::<String>::new());
        other.kafka.group = "another".into();
        other.embed.api_key = Some(SecretRef::Env("KEY".into()));
        let property = ("fetch.min.bytes".to_owned(), "1".to_owned());
        other.kafka.properties.extend([property]);
        other.cost.budget.daily = "$2".parse().ok();
        let keys = differing(&one, &other);
        for key in [
            "kafka.group",
            "kafka.properties.fetch.min.bytes",
            "embed.api_key",
            "cost.budget.daily",
        ] {
            assert!(keys.iter().any(|it| it == key), "{key} in {keys:?}");
        }
        assert_eq!(keys.len(), 4, "{keys:?}");
        assert_eq!(differing(&other, &one).len(), 4);
    }

    #[test]
    fn only_what_may_change_is_taken_over() {
        let running = Config::default();
        let mut read = running.clone();
        read.embed.tokens_per_minute = Some(90_000);
        read.embed.concurrency = 3;
        read.embed.model = "another".into();
        read.cost.budget.daily = "$2".parse().ok();
        read.log.level = "debug".into();
        read.log.row_values = true;
        let merged = merged(&running, &read);
        let changed = [
            "embed.concurrency",
            "embed.tokens_per_minute",
            "cost.budget.daily",
            "log.level",
        ];
        assert_eq!(differing(&running, &merged), changed);
        let restart = ["embed.model", "log.row_values"];
        assert_eq!(differing(&merged, &read), restart);
    }
}
