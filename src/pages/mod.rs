//! The pages for people are kept true: every command in them is one that there is, every snippet of
//! configuration loads, every link leads somewhere.
//!
//! Nothing here runs a command. Those of the program go through the real command line's parser; those
//! of others are named in a list, because they need servers or tools that a test has not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod commands;
mod links;
mod runbooks;
mod settings;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A page, as it is in the repository.
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// What stands between two fences.
struct Block<'a> {
    /// The page, and the line of the first fence.
    at: String,
    language: &'a str,
    lines: Vec<&'a str>,
}

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The path of a file in the repository, as people write it.
pub(crate) fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// The files in a folder and those below it that end in `ending`, in order.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut folders = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "nothing in {folder} ends in {ending}");
    files
}

/// Every page: those at the root, and those in `docs` and `deploy`.
pub(crate) fn all() -> Vec<Page> {
    let at_the_root = fs::read_dir(root()).unwrap();
    let at_the_root = at_the_root.map(|entry| entry.unwrap().path());
    let at_the_root = at_the_root.filter(|path| path.extension().is_some_and(|it| it == "md"));
    let below = ["docs", "deploy"].map(|folder| files(folder, ".md"));
    let paths = at_the_root.chain(below.into_iter().flatten());
    paths
        .map(|path| Page {
            text: fs::read_to_string(&path).unwrap(),
            path,
        })
        .collect()
}

impl Page {
    /// The fenced blocks; a fence may be indented, as in a list.
    fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks = Vec::new();
        let mut open: Option<(usize, Block<'_>)> = None;
        for (number, line) in (1..).zip(self.text.lines()) {
            let rest = line.trim_start();
            let indent = line.len() - rest.len();
            match (&mut open, rest.strip_prefix("```")) {
                (None, Some(language)) => {
                    let block = Block {
                        at: format!("{}:{number}", name(&self.path)),
                        language: language.trim(),
                        lines: Vec::new(),
                    };
                    open = Some((indent, block));
                }
                (Some(_), Some(_)) => blocks.extend(open.take().map(|(_, block)| block)),
                (Some((indent, block)), None) => {
                    block.lines.push(line.get(*indent..).unwrap_or(rest));
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "a fence of {} stays open", name(&self.path));
        blocks
    }

    /// The text without what stands between fences.
    fn prose(&self) -> String {
        let mut prose = String::new();
        let mut is_fenced = false;
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                is_fenced = !is_fenced;
            } else if !is_fenced {
                prose.push_str(line);
                prose.push('\n');
            }
        }
        prose
    }
}

#[test]
fn every_block_says_what_it_is() {
    const LANGUAGES: [&str; 8] = [
        "json", "mermaid", "python", "sh", "sql", "text", "toml", "yaml",
    ];
    for page in all() {
        for block in page.blocks() {
            let (at, language) = (&block.at, block.language);
            assert!(LANGUAGES.contains(&language), "{at}: `{language}`");
            if language == "json" {
                let json = serde_json::from_str::<serde_json::Value>(&block.lines.join("\n"));
                assert!(json.is_ok(), "{at}: {json:?}");
            }
        }
    }
}
