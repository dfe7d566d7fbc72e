//! Links lead to files and headings that are there.

use std::{fs, path::Path};

use regex::Regex;

use super::{Page, all, files, name, root};

/// A heading's anchor, as GitHub makes it: lower case, hyphens for spaces, without punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|it| match it {
        ' ' => Some('-'),
        '-' | '_' => Some(it),
        _ => it.is_alphanumeric().then(|| it.to_ascii_lowercase()),
    });
    kept.collect()
}

/// Those of a page's headings; what a block has behind a `#` is none.
fn anchors(page: &Page) -> Vec<String> {
    let prose = page.prose();
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

/// What is wrong with a file of the repository as the target of a link.
fn complaint(file: &Path, heading: Option<&str>) -> Option<&'static str> {
    if !file.exists() {
        return Some("there is no such file");
    }
    let heading = heading?;
    let page = Page {
        text: fs::read_to_string(file).unwrap_or_default(),
        path: file.to_owned(),
    };
    let has_it = anchors(&page).iter().any(|it| it == heading);
    (!has_it).then_some("it has no such heading")
}

/// A path, and the heading behind it.
fn split(target: &str) -> (&str, Option<&str>) {
    match target.split_once('#') {
        Some((path, heading)) => (path, Some(heading)),
        None => (target, None),
    }
}

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut count = 0;
    for page in all() {
        for found in link.captures_iter(&page.prose()) {
            let target = &found[1];
            if target.contains("://") {
                continue;
            }
            let at = format!("{}: {target}", name(&page.path));
            let (path, heading) = split(target);
            let file = match path {
                "" => page.path.clone(),
                path => page.path.parent().unwrap().join(path),
            };
            assert_eq!(complaint(&file, heading), None, "{at}");
            count += 1;
        }
    }
    assert!(count > 50, "the links are not found any more");
}

#[test]
fn a_heading_becomes_an_anchor() {
    assert_eq!(
        anchor(" Why does the index show this?"),
        "why-does-the-index-show-this"
    );
    assert_eq!(anchor(" `dead_letter`"), "dead_letter");
}

/// In comments, messages and help, in alerts, manifests and the status page: by path, or as a link to the repository.
#[test]
fn every_page_that_something_else_names_is_there() {
    let mention = Regex::new(r"\bdocs/[a-z0-9/-]+\.(?:md|png)(?:#[a-z0-9_-]+)?").unwrap();
    let at_the_root = [
        "Cargo.toml",
        "Makefile",
        "docker-compose.yml",
        "vectide.example.toml",
    ];
    let below = ["src", "embedded/src", "deploy", "scripts", "tests"];
    let below = below.into_iter().flat_map(|folder| files(folder, ""));
    let at_the_root = at_the_root.into_iter().map(|file| root().join(file));
    let (mut count, mut of_alerts) = (0, 0);
    for file in at_the_root.chain(below) {
        // Images are no text.
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        for found in mention.find_iter(&text) {
            let (path, heading) = split(found.as_str());
            let complaint = complaint(&root().join(path), heading);
            assert_eq!(complaint, None, "{}: {}", name(&file), found.as_str());
            count += 1;
            of_alerts += usize::from(file.ends_with("prometheus/alerts.yml"));
        }
    }
    assert!(
        count > 50 && of_alerts > 10,
        "the mentions are not found any more"
    );
}

#[test]
fn a_file_or_a_heading_that_there_is_not_is_noticed() {
    let of = |path: &str, heading| complaint(&root().join(path), heading);
    assert_eq!(of("docs/operations.md", Some("dead-letters")), None);
    assert_eq!(of("docs/nowhere", None), Some("there is no such file"));
    let wrong = Some("it has no such heading");
    assert_eq!(of("docs/operations.md", Some("dead-leters")), wrong);
    // A comment in a block.
    let comment = "brokers-refuse-less-than-the-minima-which-are-45-s-and-5-s-by-default-they-are-read-at-a-brokers-start";
    assert_eq!(of("docs/operations.md", Some(comment)), wrong);
}
