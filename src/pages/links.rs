//! Links lead to files and headings that are there.

use std::fs;

use regex::Regex;

use super::{all, name};

/// A heading's anchor, as GitHub makes it: lower case, hyphens for spaces, without punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|it| match it {
        ' ' => Some('-'),
        '-' | '_' => Some(it),
        _ => it.is_alphanumeric().then(|| it.to_ascii_lowercase()),
    });
    kept.collect()
}

fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
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
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = match path {
                "" => page.path.clone(),
                path => page.path.parent().unwrap().join(path),
            };
            assert!(file.exists(), "{at}");
            if !heading.is_empty() {
                let text = fs::read_to_string(&file).unwrap();
                assert!(anchors(&text).iter().any(|it| it == heading), "{at}");
            }
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
