#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

//! What the tour in `lib.rs` says of who knows whom.

use std::{collections::BTreeSet, fs, path::PathBuf};

use regex::Regex;

use crate::pages::{files, name, root};

const STAGES: [&str; 10] = [
    "source",
    "decode",
    "registry",
    "document",
    "window",
    "reconcile",
    "index",
    "embed",
    "commit",
    "dead_letter",
];

/// What stages may know besides themselves.
const SHARED: [&str; 11] = [
    "record",
    "cost",
    "error",
    "telemetry",
    "config",
    "kafka",
    "lease",
    "tokens",
    "http",
    "clock",
    "backoff",
];

/// Which stage may know which other.
const EXCEPTIONS: [(&str, &str); 2] = [("reconcile", "window"), ("source", "commit")];

/// The files of a module, without those of its tests.
fn sources(module: &str) -> Vec<PathBuf> {
    let folder = root().join("src").join(module);
    let single = folder.with_extension("rs");
    let mut sources = if folder.exists() {
        files(&format!("src/{module}"), "rs")
    } else {
        Vec::new()
    };
    sources.extend(single.exists().then_some(single));
    let is_test = |path: &PathBuf| name(path).split(['/', '.', '_']).any(is_of_tests);
    sources.retain(|path| !is_test(path));
    sources
}

fn is_of_tests(part: &str) -> bool {
    matches!(part, "tests" | "model")
}

/// The modules of the crate that a file names, in its code, its tests left out.
fn known(file: &PathBuf) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap();
    let tests = Regex::new(r"(?s)#\[cfg\(test\)\]\s+(#\[allow\([^]]*\]\s+)?mod ").unwrap();
    let code = tests.split(&text).next().unwrap();
    let lines = code.lines().map(str::trim);
    let code: String = lines
        .filter(|line| !line.starts_with("//"))
        .collect::<Vec<_>>()
        .join(" ");
    let mut known = BTreeSet::new();
    for (at, found) in code.match_indices("crate::") {
        let rest = &code[at + found.len()..];
        match rest.strip_prefix('{') {
            Some(group) => known.extend(heads(group)),
            None => known.extend(head(rest)),
        }
    }
    known
}

/// The first name of a path.
fn head(path: &str) -> Option<String> {
    let end = path.find(|it: char| it != '_' && !it.is_ascii_alphanumeric());
    let head = &path[..end.unwrap_or(path.len())];
    (!head.is_empty()).then(|| head.to_owned())
}

/// The first names of the paths in a group, of which the opening brace is left out.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut heads) = (0_u32, 0, Vec::new());
    for (at, it) in group.char_indices() {
        match it {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' if depth == 0 => {
                heads.extend(head(group[start..at].trim()));
                start = at + 1;
                if it == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    heads
}

#[test]
fn stages_know_what_flows_and_not_one_another() {
    let mut complaints = Vec::new();
    for stage in STAGES {
        let sources = sources(stage);
        assert!(!sources.is_empty(), "{stage} is no module");
        for file in sources {
            for module in known(&file) {
                let may = module == stage
                    || SHARED.contains(&module.as_str())
                    || EXCEPTIONS.contains(&(stage, module.as_str()));
                if !may {
                    complaints.push(format!("{} knows {module}", name(&file)));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn what_stages_share_knows_no_stage() {
    let mut complaints = Vec::new();
    for module in SHARED {
        for file in sources(module) {
            let stages = known(&file).into_iter();
            for stage in stages.filter(|it| STAGES.contains(&it.as_str())) {
                complaints.push(format!("{} knows {stage}", name(&file)));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
