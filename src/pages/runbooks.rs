//! Every runbook has the same parts, and is found from where somebody would look.

use std::{collections::BTreeSet, fs};

use super::{files, name, root};

const FOLDER: &str = "docs/runbooks";

/// The pages, by the names of their files.
fn pages() -> Vec<(String, String)> {
    let pages = files(FOLDER, ".md").into_iter().map(|path| {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        (file, fs::read_to_string(path).unwrap())
    });
    pages.filter(|(file, _)| file != "README.md").collect()
}

#[test]
fn every_runbook_says_what_is_seen_why_and_what_to_do() {
    for (file, text) in pages() {
        let headings: Vec<&str> = text.lines().filter(|it| it.starts_with("## ")).collect();
        let parts = ["## Symptom", "## Cause", "## What to do"];
        assert!(headings.starts_with(&parts), "{file}: {headings:?}");
    }
}

#[test]
fn the_index_has_every_runbook() {
    let index = fs::read_to_string(root().join(FOLDER).join("README.md")).unwrap();
    for (file, _) in pages() {
        assert!(
            index.contains(&format!("]({file})")),
            "{file} is not in the index"
        );
    }
}

/// The lanes' tables in `docs/operations.md`: whatever blocks a lane has a page.
#[test]
fn whatever_blocks_a_lane_has_its_runbook() {
    let path = root().join("docs/operations.md");
    let text = fs::read_to_string(&path).unwrap();
    let blocked = text.lines().filter(|line| line.starts_with("| blocked |"));
    let mut linked = BTreeSet::new();
    for line in blocked {
        let target = line
            .split("](runbooks/")
            .nth(1)
            .and_then(|it| it.split(')').next());
        let target = target.unwrap_or_else(|| panic!("{}: no runbook: {line}", name(&path)));
        assert!(root().join(FOLDER).join(target).exists(), "{target}");
        linked.insert(target.to_owned());
    }
    assert!(linked.len() > 5, "the tables are not found any more");
}
