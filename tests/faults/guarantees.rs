//! `docs/guarantees.md` names tests that exist.

use std::{fs, path::Path};

use regex::Regex;

#[test]
fn every_promise_names_tests_that_exist() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let page = fs::read_to_string(docs.join("guarantees.md")).unwrap();
    let test = Regex::new(r"\[(\w+)\]\(([\w./]+\.rs)\)").unwrap();
    let promises: Vec<&str> = page
        .lines()
        .skip_while(|line| !line.starts_with("| promise"))
        .skip(2)
        .take_while(|line| line.starts_with("| "))
        .collect();
    assert!(!promises.is_empty());
    for promise in promises {
        assert!(test.is_match(promise), "no test shows: {promise}");
    }
    for found in test.captures_iter(&page) {
        let (name, path) = (&found[1], &found[2]);
        let code = fs::read_to_string(docs.join(path)).unwrap();
        let definition = Regex::new(&format!(r"fn {name}\(")).unwrap();
        assert!(definition.is_match(&code), "{path} has no test {name}");
    }
}
