//! Which table a command is about, where several are configured.

use crate::{
    config::{Config, TableSections},
    pipeline::Routes,
};

use super::failure::Misused;

/// What counts for a topic's table.
pub(super) fn sections_of<'a>(
    config: &'a Config,
    topic: &str,
) -> anyhow::Result<TableSections<'a>> {
    let mut routes = Routes::default();
    for table in config.table_sections() {
        match table.entry {
            Some(_) => routes.push(table.topics, table)?,
            None => routes.set_others(table),
        }
    }
    Ok(*routes.of(topic).expect("there is an entry for all others"))
}

/// What counts where no topic is named: for the one collection that is written to, if it is one.
pub(super) fn only_collection(config: &Config) -> anyhow::Result<TableSections<'_>> {
    let mut names: Vec<&str> = config.collections().into_iter().map(|it| it.0).collect();
    if names.len() > 1 {
        names.sort_unstable();
        let names = names.join(", ");
        let message = format!(
            "name one collection with --collection, or a table's topic with --topic: {names}"
        );
        return Err(Misused(message).into());
    }
    let tables = config.table_sections();
    let used = tables.iter().find(|table| config.is_used(table));
    Ok(*used
        .or(tables.last())
        .expect("there is an entry for all others"))
}

/// A stand-in inside of another process has no address.
pub(super) fn refuse_stand_in(key: &str, is_embedded: bool, example: &str) -> anyhow::Result<()> {
    if !is_embedded {
        return Ok(());
    }
    let variable = key.to_uppercase().replace('.', "__");
    anyhow::bail!(
        "{key} is a stand-in inside of `vectide run`: name a server, such as {}{variable}={example}",
        crate::config::PREFIX
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TableConfig;

    fn config() -> Config {
        let mut config = Config::default();
        config.kafka.topics = vec!["shop.products".into(), "shop.brands".into()];
        config.tables = vec![TableConfig {
            topics: vec!["^shop[.]b".into()],
            collection: Some("brands".into()),
            ..TableConfig::default()
        }];
        config
    }

    #[test]
    fn a_topic_has_the_collection_of_the_entry_that_matches_it() {
        let config = config();
        let collection = |topic| sections_of(&config, topic).map(|it| it.collection).ok();
        assert_eq!(collection("shop.brands"), Some("brands"));
        assert_eq!(collection("shop.products"), Some("products"));
    }

    #[test]
    fn of_several_collections_one_must_be_named() {
        let mut config = config();
        let message = only_collection(&config).map_err(|it| it.to_string()).err();
        assert_eq!(
            message.as_deref(),
            Some(
                "name one collection with --collection, or a table's topic with --topic: brands, products"
            )
        );
        config.kafka.topics.remove(0);
        let only = only_collection(&config).map(|it| it.collection).ok();
        assert_eq!(only, Some("brands"));
    }
}
