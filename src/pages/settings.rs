//! Snippets of configuration load, each on its own; or they have the problems that the page says.

use std::fs;

use toml::{Table, Value};

use super::{Block, all};
use crate::config::{ConfigFile, Sources};

/// What every configuration must say, where a snippet is about something else.
fn complete(snippet: &str) -> String {
    let mut table: Table = snippet.parse().unwrap();
    let kafka = table
        .entry("kafka")
        .or_insert_with(|| Value::Table(Table::new()));
    let topics = Value::Array(vec!["shop.public.products".into()]);
    kafka
        .as_table_mut()
        .unwrap()
        .entry("topics")
        .or_insert(topics);
    table.to_string()
}

/// What is wrong with a configuration, a line a problem.
fn problems(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vectide.toml");
    fs::write(&file, text).unwrap();
    let sources = Sources {
        file: ConfigFile::Named(file),
        ..Sources::default()
    };
    let problems = sources.load().err().map(|problems| problems.to_string());
    let problems = problems.unwrap_or_default();
    let folder = format!("{}/", folder.path().display());
    let lines = problems.lines().map(|line| line.replace(&folder, ""));
    lines.collect()
}

/// The problems that a block shows as the program's answer.
fn shown<'a>(block: Option<&Block<'a>>) -> Option<Vec<&'a str>> {
    let (first, problems) = block?.lines.split_first()?;
    let is_answer = first.starts_with("vectide: the configuration has");
    is_answer.then(|| problems.to_vec())
}

#[test]
fn every_snippet_of_configuration_loads_or_has_the_problems_that_are_shown() {
    let (mut right, mut wrong) = (0, 0);
    for page in all() {
        let blocks = page.blocks();
        for (index, block) in blocks.iter().enumerate() {
            if block.language != "toml" {
                continue;
            }
            let text = block.lines.join("\n");
            if let Some(shown) = shown(blocks.get(index + 1)) {
                assert_eq!(problems(&text), shown, "{}", block.at);
                wrong += 1;
            } else {
                let none: [&str; 0] = [];
                assert_eq!(problems(&complete(&text)), none, "{}", block.at);
                right += 1;
            }
        }
    }
    assert!(
        right > 0 && wrong > 0,
        "the snippets are not found any more"
    );
}

#[test]
fn the_sample_of_docker_compose_loads() {
    let sources = Sources {
        file: ConfigFile::Named(super::root().join("deploy/docker/vectide.toml")),
        ..Sources::default()
    };
    assert!(sources.load().is_ok());
}
